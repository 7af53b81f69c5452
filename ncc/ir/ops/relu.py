"""relu, leaky_relu, prelu, thresholded_relu, shrink: activations of straight pieces."""

from ncc.ir.op import Elementwise, op
from ncc.ir.scalar import Math, Scalar


@op("relu", onnx="Relu")
class Relu(Elementwise):
    """max(x, 0); NaN stays."""

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.max(x, 0)


@op("leaky_relu", onnx="LeakyRelu")
class LeakyRelu(Elementwise):
    """x, and alpha * x below zero."""

    alpha: float = 0.01

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.where(x < 0, x * self.alpha, x)


@op("prelu", onnx="PRelu")
class Prelu(Elementwise):
    """x, and slope * x below zero."""

    def scalar(self, m: Math, x: Scalar, slope: Scalar) -> Scalar:
        return m.where(x < 0, x * slope, x)


@op("thresholded_relu", onnx="ThresholdedRelu")
class ThresholdedRelu(Elementwise):
    """x above alpha, else 0."""

    alpha: float = 1.0

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        return m.where(x > self.alpha, x, 0)


@op("shrink", onnx="Shrink")
class Shrink(Elementwise):
    """x moved by `bias` toward zero beyond -lambd..lambd, and 0 inside."""

    bias: float = 0.0
    lambd: float = 0.5

    def scalar(self, m: Math, x: Scalar) -> Scalar:
        beyond = m.where(x > self.lambd, x - self.bias, 0)
        return m.where(x < -self.lambd, x + self.bias, beyond)

"""Layers that several networks share, decomposed as PyTorch's exporter does at opset 17.

Scales keep activations near unit variance. The weights of each filter sum to zero, so that the
positive mean that rectifiers leave does not drown what depends on the input; where many layers
follow each other without a shortcut, batch norms shift values into the rectifiers' linear part, so
that errors of rounding do not grow from layer to layer any more than in trained networks.
"""

from __future__ import annotations

import math

import numpy as np

from nets.net import Net


def conv(
    net: Net,
    x: str,
    channels: tuple[int, int],
    *,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    gain: float = 2.0,
) -> str:
    """A convolution padded by half its kernel; weights have variance gain / fan-in."""
    inner, outer = channels
    fan_in = inner // groups * kernel * kernel
    filters = net.normal(outer, inner // groups, kernel, kernel, std=math.sqrt(gain / fan_in))
    filters -= filters.mean(axis=(1, 2, 3), keepdims=True)
    return net.op(
        "Conv",
        x,
        net.weight("weight", filters),
        dilations=[1, 1],
        group=groups,
        kernel_shape=[kernel, kernel],
        pads=[kernel // 2] * 4,
        strides=[stride, stride],
    )


def batch_norm(net: Net, x: str, channels: int, *, scale: float = 1.0, shift: float = 0.0) -> str:
    """A batch norm with statistics of its own per channel: about scale * (x + shift)."""
    return net.op(
        "BatchNormalization",
        x,
        net.weight("weight", scale * net.uniform(channels, low=0.8, high=1.2)),
        net.weight("bias", scale * (net.normal(channels, std=0.3) + np.float32(shift))),
        net.weight("running_mean", net.normal(channels, std=0.1)),
        net.weight("running_var", net.uniform(channels, low=0.8, high=1.2)),
        epsilon=1e-5,
        momentum=0.9,
    )


def linear(net: Net, x: str, inner: int, outer: int) -> str:
    """A dense layer on the last axis of a tensor of rank 3."""
    weight = net.weight("weight", net.normal(inner, outer, std=1 / math.sqrt(inner)))
    bias = net.weight("bias", net.normal(outer, std=0.1))
    return net.op("Add", bias, net.op("MatMul", x, weight))


def classifier(net: Net, x: str, inner: int, outer: int) -> str:
    """A dense layer on a matrix."""
    weight = net.weight("weight", net.normal(outer, inner, std=1 / math.sqrt(inner)))
    bias = net.weight("bias", net.normal(outer, std=0.1))
    return net.op("Gemm", x, weight, bias, alpha=1.0, beta=1.0, transB=1)


def layer_norm(net: Net, x: str, width: int, *, epsilon: float) -> str:
    scale = net.weight("weight", net.uniform(width, low=0.8, high=1.2))
    bias = net.weight("bias", net.normal(width, std=0.1))
    return net.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)


def gelu(net: Net, x: str) -> str:
    """x * (1 + erf(x / sqrt 2)) / 2"""
    with net.scope("act"):
        erf = net.op("Erf", net.op("Div", x, net.scalar(np.sqrt(2.0))))
        twice = net.op("Mul", x, net.op("Add", erf, net.scalar(1.0)))
        return net.op("Mul", twice, net.scalar(0.5))


def mish(net: Net, x: str) -> str:
    """x * tanh(softplus(x))"""
    with net.scope("act"):
        return net.op("Mul", x, net.op("Tanh", net.op("Softplus", x)))


def leaky_relu(net: Net, x: str) -> str:
    with net.scope("act"):
        return net.op("LeakyRelu", x, alpha=0.1)


def relu(net: Net, x: str) -> str:
    with net.scope("act"):
        return net.op("Relu", x)


def relu6(net: Net, x: str) -> str:
    with net.scope("act"):
        return net.op("Clip", x, net.scalar(0.0), net.scalar(6.0))

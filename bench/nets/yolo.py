"""YOLOv4 at 416: CSPDarknet53 with mish, spatial pyramid pooling, PANet, three raw heads.

Bochkovskiy et al., "YOLOv4: Optimal Speed and Accuracy of Object Detection", 2020.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nets.layers import batch_norm, conv, leaky_relu, mish
from nets.net import Net

STAGES = (
    (64, 64, 32, 1),
    (128, 64, 64, 2),
    (256, 128, 128, 8),
    (512, 256, 256, 8),
    (1024, 512, 512, 4),
)
"""Channels, channels of each of the two ways, channels inside a residual block, blocks."""

ANCHORS = 3
CLASSES = 80
BRANCH_SCALE = 0.3
"""Of the last batch norm in a residual block, so that sums stay near unit variance."""

SHIFT = 1.5
GAIN = 1.2
"""Of weights: 1 / variance of a shifted unit normal after its activation."""

Activation = Callable[[Net, str], str]


class Chain:
    """Numbered convolutions, each with its batch norm and activation."""

    def __init__(self, net: Net, activation: Activation) -> None:
        self.net = net
        self.activation = activation
        self._count = 0

    def __call__(
        self, x: str, inner: int, outer: int, kernel: int, *, stride: int = 1, scale: float = 1.0
    ) -> str:
        self._count += 1
        with self.net.scope(f"conv{self._count}"):
            x = conv(self.net, x, (inner, outer), kernel=kernel, stride=stride, gain=GAIN)
            with self.net.scope("norm"):
                x = batch_norm(self.net, x, outer, scale=scale, shift=SHIFT)
            return self.activation(self.net, x)

    def five(self, x: str, inner: int, width: int) -> str:
        """1x1 and 3x3 in turns, from `inner` channels to `width`."""
        x = self(x, inner, width, 1)
        for _ in range(2):
            x = self(self(x, width, 2 * width, 3), 2 * width, width, 1)
        return x


def yolov4() -> Net:
    net = Net("yolov4", seed=4)
    image = net.input("input", (3, 416, 416))
    with net.scope("backbone"):
        fine, middle, coarse = backbone(net, image)
    with net.scope("neck"):
        fine, middle, coarse = neck(net, fine, middle, coarse)
    with net.scope("head"):
        heads(net, fine, middle, coarse)
    return net


def backbone(net: Net, image: str) -> tuple[str, str, str]:
    """Features of 256 x 52 x 52, 512 x 26 x 26 and 1024 x 13 x 13."""
    layer = Chain(net, mish)
    x = layer(image, 3, 32, 3)
    inner, features = 32, []
    for outer, way, hidden, blocks in STAGES:
        x = layer(x, inner, outer, 3, stride=2)
        aside, x = layer(x, outer, way, 1), layer(x, outer, way, 1)
        for _ in range(blocks):
            x = residual(layer, x, way, hidden)
        x = net.op("Concat", layer(x, way, way, 1), aside, axis=1)
        x = layer(x, 2 * way, outer, 1)
        inner = outer
        features.append(x)
    return features[2], features[3], features[4]


def residual(layer: Chain, x: str, channels: int, hidden: int) -> str:
    y = layer(x, channels, hidden, 1)
    y = layer(y, hidden, channels, 3, scale=BRANCH_SCALE)
    return layer.net.op("Add", x, y)


def neck(net: Net, fine: str, middle: str, coarse: str) -> tuple[str, str, str]:
    """Pool the coarsest features at four scales, then carry them up: 128, 256, 512 channels."""
    layer = Chain(net, leaky_relu)
    x = three(layer, coarse, 1024)
    x = net.op("Concat", *(pool(net, x, size) for size in (13, 9, 5)), x, axis=1)
    coarse = three(layer, x, 2048)
    middle = merged(layer, coarse, middle, 512)
    fine = merged(layer, middle, fine, 256)
    return fine, middle, coarse


def three(layer: Chain, x: str, inner: int) -> str:
    return layer(layer(layer(x, inner, 512, 1), 512, 1024, 3), 1024, 512, 1)


def pool(net: Net, x: str, size: int) -> str:
    return net.op("MaxPool", x, kernel_shape=[size, size], pads=[size // 2] * 4, strides=[1, 1])


def merged(layer: Chain, coarse: str, fine: str, channels: int) -> str:
    """Finer features beside coarse ones enlarged twice; both come with `channels` channels."""
    half = channels // 2
    up = layer(coarse, channels, half, 1)
    up = layer.net.op(
        "Resize",
        up,
        "",
        layer.net.constant(np.array([1, 1, 2, 2], np.float32)),
        coordinate_transformation_mode="asymmetric",
        mode="nearest",
        nearest_mode="floor",
    )
    aside = layer(fine, channels, half, 1)
    return layer.five(layer.net.op("Concat", aside, up, axis=1), channels, half)


def heads(net: Net, fine: str, middle: str, coarse: str) -> None:
    """Carry features down again and return one raw prediction per scale."""
    layer = Chain(net, leaky_relu)
    detect(layer, fine, 128, 52)
    down = layer(fine, 128, 256, 3, stride=2)
    middle = layer.five(net.op("Concat", down, middle, axis=1), 512, 256)
    detect(layer, middle, 256, 26)
    down = layer(middle, 256, 512, 3, stride=2)
    coarse = layer.five(net.op("Concat", down, coarse, axis=1), 1024, 512)
    detect(layer, coarse, 512, 13)


def detect(layer: Chain, x: str, channels: int, cells: int) -> None:
    """Box, objectness and class scores of every anchor in cells x cells places."""
    net, outer = layer.net, ANCHORS * (CLASSES + 5)
    x = layer(x, channels, 2 * channels, 3)
    with net.scope(f"detect{cells}"):
        weight = net.normal(outer, 2 * channels, 1, 1, std=(2 * channels) ** -0.5)
        operands = (net.weight("weight", weight), net.weight("bias", net.normal(outer, std=0.1)))
        x = net.op("Conv", x, *operands, kernel_shape=[1, 1])
    net.output(x, f"grid{cells}", (outer, cells, cells))

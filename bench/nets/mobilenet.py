"""MobileNetV2: inverted residuals with linear bottlenecks.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, table 2.
"""

from __future__ import annotations

from nets.layers import batch_norm, classifier, conv, relu6
from nets.net import Net

BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, repeats, and stride of the first of them."""

ACTIVATED_SCALE = 2.0
"""Of batch norms before a relu6, so that some values reach 6."""

SHIFT = 0.5
ACTIVATED_GAIN = 0.45
"""Of weights behind a relu6: 1 / variance of what it leaves of scale * (normal + shift)."""

BRANCH_SCALE = 0.4
"""Of the last batch norm beside a shortcut, so that sums stay near unit variance."""


def mobilenetv2() -> Net:
    net = Net("mobilenetv2", seed=2)
    x = net.input("input", (3, 224, 224))
    with net.scope("features"):
        with net.scope(0):
            x = conv_relu6(net, x, (3, 32), kernel=3, stride=2)
        inner, index = 32, 1
        for expansion, outer, repeats, first_stride in BLOCKS:
            for repeat in range(repeats):
                with net.scope(index):
                    stride = first_stride if repeat == 0 else 1
                    x = inverted_residual(net, x, (inner, outer), expansion, stride)
                inner, index = outer, index + 1
        with net.scope(index):
            x = conv_relu6(net, x, (inner, 1280), kernel=1)
    x = net.op("Flatten", net.op("GlobalAveragePool", x), axis=1)
    with net.scope("classifier"):
        net.output(classifier(net, x, 1280, 1000), "logits", (1000,))
    return net


def inverted_residual(
    net: Net, x: str, channels: tuple[int, int], expansion: int, stride: int
) -> str:
    """Expand with 1x1, filter each channel with 3x3, project with 1x1 and no activation."""
    inner, outer = channels
    hidden = inner * expansion
    y = x
    if expansion != 1:
        with net.scope("expand"):
            y = conv_relu6(net, y, (inner, hidden), kernel=1)
    with net.scope("depthwise"):
        y = depthwise(net, y, hidden, stride)
    with net.scope("project"):
        y = conv(net, y, (hidden, outer), kernel=1, gain=ACTIVATED_GAIN)
    shortcut = stride == 1 and inner == outer
    with net.scope("norm"):
        y = batch_norm(net, y, outer, scale=BRANCH_SCALE if shortcut else 1.0)
    return net.op("Add", x, y) if shortcut else y


def conv_relu6(net: Net, x: str, channels: tuple[int, int], *, kernel: int, stride: int = 1) -> str:
    """A convolution of what no rectifier has touched, and a relu6."""
    with net.scope("0"):
        x = conv(net, x, channels, kernel=kernel, stride=stride, gain=1.0)
    return norm_relu6(net, x, channels[1])


def depthwise(net: Net, x: str, channels: int, stride: int) -> str:
    with net.scope("0"):
        x = conv(
            net,
            x,
            (channels, channels),
            kernel=3,
            stride=stride,
            groups=channels,
            gain=ACTIVATED_GAIN,
        )
    return norm_relu6(net, x, channels)


def norm_relu6(net: Net, x: str, channels: int) -> str:
    with net.scope("1"):
        x = batch_norm(net, x, channels, scale=ACTIVATED_SCALE, shift=SHIFT)
        return relu6(net, x)

"""ResNet-50 v1.5: the stride of a bottleneck is on its 3x3 convolution.

He et al., "Deep Residual Learning for Image Recognition", 2015.
"""

from __future__ import annotations

from nets.layers import batch_norm, classifier, conv, relu
from nets.net import Net

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Width, blocks, and stride of the first block."""

EXPANSION = 4
BRANCH_SCALE = 0.4
"""Of the last batch norm in a block, so that sixteen sums stay near unit variance."""


def resnet50() -> Net:
    net = Net("resnet50", seed=50)
    x = net.input("input", (3, 224, 224))
    x = relu(net, conv_norm(net, x, "1", (3, 64), kernel=7, stride=2))
    x = net.op("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    inner = 64
    for stage, (width, blocks, stride) in enumerate(STAGES, start=1):
        for block in range(blocks):
            with net.scope(f"layer{stage}"), net.scope(block):
                x = bottleneck(net, x, inner, width, stride if block == 0 else 1)
            inner = width * EXPANSION
    x = net.op("Flatten", net.op("GlobalAveragePool", x), axis=1)
    with net.scope("fc"):
        net.output(classifier(net, x, inner, 1000), "logits", (1000,))
    return net


def bottleneck(net: Net, x: str, inner: int, width: int, stride: int) -> str:
    """1x1, 3x3 and 1x1 convolutions beside a shortcut."""
    outer = width * EXPANSION
    y = relu(net, conv_norm(net, x, "1", (inner, width), kernel=1))
    y = relu(net, conv_norm(net, y, "2", (width, width), kernel=3, stride=stride))
    y = conv_norm(net, y, "3", (width, outer), kernel=1, scale=BRANCH_SCALE)
    if inner != outer:
        with net.scope("downsample"):
            x = conv_norm(net, x, "1", (inner, outer), kernel=1, stride=stride)
    return relu(net, net.op("Add", y, x))


def conv_norm(
    net: Net,
    x: str,
    index: str,
    channels: tuple[int, int],
    *,
    kernel: int,
    stride: int = 1,
    scale: float = 1.0,
) -> str:
    with net.scope(f"conv{index}"):
        x = conv(net, x, channels, kernel=kernel, stride=stride)
    with net.scope(f"bn{index}"):
        return batch_norm(net, x, channels[1], scale=scale)

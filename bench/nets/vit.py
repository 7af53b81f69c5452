"""ViT-B/16: an encoder over patches of an image.

Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020.
"""

from __future__ import annotations

import math

import numpy as np

from nets.attention import mix
from nets.layers import classifier, gelu, layer_norm, linear
from nets.net import Net

IMAGE = 224
PATCH = 16
PATCHES = (IMAGE // PATCH) ** 2
LAYERS = 12
WIDTH = 768
HEADS = 12
HEAD = WIDTH // HEADS
EPSILON = 1e-6


def vit_b16() -> Net:
    net = Net("vit-b16", seed=16)
    x = embed(net, net.input("input", (3, IMAGE, IMAGE)))
    for layer in range(LAYERS):
        with net.scope("blocks"), net.scope(layer):
            x = block(net, x)
    with net.scope("norm"):
        x = layer_norm(net, x, WIDTH, epsilon=EPSILON)
    first = net.op("Gather", x, net.constant(np.array(0, np.int64)), axis=1)
    with net.scope("head"):
        net.output(classifier(net, first, WIDTH, 1000), "logits", (1000,))
    return net


def embed(net: Net, image: str) -> str:
    """Patches, a class token before them, and positions: [batch, 1 + patches, width]."""
    with net.scope("patch_embed"), net.scope("proj"):
        fan_in = 3 * PATCH * PATCH
        weight = net.normal(WIDTH, 3, PATCH, PATCH, std=1 / math.sqrt(fan_in))
        operands = (net.weight("weight", weight), net.weight("bias", net.normal(WIDTH, std=0.1)))
        x = net.op("Conv", image, *operands, kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH])
    x = net.op("Reshape", x, net.ints(0, WIDTH, PATCHES))
    x = net.op("Transpose", x, perm=[0, 2, 1])
    token = net.weight("cls_token", net.normal(1, 1, WIDTH, std=1.0))
    batch = net.op("Slice", net.op("Shape", x), net.ints(0), net.ints(1), net.ints(0))
    token = net.op("Expand", token, net.op("Concat", batch, net.ints(1, WIDTH), axis=0))
    x = net.op("Concat", token, x, axis=1)
    return net.op("Add", x, net.weight("pos_embed", net.normal(1, PATCHES + 1, WIDTH, std=0.5)))


def block(net: Net, x: str) -> str:
    """Attention and a feed-forward, each on the norm of what it is added to."""
    with net.scope("norm1"):
        y = layer_norm(net, x, WIDTH, epsilon=EPSILON)
    with net.scope("attn"):
        x = net.op("Add", x, self_attention(net, y))
    with net.scope("norm2"):
        y = layer_norm(net, x, WIDTH, epsilon=EPSILON)
    with net.scope("mlp"):
        with net.scope("fc1"):
            y = gelu(net, linear(net, y, WIDTH, 4 * WIDTH))
        with net.scope("fc2"):
            y = linear(net, y, 4 * WIDTH, WIDTH)
    return net.op("Add", x, y)


def self_attention(net: Net, x: str) -> str:
    """One product gives queries, keys and values, which are then taken apart."""
    with net.scope("qkv"):
        y = linear(net, x, WIDTH, 3 * WIDTH)
    y = net.op("Reshape", y, net.ints(0, 0, 3, HEADS, HEAD))
    parts = net.ops("Split", 3, net.op("Transpose", y, perm=[2, 0, 3, 1, 4]), axis=0)
    query, key, value = (net.op("Squeeze", part, net.ints(0)) for part in parts)
    query = net.op("Mul", query, net.scalar(1 / math.sqrt(HEAD)))
    scores = net.op("MatMul", query, net.op("Transpose", key, perm=[0, 1, 3, 2]))
    with net.scope("proj"):
        return linear(net, mix(net, scores, value, WIDTH), WIDTH, WIDTH)

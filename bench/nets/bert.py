"""BERT encoders: base (12 layers of 768) and the size of MiniLM (6 layers of 384).

Devlin et al., "BERT", 2018; Wang et al., "MiniLM", 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from nets.attention import mix, split_heads
from nets.layers import classifier, gelu, layer_norm, linear
from nets.net import Net

VOCABULARY = 30522
POSITIONS = 512
TOKENS = 128
EPSILON = 1e-12
MASKED = float(np.finfo(np.float32).min)
"""Added to the scores of tokens that must not be seen."""


@dataclass(frozen=True)
class Size:
    name: str
    layers: int
    width: int
    heads: int
    seed: int

    @property
    def head(self) -> int:
        return self.width // self.heads


def bert_base() -> Net:
    return bert(Size("bert-base", layers=12, width=768, heads=12, seed=12))


def minilm() -> Net:
    return bert(Size("minilm", layers=6, width=384, heads=12, seed=6))


def bert(size: Size) -> Net:
    net = Net(size.name, seed=size.seed)
    ids = net.input("input_ids", (TOKENS,), TensorProto.INT64)
    mask = net.input("attention_mask", (TOKENS,), TensorProto.INT64)
    kinds = net.input("token_type_ids", (TOKENS,), TensorProto.INT64)
    bias = mask_bias(net, mask)
    with net.scope("embeddings"):
        x = embeddings(net, ids, kinds, size.width)
    for layer in range(size.layers):
        with net.scope("encoder"), net.scope("layer"), net.scope(layer):
            x = encoder_layer(net, x, bias, size)
    with net.scope("pooler"):
        first = net.op("Gather", x, net.constant(np.array(0, np.int64)), axis=1)
        with net.scope("dense"):
            pooled = classifier(net, first, size.width, size.width)
        pooled = net.op("Tanh", pooled)
    net.output(x, "last_hidden_state", (TOKENS, size.width))
    net.output(pooled, "pooler_output", (size.width,))
    return net


def mask_bias(net: Net, mask: str) -> str:
    """[batch, tokens] of 1 and 0 to [batch, 1, 1, tokens] of 0 and the lowest f32."""
    wide = net.op("Unsqueeze", net.op("Unsqueeze", mask, net.ints(1)), net.ints(2))
    hidden = net.op("Sub", net.scalar(1.0), net.op("Cast", wide, to=TensorProto.FLOAT))
    return net.op("Mul", hidden, net.scalar(MASKED))


def embeddings(net: Net, ids: str, kinds: str, width: int) -> str:
    positions = net.constant(np.arange(TOKENS, dtype=np.int64)[None])
    words = lookup(net, "word_embeddings", ids, VOCABULARY, width)
    kinds = lookup(net, "token_type_embeddings", kinds, 2, width)
    x = net.op("Add", words, kinds)
    x = net.op("Add", x, lookup(net, "position_embeddings", positions, POSITIONS, width))
    with net.scope("LayerNorm"):
        return layer_norm(net, x, width, epsilon=EPSILON)


def lookup(net: Net, name: str, ids: str, count: int, width: int) -> str:
    with net.scope(name):
        table = net.weight("weight", net.normal(count, width, std=0.5))
        return net.op("Gather", table, ids)


def encoder_layer(net: Net, x: str, bias: str, size: Size) -> str:
    """Attention, then a feed-forward of four times the width, each with its norm after the sum."""
    with net.scope("attention"):
        context = self_attention(net, x, bias, size)
        x = added(net, x, context, (size.width, size.width))
    with net.scope("intermediate"), net.scope("dense"):
        wide = linear(net, x, size.width, 4 * size.width)
    return added(net, x, gelu(net, wide), (4 * size.width, size.width))


def self_attention(net: Net, x: str, bias: str, size: Size) -> str:
    def projected(name: str, perm: list[int]) -> str:
        with net.scope(name):
            y = linear(net, x, size.width, size.width)
        return split_heads(net, y, size.heads, size.head, perm)

    with net.scope("self"):
        query = projected("query", [0, 2, 1, 3])
        key = projected("key", [0, 2, 3, 1])
        value = projected("value", [0, 2, 1, 3])
        scores = net.op("MatMul", query, key)
        scores = net.op("Div", scores, net.scalar(math.sqrt(size.head)))
        return mix(net, net.op("Add", scores, bias), value, size.width)


def added(net: Net, x: str, branch: str, widths: tuple[int, int]) -> str:
    """layer_norm(dense(branch) + x)"""
    with net.scope("output"):
        with net.scope("dense"):
            branch = linear(net, branch, *widths)
        with net.scope("LayerNorm"):
            return layer_norm(net, net.op("Add", branch, x), widths[1], epsilon=EPSILON)

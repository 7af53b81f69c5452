"""Attention and what stands around it, of ONNX and of com.microsoft."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.suite.case import Array, Case, Const, node_case, seeded

microsoft = partial(node_case, domain="com.microsoft", opset=1)
standard = partial(node_case, "Attention", opset=24)

X = seeded(2, 5, 12)
WEIGHTS, BIAS = Const(seeded(12, 36, seed=1) / np.float32(4)), Const(seeded(36, seed=2))
PLACE = np.zeros((1, 1), np.int32)
LEFT, RIGHT = np.array([[0, 1, 1, 1, 1], [1] * 5], np.int32), np.array([3, 5], np.int32)
BOUNDS = np.array([4, 5, 1, 0], np.int32)
BLOCKS = np.tril(np.ones((2, 5, 5), np.int32), 1)
LATER = np.array([[1, 1, 1, 0, 0, 1, 1, 1], [1] * 8], np.int32)
PAST = seeded(2, 2, 3, 3, 4, seed=3)
SCORES = seeded(1, 3, 5, 5, seed=4)

PACKED = [
    microsoft("Attention", X, WEIGHTS, BIAS, num_heads=3),
    microsoft("Attention", X, WEIGHTS, BIAS, num_heads=3, scale=0.3, unidirectional=1),
    microsoft("Attention", X, WEIGHTS, BIAS, LEFT, num_heads=3),
    microsoft("Attention", X, WEIGHTS, BIAS, LEFT, num_heads=3, mask_filter_value=-3.0),
    microsoft("Attention", X, WEIGHTS, BIAS, PLACE, num_heads=3),
    microsoft("Attention", X, WEIGHTS, BIAS, RIGHT, None, SCORES, num_heads=3),
    microsoft("Attention", X, WEIGHTS, BIAS, BOUNDS, num_heads=3),
    microsoft("Attention", X, WEIGHTS, BIAS, BLOCKS, num_heads=3),
    microsoft("Attention", X, WEIGHTS, BIAS, LATER, PAST, num_heads=3, unidirectional=1, outputs=2),
    microsoft(
        "Attention",
        X,
        Const(seeded(12, 34, seed=5)),
        Const(seeded(34, seed=6)),
        num_heads=2,
        qkv_hidden_sizes=[12, 12, 10],
    ),
]

Q, K, V = seeded(2, 5, 12), seeded(2, 7, 12, seed=1), seeded(2, 7, 9, seed=2)
MANY = seeded(33, seed=3)
SEEN = np.array([[1] * 7, [1, 1, 1, 0, 1, 0, 0]], np.int32)
OLD = (seeded(2, 3, 4, 4, seed=4), seeded(2, 3, 4, 4, seed=5))

APART = [
    microsoft("MultiHeadAttention", Q, K, V, num_heads=3),
    microsoft("MultiHeadAttention", Q, K, V, MANY, SEEN, seeded(2, 3, 5, 7), num_heads=3),
    microsoft("MultiHeadAttention", Q, K, K, None, RIGHT, num_heads=3, scale=0.7),
    microsoft(
        "MultiHeadAttention",
        Q,
        seeded(2, 3, 7, 4, seed=6),
        seeded(2, 3, 7, 4, seed=7),
        num_heads=3,
    ),
    microsoft(
        "MultiHeadAttention",
        *(Q, Q, X, None, None, None),
        *OLD,
        num_heads=3,
        unidirectional=1,
        outputs=3,
    ),
    microsoft(
        "MultiHeadAttention",
        *(Q[:, :1], Q[:, :1], X[:, :1], None, None, None),
        *OLD,
        num_heads=3,
        outputs=3,
    ),
]


def table(seed: int) -> Const:
    """Cosines or sines of 16 places, for heads of 16."""
    return Const(np.sin(seeded(16, 8, seed=seed)))


def grouped(tokens: int, past: int, last: list[int], *more: Any, **attributes: Any) -> Case:
    """Four heads of 16 that share two of keys, `past` of them in a cache."""
    batch = len(last)
    queries, (keys, values) = seeded(batch, tokens, 64), seeded(2, batch, tokens, 32, seed=1)
    cache = seeded(2, batch, 2, past, 16, seed=2)
    return microsoft(
        "GroupQueryAttention",
        *(queries, keys, values, *cache, np.array(last, np.int32)),
        Const(np.array(max(last) + 1, np.int32)),
        *more,
        num_heads=4,
        kv_num_heads=2,
        outputs=3,
        **attributes,
    )


GROUPED = [
    grouped(6, 0, [5]),
    grouped(6, 0, [5, 5], table(3), table(4), do_rotary=1),
    grouped(1, 5, [5], table(3), table(4), do_rotary=1, rotary_interleaved=1),
    grouped(1, 5, [5, 3], table(3), table(4), do_rotary=1),
    grouped(1, 9, [5]),
    grouped(6, 0, [5], softcap=2.0, scale=0.5),
    grouped(7, 0, [6], local_window_size=3),
    grouped(1, 7, [7], local_window_size=3),
    grouped(3, 4, [6], None, None, None, seeded(1, 4, 3, 7, seed=5)),
]

HEADS, ROWS = seeded(2, 3, 5, 16), seeded(2, 5, 48)
PLACES = np.array([[0, 3, 1, 2, 4], [9, 8, 7, 6, 5]], np.int64)
ONE = np.array([2], np.int64)
HALVES = (Const(np.sin(seeded(16, 2))), Const(np.sin(seeded(16, 2, seed=1))))

ROTARY = [
    microsoft("RotaryEmbedding", HEADS, PLACES, table(0), table(1)),
    microsoft("RotaryEmbedding", ROWS, PLACES, table(0), table(1), interleaved=1),
    microsoft("RotaryEmbedding", ROWS, ONE, table(0), table(1)),
    microsoft("RotaryEmbedding", ROWS, PLACES, *HALVES, num_heads=3, rotary_embedding_dim=4),
    node_case("RotaryEmbedding", HEADS, table(0), table(1), PLACES, opset=23),
    node_case(
        "RotaryEmbedding", ROWS, table(0), table(1), PLACES, opset=23, num_heads=3, interleaved=1
    ),
]

WORDS, SEGMENTS = np.array([[3, 1, 4], [1, 5, 9]], np.int32), np.array([[0, 0, 1]] * 2, np.int32)
TABLES = [Const(seeded(count, 6, seed=count)) for count in (10, 8, 2)]
NORM = (Const(seeded(6, seed=1)), Const(seeded(6, seed=2)))
USED = np.array([[1, 1, 0], [1, 1, 1]], np.int32)

EMBED = [
    microsoft(
        "EmbedLayerNormalization", WORDS, SEGMENTS, *TABLES, *NORM, USED, outputs=2, epsilon=1e-3
    ),
    microsoft(
        "EmbedLayerNormalization",
        *(WORDS, None, *TABLES[:2], None, *NORM, None, SEGMENTS),
        outputs=3,
        epsilon=1e-12,
    ),
]


def heads(count: int, tokens: int, seed: int) -> Array:
    return seeded(2, count, tokens, 8, seed=seed)


STANDARD = [
    standard(heads(4, 5, 0), heads(4, 7, 1), heads(4, 7, 2)),
    standard(heads(4, 6, 0), heads(2, 6, 1), heads(2, 6, 2), is_causal=1),
    standard(heads(4, 5, 0), heads(1, 7, 1), heads(1, 7, 2), seeded(5, 7) > -1),
    standard(heads(2, 5, 0), heads(2, 7, 1), heads(2, 7, 2), seeded(2, 1, 5, 7), softcap=2.0),
    standard(X, K, V, q_num_heads=3, kv_num_heads=3, scale=0.2),
    standard(
        *(heads(2, 2, 0), heads(2, 2, 1), heads(2, 2, 2), None, heads(2, 5, 3), heads(2, 5, 4)),
        is_causal=1,
        outputs=3,
    ),
]

CASES = [*PACKED, *APART, *GROUPED, *ROTARY, *EMBED, *STANDARD]

"""Multi-head attention in parts, as PyTorch exports it when written out in products."""

from __future__ import annotations

from nets.net import Net


def split_heads(net: Net, x: str, heads: int, size: int, perm: list[int]) -> str:
    """[batch, tokens, heads * size] as [batch, tokens, heads, size], permuted by `perm`."""
    return net.op("Transpose", net.op("Reshape", x, net.ints(0, 0, heads, size)), perm=perm)


def mix(net: Net, scores: str, value: str, width: int) -> str:
    """softmax(scores) value, with the heads joined: [batch, tokens, width]."""
    context = net.op("MatMul", net.op("Softmax", scores, axis=-1), value)
    joined = net.op("Transpose", context, perm=[0, 2, 1, 3])
    return net.op("Reshape", joined, net.ints(0, 0, width))

"""Chains of ops behind a size that only the data decides."""

from __future__ import annotations

import numpy as np

from tests.frontends.build import model
from tests.suite.case import Array, Case, seeded

X = seeded(5, 4, 3)
KEEP = np.array([True, False, True, True, False])


def behind(nodes: str, opset: int = 17, **initializers: Array) -> Case:
    """`nodes` from k, three of the five slices of x, to y."""
    text = (
        f"g (float[5, 4, 3] x, bool[5] keep) => (y) {{ k = Compress<axis = 0>(x, keep) {nodes} }}"
    )
    constants = {name: np.array(value) for name, value in initializers.items()}
    return Case(f"{nodes} {opset}", model(text, opset=opset, **constants), {"x": X, "keep": KEEP})


ELEMENTS = [
    behind("y = Exp(k)"),
    behind("a = Add(k, k) y = Where(b, a, k)", b=np.array([True, False, True])),
    behind("y = ReduceSum(k, a)", a=np.array([0])),
    behind("y = ReduceMean<axes = [1]>(k)"),
    behind("y = ArgMax<axis = 0>(k)"),
    behind("y = Softmax<axis = 1>(k)"),
    behind("i = NonZero(k) t = Transpose(i) y = Cast<to = 1>(t)"),
]

SHAPES = [
    behind("y = Shape(k)"),
    behind("y = Shape<start = 1>(k)"),
    behind("y = Size(k)"),
    behind("y = Reshape(k, s)", s=np.array([-1, 6])),
    behind("y = Reshape(k, s)", s=np.array([0, 12]), opset=13),
    behind("s = Shape(k) y = Reshape(x, t) ", t=np.array([20, 3])),
    behind("y = Flatten(k)"),
    behind("y = Flatten<axis = 2>(k)"),
    behind("u = Unsqueeze(k, a) y = Squeeze(u, b)", a=np.array([1]), b=np.array([1])),
    behind("s = Shape(k) y = ConstantOfShape(s)"),
    behind("s = Shape(k) y = Expand(o, s)", o=seeded(3)),
    behind("y = Expand(k, s)", s=np.array([2, 1, 1, 3])),
    behind("y = Tile(k, r)", r=np.array([2, 1, 2])),
]

PARTS = [
    behind("y = Slice(k, a, b)", a=np.array([-2]), b=np.array([99])),
    behind("y = Slice(k, a, b, c)", a=np.array([1]), b=np.array([3]), c=np.array([2])),
    behind("y = Slice<starts = [1], ends = [-1]>(k)", opset=9),
    behind("y, z = Split<num_outputs = 2>(k)", opset=18),
    behind("z, y = Split<split = [1, 2]>(k)", opset=11),
    behind("z, y = Split<axis = 2>(k, s)", s=np.array([1, 2])),
    behind("z, y = Split(k, s)", s=np.array([1, 2])),
    behind("y = Pad(k, p)", p=np.array([1, 0, 0, 2, 0, 1])),
    behind("y = Concat<axis = 0>(k, x)"),
    behind("y, z = TopK<axis = 0>(k, n)", n=np.array([2])),
]

PLACES = [
    behind("y = Gather(k, i)", i=np.array([-1, 0, 2])),
    behind("y = Gather(k, j)", j=np.array(-1)),
    behind("y = Gather<axis = 1>(k, i)", i=np.array([-1, 0, 2])),
    behind("y = GatherND(k, i)", i=np.array([[-1, -2], [0, 3]])),
    behind("y = GatherElements(k, i)", i=np.array([[[-1]], [[1]]])),
    behind("y = ScatterND(k, i, u)", i=np.array([[-1, 0]]), u=seeded(1, 3)),
    behind("s = Size(k) i = Range(z, s, o) y = Cast<to = 1>(i)", z=np.array(0), o=np.array(7)),
]

CASES: list[Case] = [*ELEMENTS, *SHAPES, *PARTS, *PLACES]

"""Nodes with wrong attributes, operands and sizes are refused; none makes the importer fail."""

from __future__ import annotations

import contextlib
import random

import pytest
from onnx import AttributeProto, GraphProto, ModelProto

from ncc.diagnostics import NccError
from tests.frontends.build import load
from tests.frontends.test_onnx_backend import cases
from tests.suite.cases_ml import CASES

NUMBERS = (-(1 << 63), -2, -1, 0, 1, 2, 3, 7, 1 << 31, 1 << 62)
SIZES = (0, 1, 2, 3, 5, 1 << 20, 1 << 40, 1 << 62)


@pytest.mark.parametrize("seed", range(16))
def test_damage(seed: int) -> None:
    draw = random.Random(seed)
    for case in draw.sample(cases(), 25):
        model = ModelProto()
        assert case.model is not None
        model.CopyFrom(case.model)
        for _ in range(draw.randint(1, 2)):
            draw.choice([damage_attribute, damage_operands, damage_shape])(model.graph, draw)
        with contextlib.suppress(NccError):
            load(model)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_trees_and_machines(seed: int) -> None:
    draw = random.Random(seed)
    for case in draw.sample(CASES, 40):
        model = ModelProto()
        model.CopyFrom(case.model)
        damage_attribute(model.graph, draw)
        with contextlib.suppress(NccError):
            load(model)


def damage_attribute(graph: GraphProto, draw: random.Random) -> None:
    """Change one attribute of a node."""
    found = [attribute for node in graph.node for attribute in node.attribute]
    if not found:
        return
    attribute = draw.choice(found)
    if attribute.type == AttributeProto.INT:
        attribute.i = draw.choice(NUMBERS)
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = draw.choice((0.0, -1.0, float("nan"), float("inf")))
    elif attribute.type == AttributeProto.STRING:
        attribute.s = draw.choice((b"", b"junk", b"\xff"))
    elif attribute.type == AttributeProto.INTS:
        kept = list(attribute.ints)[: draw.choice((None, -1))]
        attribute.ints[:] = [*kept, *draw.choices(NUMBERS, k=draw.randint(0, 1))]
    elif attribute.type == AttributeProto.FLOATS:
        attribute.floats[:] = list(attribute.floats)[: draw.choice((None, -1, 0))]


def damage_operands(graph: GraphProto, draw: random.Random) -> None:
    """Leave an operand of a node out, or give it another one."""
    node = draw.choice(graph.node)
    if node.input:
        names = ["", *(value.name for value in graph.input)]
        node.input[draw.randrange(len(node.input))] = draw.choice(names)
        del node.input[draw.choice((len(node.input), len(node.input) - 1)) :]


def damage_shape(graph: GraphProto, draw: random.Random) -> None:
    """Change a size or the rank of an input."""
    dims = draw.choice(graph.input).type.tensor_type.shape.dim if graph.input else None
    if dims:
        draw.choice(dims).dim_value = draw.choice(SIZES)
        del dims[draw.choice((len(dims), len(dims) - 1)) :]

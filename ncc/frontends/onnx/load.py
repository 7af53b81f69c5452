"""An ONNX model in memory: its inputs with their symbols, and graphs for given sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from onnx import ModelProto

from ncc.diagnostics import file_name
from ncc.frontends.onnx.bind import Input, Shapes, bind, declared
from ncc.frontends.onnx.functions import local_functions
from ncc.frontends.onnx.listed import Listed
from ncc.frontends.onnx.read import opsets, read_model, write_model
from ncc.frontends.onnx.scope import GraphScope, Unit, initializers_of, require_distinct
from ncc.frontends.onnx.tensors import Tensors
from ncc.ir.fold import FoldingBuilder
from ncc.ir.graph import Graph, Value
from ncc.ir.op import unsupported


@dataclass(frozen=True)
class OnnxModel:
    """A parsed model whose weights stay in their files; `name` stands in source locations."""

    proto: ModelProto
    name: str
    tensors: Tensors

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs that a caller feeds: those that no initializer gives."""
        given = initializers_of(self.proto.graph)
        infos = self.proto.graph.input
        require_distinct("inputs", [info.name for info in infos])
        return tuple(declared(info) for info in infos if info.name not in given)

    def graph(self, *, dims: Mapping[str, int], shapes: Shapes) -> Graph:
        """The model for inputs of the sizes in `dims` (by symbol) and `shapes` (by input)."""
        bound = bind(self.inputs, dims, shapes, model=self.name)
        inputs = [Value(item.type, name=item.name) for item in bound]
        unit = Unit(self.name, FoldingBuilder(), self.tensors, local_functions(self.proto))
        graph = self.proto.graph
        names = [output.name for output in graph.output]
        require_distinct("outputs", names)
        scope = GraphScope(
            unit,
            opsets(self.proto),
            initializers_of(graph),
            {value.name: value for value in inputs},
        )
        outputs = scope.run(graph.node, names)
        _refuse_lists(names, outputs)
        return Graph(graph.name or "main", inputs, unit.build.nodes, outputs, names)


def _refuse_lists(names: Sequence[str], outputs: Sequence[Value]) -> None:
    """Refuse outputs that are sequences."""
    for name, value in zip(names, outputs, strict=True):
        if isinstance(value, Listed):
            raise unsupported(f"output '{name}' is a sequence")


def read_onnx(source: Path | ModelProto, *, allow_nan: bool = False) -> OnnxModel:
    """Parse a model from a file or from memory, without reading its weights.

    NccError when it is not a model, or one of an opset that is not supported.
    """
    path = write_model(source) if isinstance(source, ModelProto) else source
    name = "model" if isinstance(source, ModelProto) else file_name(source)
    return OnnxModel(read_model(path, name), name, Tensors(path, allow_nan))


def import_onnx(
    source: Path | ModelProto,
    *,
    dims: Mapping[str, int],
    shapes: Shapes,
    allow_nan: bool = False,
) -> Graph:
    """The graph of an ONNX model, every size a number.

    `dims` binds symbols (`{"batch": 1}`), `shapes` whole inputs (`{"x": (1, 3, 224, 224)}`; a
    string in a shape names a symbol). Inputs and outputs keep their names; every node its
    location. Weights stay in their files and are refused when they hold NaN, unless `allow_nan`.
    NccError: exit 2 for sizes left open, 3 for ops that are missing, 4 for an invalid model.
    """
    return read_onnx(source, allow_nan=allow_nan).graph(dims=dims, shapes=shapes)

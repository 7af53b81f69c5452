"""fused: several ops that run as one kernel."""

from typing import Any

from ncc.ir.graph import Builder, Graph, Value
from ncc.ir.interpret import interpret
from ncc.ir.op import Op, op, require
from ncc.ir.types import TensorType, Type


@op("fused")
class Fused(Op):
    """The results of `body` on the operands; a backend runs it as one kernel."""

    body: Graph

    def infer(self, *operands: Type) -> tuple[Type, ...]:
        require(
            len(operands) == len(self.body.inputs),
            f"the body takes {len(self.body.inputs)} operands, not {len(operands)}",
        )
        for index, (given, wanted) in enumerate(zip(operands, self.body.inputs, strict=True)):
            require(
                given == wanted.type,
                f"operand {index} is {given}, the body takes {wanted.type}",
                operand=index,
                label=f"needs {wanted.type}",
            )
        return tuple(value.type for value in self.body.outputs)

    def eval(self, *operands: Any) -> tuple[Any, ...]:
        return tuple(interpret(self.body, operands))

    def decompose(self, build: Builder, *operands: Value) -> tuple[Value, ...]:
        return build.inline(self.body, operands)

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return sum(node.flops for node in self.body.nodes)

"""LLVM text of one function: blocks, instructions, fresh names. Knows nothing of loop IR."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

_SUFFIX = {"float": "f32", "double": "f64", "half": "f16", "bfloat": "bf16", "ptr": "p0"}
_BITS = {"float": 32, "double": 64, "half": 16, "bfloat": 16, "ptr": 64}


@dataclass(frozen=True, slots=True)
class Value:
    """An SSA value or a literal of `element` type; `lanes` is 0 for a scalar.

    `align` (bytes, 0: nothing said) is for the pointer arguments of masked accesses.
    """

    text: str
    element: str
    lanes: int = 0
    align: int = 0

    @property
    def type(self) -> str:
        """The LLVM type."""
        return llvm_type(self.element, self.lanes)

    @property
    def bits(self) -> int:
        """Width of one element."""
        return element_bits(self.element)

    @property
    def is_float(self) -> bool:
        return self.element in ("float", "double", "half", "bfloat")

    def aligned(self, element: str) -> Value:
        """This pointer, as an argument known to be aligned to `element`."""
        return replace(self, align=_natural(element))

    def __str__(self) -> str:
        align = f" align {self.align}" if self.align else ""
        return f"{self.type}{align} {self.text}"


def llvm_type(element: str, lanes: int = 0) -> str:
    """`element` itself, or a vector of it."""
    return f"<{lanes} x {element}>" if lanes else element


def element_bits(element: str) -> int:
    """Width of an LLVM scalar type."""
    return _BITS[element] if element in _BITS else int(element[1:])


def literal(value: float, element: str, lanes: int = 0) -> Value:
    """A constant; of every lane when `lanes` is not 0."""
    text = _literal_text(value, element)
    return Value(f"splat ({element} {text})" if lanes else text, element, lanes)


def vector_literal(values: Sequence[float], element: str) -> Value:
    """A constant vector."""
    texts = ", ".join(f"{element} {_literal_text(value, element)}" for value in values)
    return Value(f"<{texts}>", element, len(values))


def _literal_text(value: float, element: str) -> str:
    if element == "i1":
        return "true" if value else "false"
    if element in ("float", "double"):
        exact = struct.unpack("<f", struct.pack("<f", value))[0] if element == "float" else value
        return f"0x{struct.unpack('<Q', struct.pack('<d', exact))[0]:016X}"
    return str(int(value))


class Code:
    """Builds one function; every instruction goes to the end of the current block.

    Allocations are collected for the entry block; `module` is what else the module must hold:
    declarations of the intrinsics called here, and functions beside this one.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.allocations: list[str] = []
        self.module: dict[str, None] = {}
        self.block = "entry"
        self._names = 0

    # Names, blocks and control.

    def fresh(self, stem: str = "v") -> str:
        """A name not used in this function, without its sigil."""
        self._names += 1
        return f"{stem}.{self._names}"

    def append(self, instruction: str) -> None:
        """An instruction without a result."""
        self.lines.append(f"  {instruction}")

    def start(self, label: str) -> None:
        """Begin block `label`; the block before must have ended in a branch."""
        self.lines.append(f"{label}:")
        self.block = label

    def branch(self, label: str) -> None:
        self.append(f"br label %{label}")

    def branch_if(self, condition: Value, yes: str, no: str) -> None:
        self.append(f"br {condition}, label %{yes}, label %{no}")

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """What is appended inside runs only when `condition` (i1) holds."""
        yes, done = self.fresh("then"), self.fresh("done")
        self.branch_if(condition, yes, done)
        self.start(yes)
        yield
        self.branch(done)
        self.start(done)

    @contextmanager
    def loop(self, start: Value | int, stop: Value | int, step: int = 1) -> Iterator[Value]:
        """`for i in range(start, stop, step)`, i64, entered at least once; yields i."""
        first, last = integer(start), integer(stop)
        index, following = Value(f"%{self.fresh('i')}", "i64"), f"%{self.fresh('next')}"
        before, body, latch, done = self.block, *map(self.fresh, ("loop", "latch", "exit"))
        self.branch(body)
        self.start(body)
        self.append(
            f"{index.text} = phi i64 [ {first.text}, %{before} ], [ {following}, %{latch} ]"
        )
        yield index
        self.branch(latch)
        self.start(latch)
        self.append(f"{following} = add nuw nsw {index}, {step}")
        again = self.compare("icmp ult", Value(following, "i64"), last)
        self.branch_if(again, body, done)
        self.start(done)

    # Instructions.

    def value(self, instruction: str, element: str, lanes: int = 0) -> Value:
        """The result of an instruction."""
        result = Value(f"%{self.fresh()}", element, lanes)
        self.append(f"{result.text} = {instruction}")
        return result

    def like(self, pattern: Value, instruction: str) -> Value:
        """The result of an instruction, of the type of `pattern`."""
        return self.value(instruction, pattern.element, pattern.lanes)

    def binary(self, opcode: str, a: Value, b: Value) -> Value:
        """An instruction of two operands of one type that gives that type."""
        return self.like(a, f"{opcode} {a}, {b.text}")

    def add(self, x: Value, offset: int) -> Value:
        """`x` plus a constant, folded when `x` is a literal."""
        if not x.text.startswith("%"):
            return integer(int(x.text) + offset)
        return self.binary("add", x, integer(offset)) if offset else x

    def compare(self, opcode: str, a: Value, b: Value) -> Value:
        """`opcode` is like "fcmp olt"; gives i1."""
        return self.value(f"{opcode} {a}, {b.text}", "i1", a.lanes)

    def select(self, condition: Value, yes: Value, no: Value) -> Value:
        return self.like(yes, f"select {condition}, {yes}, {no}")

    def convert(self, opcode: str, x: Value, element: str) -> Value:
        """sext, zext, trunc, fptosi, bitcast ... of every lane."""
        return self.value(f"{opcode} {x} to {llvm_type(element, x.lanes)}", element, x.lanes)

    def resize(self, x: Value, element: str, signed: bool = True) -> Value:
        """An integer extended or cut to the width of `element`."""
        if x.element == element:
            return x
        narrower = element_bits(element) < x.bits
        return self.convert("trunc" if narrower else "sext" if signed else "zext", x, element)

    def intrinsic(self, name: str, *args: Value) -> Value:
        """`llvm.<name>`, overloaded on the type of the first argument, which it returns."""
        first = args[0]
        return self.call(f"{name}.{overload(first)}", first, *args)

    def call(self, name: str, result: Value, *args: Value, flags: str = "") -> Value:
        """A call of intrinsic `name`, whose result is of the type of `result`.

        `flags` say what of IEEE 754 does not matter: "nsz", the sign of zero.
        """
        self._declare(result.type, name, args)
        opcode = f"call {flags}" if flags else "call"
        return self.like(result, f"{opcode} {result.type} @{name}({', '.join(map(str, args))})")

    def run(self, name: str, *args: Value) -> None:
        """A call of intrinsic `name` that gives nothing."""
        self._declare("void", name, args)
        self.append(f"call void @{name}({', '.join(map(str, args))})")

    def _declare(self, result: str, name: str, args: tuple[Value, ...]) -> None:
        self.define(f"declare {result} @{name}({', '.join(a.type for a in args)})")

    def define(self, text: str) -> None:
        """Something that the module must hold, once."""
        self.module[text] = None

    # Vectors.

    def splat(self, x: Value, lanes: int) -> Value:
        """`x` in every lane."""
        if not x.text.startswith("%"):
            return Value(f"splat ({x})", x.element, lanes)
        kind = llvm_type(x.element, lanes)
        one = self.value(f"insertelement {kind} poison, {x}, i32 0", x.element, lanes)
        zeros = f"<{lanes} x i32> zeroinitializer"
        return self.like(one, f"shufflevector {one}, {kind} poison, {zeros}")

    def shuffle(self, a: Value, b: Value, order: Sequence[int]) -> Value:
        """Lane i of the result is lane order[i] of a then b; undefined where that is negative."""
        picks = ", ".join(f"i32 {place if place >= 0 else 'poison'}" for place in order)
        text = f"shufflevector {a}, {b}, <{len(order)} x i32> <{picks}>"
        return self.value(text, a.element, len(order))

    def extract(self, x: Value, lane: int) -> Value:
        return self.value(f"extractelement {x}, i32 {lane}", x.element)

    # Memory.

    def allocate(self, element: str, lanes: int = 0, count: int = 1) -> Value:
        """`count` values on the stack, 64-aligned; a pointer."""
        result = Value(f"%{self.fresh('slot')}", "ptr")
        kind = llvm_type(element, lanes)
        self.allocations.append(f"  {result.text} = alloca {kind}, i64 {count}, align 64")
        return result

    def offset(self, pointer: Value, element: str, index: Value) -> Value:
        """The address of element `index` (a scalar, or one per lane), which may lie outside."""
        text = f"getelementptr {element}, {pointer}, {index}"
        return self.value(text, "ptr", index.lanes)

    def load(self, pointer: Value, element: str, lanes: int = 0, align: int = 0) -> Value:
        """Consecutive elements; `align` in bytes, by default that of the element."""
        text = f"load {llvm_type(element, lanes)}, {pointer}, align {align or _natural(element)}"
        return self.value(text, element, lanes)

    def load_some(self, pointer: Value, element: str, lanes: int, count: int) -> Value:
        """The first `count` of `lanes` consecutive elements, then zeros."""
        if count >= lanes:
            return self.load(pointer, element, lanes)
        mask = vector_literal([lane < count for lane in range(lanes)], "i1")
        zero = literal(0, element, lanes)
        name = f"llvm.masked.load.{overload(zero)}.p0"
        return self.call(name, zero, pointer.aligned(element), mask, zero)

    def store_some(self, x: Value, pointer: Value, count: int) -> None:
        """The first `count` lanes of `x` as consecutive elements.

        A single one is no masked store: of integers that were narrowed before, LLVM 22 stores it as
        wide as it was where the target has AVX-512.
        """
        if count >= x.lanes:
            self.store(x, pointer)
            return
        if count == 1:
            self.store(self.extract(x, 0), pointer)
            return
        mask = vector_literal([lane < count for lane in range(x.lanes)], "i1")
        name = f"llvm.masked.store.{overload(x)}.p0"
        self.run(name, x, pointer.aligned(x.element), mask)

    def store(self, x: Value, pointer: Value, align: int = 0) -> None:
        """Consecutive elements; `align` in bytes, by default that of the element."""
        self.append(f"store {x}, {pointer}, align {align or _natural(x.element)}")


def integer(x: Value | int) -> Value:
    """A python int as an i64 literal."""
    return literal(x, "i64") if isinstance(x, int) else x


def overload(x: Value) -> str:
    """How intrinsics are named for this type: v16f32, i64 ..."""
    name = _SUFFIX.get(x.element, x.element)
    return f"v{x.lanes}{name}" if x.lanes else name


def _natural(element: str) -> int:
    return max(element_bits(element) // 8, 1)

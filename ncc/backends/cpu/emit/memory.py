"""Loads and stores: consecutive lanes, one element for all lanes, or one address per lane.

Nothing outside a buffer is touched: lanes that do nothing are masked, and a load whose guard is
false for all lanes reads a constant instead.
"""

from __future__ import annotations

from ncc.backends.cpu.emit.code import Code, Value, integer, literal, overload, vector_literal
from ncc.backends.cpu.emit.environment import Environment, Lanes
from ncc.backends.cpu.emit.expression import Expressions
from ncc.backends.cpu.emit.index import IndexEmitter
from ncc.backends.cpu.emit.shuffles import picked
from ncc.backends.cpu.emit.types import constant, stored
from ncc.backends.cpu.loopir.affine import Affine
from ncc.backends.cpu.loopir.loops import Apply, Buffer, Const, Expr, Load, Store
from ncc.ir.types import DType

NEAR = range(2, 5)
"""Distances between lanes at which loading what lies between is better than lane by lane."""

_NOTHING = Value("@nothing", "ptr")
_NOTHING_BYTES = 512
_NOTHING_DEFINITION = (
    f"@nothing = internal constant [{_NOTHING_BYTES} x i8] zeroinitializer, align 64"
)
"""What a load reads whose guard is false: zeros, enough for four vectors of f64 in f32 lanes."""


class Memory:
    """Emits loads and stores at the current point."""

    def __init__(self, code: Code, environment: Environment, index: IndexEmitter) -> None:
        self._code = code
        self._environment = environment
        self._index = index
        self.expressions: Expressions

    # Loads.

    def load(self, node: Load, width: int) -> Value:
        """The value of `node`, a scalar or `width` lanes."""
        raw = self._load_lanes(node) if width else self._load_scalar(node)
        if node.dtype is DType.bool:
            return self._code.compare("icmp ne", raw, literal(0, "i8", width))
        return raw

    def _load_scalar(self, node: Load) -> Value:
        pointer = self.address(node.buffer, self._index.form(node.index))
        if node.guard is None:
            return self._code.load(pointer, stored(node.dtype))
        guard = self.expressions.scalar(node.guard)
        loaded = self._code.load(self._or_nothing(guard, pointer), stored(node.dtype))
        if _is_zero(node.other):
            return loaded
        return self._code.select(guard, loaded, self._other(node, 0))

    def _load_lanes(self, node: Load) -> Value:
        form = self._index.form(node.index)
        step = self._index.step(form)
        even, varying = self._split_guard(node.guard)
        if step == 0 and varying is None:
            return self._code.splat(self._load_scalar(node), self._lanes.width)
        mask = self._combine(self._lanes.mask, varying)
        if step is not None and step in NEAR and node.guard is None and self._lanes.are_first:
            return self._near(node, form, step)
        if step != 1:
            return self._gather(node, form, mask, even)
        pointer = self.address(node.buffer, form)
        if even is not None:
            assert self._lanes.width * node.dtype.itemsize <= _NOTHING_BYTES
            pointer = self._or_nothing(even, pointer)
        loaded = self._load_consecutive(node, pointer, mask)
        if even is None or _is_zero(node.other):
            return loaded
        return self._code.select(even, loaded, self._other(node, self._lanes.width))

    def _load_consecutive(self, node: Load, pointer: Value, mask: Value | None) -> Value:
        kind, width = stored(node.dtype), self._lanes.width
        if mask is None:
            return self._code.load(pointer, kind, width)
        other = self._other(node, width)
        name = f"llvm.masked.load.{overload(other)}.p0"
        return self._code.call(name, other, pointer.aligned(kind), mask, other)

    def _near(self, node: Load, form: Affine, step: int) -> Value:
        """Every `step`-th of a run of elements, all of which are loaded."""
        kind, width = stored(node.dtype), self._lanes.width
        pointer = self.address(node.buffer, form)
        needed = (self._lanes.active - 1) * step + 1
        parts = []
        for first in range(0, needed, width):
            place = self._code.offset(pointer, kind, integer(first))
            parts.append(self._code.load_some(place, kind, width, needed - first))
        order = [lane * step if lane < self._lanes.active else -1 for lane in range(width)]
        return picked(self._code, parts, order)

    def _gather(self, node: Load, form: Affine, mask: Value | None, even: Value | None) -> Value:
        pointers = self._addresses(node.buffer, form)
        every = self._combine(self._every(mask), even and self._code.splat(even, pointers.lanes))
        assert every is not None
        other = self._other(node, pointers.lanes)
        name = f"llvm.masked.gather.{overload(other)}.{overload(pointers)}"
        return self._code.call(name, other, pointers.aligned(stored(node.dtype)), every, other)

    def _other(self, node: Load, width: int) -> Value:
        """What lanes hold whose guard is false, as in memory."""
        if node.other is None:
            return literal(0, stored(node.dtype), width)
        if isinstance(node.other, Const) and node.dtype is not DType.bool:
            return constant(node.other.value, node.dtype, width)
        value = (self.expressions.vector if width else self.expressions.scalar)(node.other)
        return self._in_memory(value, node.dtype)

    def _or_nothing(self, guard: Value, pointer: Value) -> Value:
        self._code.define(_NOTHING_DEFINITION)
        return self._code.select(guard, pointer, _NOTHING)

    # Stores.

    def store(self, node: Store) -> None:
        """Execute `node`, in the lanes in force if there are any."""
        if self._environment.lanes is None:
            self._store_scalar(node)
        else:
            self._store_lanes(node)

    def stored(self, node: Store) -> Value:
        """What `node` stores in each of the lanes in force."""
        return self._in_memory(self.expressions.vector(node.value), node.buffer.dtype)

    def _store_scalar(self, node: Store) -> None:
        value = self._in_memory(self.expressions.scalar(node.value), node.buffer.dtype)
        if node.guard is None:
            self._code.store(value, self.address(node.buffer, self._index.form(node.index)))
            return
        guard = self.expressions.scalar(node.guard)
        with self._code.when(guard), self._environment.scope():
            self._code.store(value, self.address(node.buffer, self._index.form(node.index)))

    def _store_lanes(self, node: Store) -> None:
        value = self.stored(node)
        even, varying = self._split_guard(node.guard)
        mask = self._combine(self._lanes.mask, varying)
        if even is None:
            self._store_vector(node, value, mask)
            return
        with self._code.when(even), self._environment.scope():
            self._store_vector(node, value, mask)

    def _store_vector(self, node: Store, value: Value, mask: Value | None) -> None:
        form = self._index.form(node.index)
        if self._index.step(form) != 1:
            pointers = self._addresses(node.buffer, form).aligned(value.element)
            name = f"llvm.masked.scatter.{overload(value)}.v{value.lanes}p0"
            self._code.run(name, value, pointers, self._every(mask))
            return
        pointer = self.address(node.buffer, form)
        if mask is None or (mask is self._lanes.mask and self._lanes.are_first):
            self._code.store_some(value, pointer, self._lanes.active)
        else:
            name = f"llvm.masked.store.{overload(value)}.p0"
            self._code.run(name, value, pointer.aligned(value.element), mask)

    def _in_memory(self, value: Value, dtype: DType) -> Value:
        return self._code.convert("zext", value, "i8") if dtype is DType.bool else value

    # Addresses.

    def address(self, buffer: Buffer, form: Affine) -> Value:
        """Where the element is; in lanes, that of the first one."""
        base = self._environment.pointers[buffer]
        return self._code.offset(base, stored(buffer.dtype), self._index.first(form))

    def _addresses(self, buffer: Buffer, form: Affine) -> Value:
        """Where the element of each lane is."""
        step, kind = self._index.step(form), stored(buffer.dtype)
        word = "i32" if buffer.size < 1 << 31 else "i64"
        if step is not None:
            steps = vector_literal([step * lane for lane in range(self._lanes.width)], word)
            return self._code.offset(self.address(buffer, form), kind, steps)
        base = self._environment.pointers[buffer]
        return self._code.offset(base, kind, self._index.lanes(form, word))

    # Masks.

    @property
    def _lanes(self) -> Lanes:
        assert self._environment.lanes is not None
        return self._environment.lanes

    def _split_guard(self, guard: Expr | None) -> tuple[Value | None, Value | None]:
        """What a guard says of all lanes (i1), and of each lane."""
        even: Value | None = None
        varying: Value | None = None
        for part in _conjuncts(guard):
            if self._environment.varies(part):
                varying = self._combine(varying, self.expressions.vector(part))
            else:
                even = self._combine(even, self.expressions.scalar(part))
        return even, varying

    def _combine(self, a: Value | None, b: Value | None) -> Value | None:
        return (a or b) if a is None or b is None else self._code.binary("and", a, b)

    def _every(self, mask: Value | None) -> Value:
        return literal(True, "i1", self._lanes.width) if mask is None else mask


def _conjuncts(guard: Expr | None) -> list[Expr]:
    if isinstance(guard, Apply) and guard.fn == "bitand":
        return [part for arg in guard.args for part in _conjuncts(arg)]
    return [] if guard is None else [guard]


def _is_zero(other: Expr | None) -> bool:
    return other is None or (isinstance(other, Const) and str(other.value) in ("0", "0.0", "False"))

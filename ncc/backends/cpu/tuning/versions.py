"""The contractions of a model by key, and what they are with panels of other widths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ncc.backends.cpu.kernels.builder import Call
from ncc.backends.cpu.kernels.packing import Widths
from ncc.backends.cpu.lower import lower
from ncc.backends.cpu.storage.views import Space
from ncc.backends.cpu.storage.weights import WeightTable
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import accumulator_lanes, tilings
from ncc.backends.cpu.tuning.candidates import Variants
from ncc.backends.cpu.tuning.schedule import Schedule, scheduled
from ncc.backends.cpu.tuning.subject import Subject, subject
from ncc.ir.graph import Graph, Node
from ncc.ir.types import DType


class Versions:
    """`calls` are those of each kernel of which something can be chosen, in order.

    Kernels whose right operand is computed keep the panels that `widths` gives them: another
    kernel fills those.
    """

    def __init__(self, segments: Sequence[Graph], target: Target, widths: Widths) -> None:
        self.target = target
        self._segments = segments
        self._subjects: dict[str, Subject] = {}
        self._by_width: dict[int, Mapping[str, Subject]] = {}
        self.calls: dict[str, list[Call]] = {}
        for call, found in self._lowered(widths):
            self.calls.setdefault(found.key, []).append(call)
            self._subjects.setdefault(found.key, found)

    def subject(self, key: str) -> Subject:
        """The kernel with the panels that it has by default."""
        return self._subjects[key]

    def roots(self, key: str) -> list[Node]:
        """The products that the kernel computes."""
        return [call.root for call in self.calls[key] if call.root is not None]

    def variants(self, key: str) -> Variants:
        """The kernel with panels of each width, the default first."""
        first = self.subject(key)
        contract = first.contract
        found = {contract.pack.nr: first}
        if self._is_constant(key):
            for width in _widths(contract.columns, contract.a.dtype, self.target):
                found.setdefault(width, self._with_width(width)[key])
        return found

    def allow(self, key: str, schedule: Schedule) -> bool:
        """Whether the kernel can have `schedule`."""
        contract = self.subject(key).contract
        same = schedule.columns == contract.pack.nr
        if not same and not self._is_constant(key):
            return False
        if schedule.columns not in _widths(contract.columns, contract.a.dtype, self.target):
            return False
        found = self.subject(key) if same else self._with_width(schedule.columns)[key]
        return scheduled(found, schedule, self.target) is not None

    def _is_constant(self, key: str) -> bool:
        """Whether the right operand is packed when the bundle is written."""
        call, buffer = self.calls[key][0], self.subject(key).contract.b.buffer
        pointer = call.pointers[call.kernel.params.index(buffer)]
        return pointer.memory.space is Space.weights

    def _with_width(self, width: int) -> Mapping[str, Subject]:
        """Every kernel with panels of one width, where it can have them."""

        def widths(root: Node, columns: int, dtype: DType) -> int | None:
            return width if width in _widths(columns, dtype, self.target) else None

        if width not in self._by_width:
            self._by_width[width] = {found.key: found for _, found in self._lowered(widths)}
        return self._by_width[width]

    def _lowered(self, widths: Widths) -> list[tuple[Call, Subject]]:
        table = WeightTable()
        calls = [
            call for body in self._segments for call in lower(body, self.target, table, widths)
        ]
        return [(call, found) for call in calls if (found := subject(call)) is not None]


def _widths(columns: int, dtype: DType, target: Target) -> list[int]:
    """The widths that panels may have."""
    lanes = accumulator_lanes(dtype, target)
    return sorted({vectors * lanes for _, vectors in tilings(1, columns, dtype, target)})

"""What the pipeline asks of a backend, so that it need not know which one it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ncc.backends.artifact import Artifact, Listing
from ncc.backends.tuning import Tuning
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.op import Op

NATIVE = "native"
"""The name of the best target for the machine that we run on."""

Refusal = Callable[[Node], str | None]
"""Why a node may not stand somewhere; None when it may."""


class Target(Protocol):
    """One kind of machine that a backend compiles for; the rest of it is the backend's own."""

    @property
    def name(self) -> str:
        """What `--target` calls it."""

    @property
    def flags(self) -> tuple[str, ...]:
        """The features that a machine must have."""

    @property
    def lanes(self) -> int:
        """Elements of f32 in one vector."""

    @property
    def has_bf16_dot(self) -> bool:
        """Whether it multiplies bf16 faster than f32."""

    @property
    def has_byte_dot(self) -> bool:
        """Whether it multiplies integers of 8 bits."""


class Weights(Protocol):
    """The weights section while a bundle is made; its targets share it."""

    @property
    def nbytes(self) -> int:
        """The size of the section."""

    def chunks(self) -> Iterator[bytes | memoryview]:
        """The bytes of the section in order."""


@dataclass(frozen=True)
class Backend:
    """A way to compile device segments.

    `targets` holds what it compiles for by name, each better than those before it; `resolve` finds
    one by a name that may also be `NATIVE`; `host` is the features of the machine that we run on.
    `takes` tells whether some nodes with an op have code, `refusal` says of one why it has none;
    `kernels` forms kernels in the body of a segment for a target, and `ungrouped` says what may not
    stand beside them. `compile_segments` takes such bodies, the constants that host segments read,
    a target, what `weights` made, and how to choose what is free. `read_kernels` finds kernels in
    the text that a bundle holds, for `disassemble` to make one again for a target.
    """

    targets: Mapping[str, Target]
    resolve: Callable[[str], Target]
    host: Callable[[], frozenset[str]]
    takes: Callable[[type[Op]], bool]
    refusal: Refusal
    ungrouped: Refusal
    kernels: Callable[[Graph, Any], Graph]
    weights: Callable[[], Weights]
    compile_segments: Callable[[Sequence[Graph], Sequence[Value], Any, Any, Tuning], Artifact]
    read_kernels: Callable[[str], Sequence[Any]]
    disassemble: Callable[[Any, Any], Listing]

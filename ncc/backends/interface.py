"""What the pipeline asks of a backend, so that it need not know which one it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ncc.backends.artifact import Artifact
from ncc.ir.graph import Graph, Node, Value

Refusal = Callable[[Node], str | None]
"""Why a node may not stand somewhere; None when it may."""


class Target(Protocol):
    """One kind of machine that a backend compiles for; the rest of it is the backend's own."""

    @property
    def name(self) -> str:
        """What `--target` calls it."""

    @property
    def has_bf16_dot(self) -> bool:
        """Whether it multiplies bf16 faster than f32."""


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
    one by a name that may also stand for the machine that we run on. `refusal` says of a node why
    it has no code; `kernels` forms kernels in the body of a segment, and `ungrouped` says what may
    not stand beside them. `compile_segments` takes such bodies, the constants that host segments
    read, a target, and what `weights` made.
    """

    targets: Mapping[str, Target]
    resolve: Callable[[str], Target]
    refusal: Refusal
    ungrouped: Refusal
    kernels: Callable[[Graph], Graph]
    weights: Callable[[], Weights]
    compile_segments: Callable[[Sequence[Graph], Sequence[Value], Any, Any], Artifact]

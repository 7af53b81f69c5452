"""Versions of a kernel side by side in one image, to be timed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ncc.backends.cpu import driver
from ncc.backends.cpu.codegen import compile_kernels, link
from ncc.backends.cpu.kernels.builder import Call
from ncc.backends.cpu.loopir.loops import Kernel
from ncc.backends.cpu.storage.views import Space
from ncc.backends.cpu.target import Target
from ncc.backends.tuning import Region, Timer, Trial

ALIGNMENT = 64


def times(
    call: Call, versions: Sequence[Kernel], target: Target, timer: Timer, seconds: float
) -> list[float | None]:
    """Seconds that each version of the kernel of `call` takes on operands in the same places.

    They are measured for about `seconds`. None for a version that fails.
    """
    compiled = compile_kernels(versions, target)
    first = {number: index for index, number in reversed([*enumerate(compiled.index)])}
    distinct = sorted(first.values())
    places = _places(call, versions)
    entries = [[driver.Call(index, places.args)] for index in distinct]
    image = link(compiled, entries, target)
    trial = Trial(
        code=image.data,
        run=image.run,
        entries=image.entries,
        arena_nbytes=places.nbytes[driver.Space.arena],
        weights_nbytes=places.nbytes[driver.Space.weights],
        arena=places.regions[driver.Space.arena],
        weights=places.regions[driver.Space.weights],
        seconds=seconds,
    )
    found = dict(zip(distinct, timer.times(trial), strict=True))
    return [found[first[number]] for number in compiled.index]


@dataclass(frozen=True, slots=True)
class _Places:
    """Where parameters lie while a kernel is timed."""

    args: tuple[driver.Arg, ...]
    nbytes: dict[driver.Space, int]
    regions: dict[driver.Space, tuple[Region, ...]]


def _places(call: Call, versions: Sequence[Kernel]) -> _Places:
    """Room for the largest version of each parameter; weights are those of the network."""
    args: list[driver.Arg] = []
    nbytes = dict.fromkeys(driver.Space, 0)
    regions: dict[driver.Space, list[Region]] = {space: [] for space in driver.Space}
    for pointer, (dtype, size) in zip(call.pointers, _sizes(versions), strict=True):
        weights = pointer.memory.space is Space.weights
        space = driver.Space.weights if weights else driver.Space.arena
        start = -(-nbytes[space] // ALIGNMENT) * ALIGNMENT
        args.append(driver.Arg(space, start))
        nbytes[space] = start + size
        regions[space].append(Region(start, dtype, size))
    return _Places(tuple(args), nbytes, {space: tuple(found) for space, found in regions.items()})


def _sizes(versions: Sequence[Kernel]) -> Iterator[tuple[str, int]]:
    """The element type and the bytes of each parameter."""
    for buffers in zip(*(kernel.params for kernel in versions), strict=True):
        yield (
            buffers[0].dtype.value,
            max(buffer.size * buffer.dtype.itemsize for buffer in buffers),
        )

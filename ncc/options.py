"""What the user may choose, in one frozen object that is made once and passed down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class AutoCast(Enum):
    """Which f32 values are rounded to a narrower type; see docs on precision."""

    none = "none"
    matmult = "matmult"
    all = "all"


class Level(Enum):
    """How free choices are made: fixed, by a cost model, or by measuring on this machine."""

    O1 = 1
    O2 = 2
    O3 = 3


TUNING_BUDGET = 60.0
"""Seconds that measuring takes unless told otherwise."""


@dataclass(frozen=True)
class Options:
    """`auto_cast` None means matmult where the target multiplies bf16, else none.

    `dims` binds symbols of the model, `shapes` whole inputs. `keep_fp32` is a regular expression
    over names of source nodes. With `host` false, a node that only the host can run is an error.
    Where the file `tuning` has an entry for a kernel, that decides and not the `level`; O3
    measures for `tuning_budget` seconds and writes what it found there. If `strict`, a kernel
    without an entry is an error.
    """

    target: str = "native"
    auto_cast: AutoCast | None = None
    auto_cast_type: str = "bf16"
    keep_fp32: str = ""
    dims: Mapping[str, int] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int | str, ...]] = field(default_factory=dict)
    host: bool = True
    allow_nan: bool = False
    level: Level = Level.O2
    tuning: str = ""
    tuning_budget: float = TUNING_BUDGET
    strict: bool = False

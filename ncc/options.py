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


@dataclass(frozen=True)
class Options:
    """`auto_cast` None means matmult where the target multiplies bf16, else none.

    `dims` binds symbols of the model, `shapes` whole inputs. `keep_fp32` is a regular expression
    over names of source nodes. With `host` false, a node that only the host can run is an error.
    """

    target: str = "native"
    auto_cast: AutoCast | None = None
    auto_cast_type: str = "bf16"
    keep_fp32: str = ""
    dims: Mapping[str, int] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int | str, ...]] = field(default_factory=dict)
    host: bool = True
    allow_nan: bool = False

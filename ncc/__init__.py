"""`ncc`: compile a model ahead of time into one file, and run that file.

    bundle = ncc.compile("model.onnx")
    model = ncc.load("model.neff")

What a name needs is imported when it is first used: for `load`, numpy and msgpack alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ncc.diagnostics import NccError

if TYPE_CHECKING:
    from ncc.compiler import compile
    from ncc.runtime.session import Model, load

__version__ = "0.1.0"

__all__ = ["Model", "NccError", "__version__", "compile", "load"]

_HOMES = {
    "Model": "ncc.runtime.session",
    "compile": "ncc.compiler",
    "load": "ncc.runtime.session",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ncc' has no attribute '{name}'")

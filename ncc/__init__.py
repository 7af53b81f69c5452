"""`ncc`: compile a model ahead of time into one file, and run that file.

    bundle = ncc.compile("model.onnx")
    model = ncc.load("model.neff")

Importing it, and loading a bundle, needs numpy and msgpack alone; the compiler is imported when
`ncc.compile` is first used.
"""

from __future__ import annotations

from typing import Any

from ncc.diagnostics import NccError
from ncc.runtime.session import Model, load

__version__ = "0.1.0"

__all__ = ["Model", "NccError", "__version__", "compile", "load"]


def __getattr__(name: str) -> Any:
    if name == "compile":
        from ncc.compiler import compile

        return compile
    raise AttributeError(f"module 'ncc' has no attribute '{name}'")

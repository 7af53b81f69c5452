"""A real model, compiled and saved, with what onnxruntime makes of the same inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

import ncc
from ncc.bundle import Bundle

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Compiled:
    """A bundle, the file it was saved to, inputs for it, and the outputs that are wanted."""

    bundle: Bundle
    path: Path
    feeds: Mapping[str, Array]
    want: Mapping[str, Array]

    def run(self, cores: int = 1) -> dict[str, Array]:
        """The outputs by name."""
        with ncc.load(self.path) as model:
            return model.run(self.feeds, cores=cores)


def compiled(
    model: Path,
    feeds: Mapping[str, Array],
    folder: Path,
    *,
    dims: Mapping[str, int],
    auto_cast: str | None,
    target: str = "native",
) -> Compiled:
    """`model` with sizes bound, as a bundle in `folder`."""
    bundle = ncc.compile(model, target=target, auto_cast=auto_cast, dims=dims)
    path = folder / f"{model.stem}.neff"
    bundle.save(path)
    return Compiled(bundle, path, feeds, reference(model, feeds))


def reference(model: Path, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of onnxruntime, by name, as it runs models by default."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, map(np.asarray, session.run(names, dict(feeds))), strict=True))

"""The engines that can be timed: each loads a model and gives back what runs it once.

An engine is imported inside its own loader, so that a process holds no other and a missing one
is an error of its row alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Outputs = list[Array]
Run = Callable[[], Outputs]


@dataclass(frozen=True)
class Job:
    """A model file with its symbols bound, its inputs, and how many cores may work on it."""

    model: Path
    dims: Mapping[str, int]
    inputs: Mapping[str, Array]
    cores: int


def load_ncc(job: Job, *, auto_cast: str | None = None) -> Run:
    import ncc

    options = {} if auto_cast is None else {"auto_cast": auto_cast}
    bundle = ncc.compile(str(job.model), target="native", dims=dict(job.dims), **options)
    with tempfile.TemporaryDirectory() as folder:
        bundle.save(Path(folder) / "model.neff")
        model = ncc.load(Path(folder) / "model.neff")
    return lambda: list(model.run(job.inputs, cores=job.cores).values())


def load_onnxruntime(job: Job) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.cores
    options.inter_op_num_threads = 1
    for name, size in job.dims.items():
        options.add_free_dimension_override_by_name(name, size)
    session = onnxruntime.InferenceSession(
        str(job.model), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, dict(job.inputs))


def load_openvino(job: Job, *, precision: str) -> Run:
    import openvino

    core = openvino.Core()
    model = core.read_model(str(job.model))
    model.reshape({name: list(array.shape) for name, array in job.inputs.items()})
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": job.cores,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda: [np.array(value) for value in request.infer(dict(job.inputs)).values()]


ENGINES: dict[str, Callable[[Job], Run]] = {
    "ncc": load_ncc,
    "ncc-f32": partial(load_ncc, auto_cast="none"),
    "onnxruntime": load_onnxruntime,
    "openvino-f32": partial(load_openvino, precision="f32"),
    "openvino-bf16": partial(load_openvino, precision="bf16"),
}

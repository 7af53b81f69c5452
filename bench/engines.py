"""The engines that can be timed: each loads a file and gives back what runs it once.

An engine is imported inside its own loader, so that a process holds no other and a missing one
is an error of its row alone. This module itself imports little: it is part of every cold start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from messages import Job, Outputs

Run = Callable[[], Outputs]
ERRORS_ONLY = 3
"""Of ONNX Runtime's levels of logging."""


@dataclass(frozen=True)
class Engine:
    """`package` is what its version is the version of.

    `compile` holds options of `ncc compile` for an engine that runs bundles. One that is not
    `timed` only shows what a start and an idle process cost.
    """

    load: Callable[[Job], Run]
    package: str
    compile: tuple[str, ...] | None = None
    timed: bool = True


def load_ncc(job: Job) -> Run:
    import ncc

    model = ncc.load(job.file)
    return lambda: list(model.run(job.inputs, cores=job.cores).values())


def load_onnxruntime(job: Job) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.cores
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    for name, size in job.dims.items():
        options.add_free_dimension_override_by_name(name, size)
    session = onnxruntime.InferenceSession(job.file, options, providers=["CPUExecutionProvider"])
    return lambda: list(session.run(None, dict(job.inputs)))


def load_openvino(job: Job, *, precision: str) -> Run:
    import openvino

    core = openvino.Core()
    model = core.read_model(job.file)
    model.reshape({name: list(array.shape) for name, array in job.inputs.items()})
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": job.cores,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda: [np.array(value) for value in request.infer(dict(job.inputs)).values()]


def load_nothing(job: Job) -> Run:
    """Python and numpy alone: what the start and the memory of every other engine contain."""
    return list


ENGINES: dict[str, Engine] = {
    "ncc": Engine(load_ncc, "ncc", compile=()),
    "ncc-f32": Engine(load_ncc, "ncc", compile=("--auto-cast", "none")),
    "onnxruntime": Engine(load_onnxruntime, "onnxruntime"),
    "openvino-f32": Engine(partial(load_openvino, precision="f32"), "openvino"),
    "openvino-bf16": Engine(partial(load_openvino, precision="bf16"), "openvino"),
    "nothing": Engine(load_nothing, "numpy", timed=False),
}

"""The harness that times engines: turns, failures, and the table it prints."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from onnx import TensorProto, helper, save

import peers
from engines import Job
from inputs import seeded_inputs
from turns import Effort, Result, compete

BRIEF = Effort(rounds=2, seconds=0.0, runs=3)


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    """A model that adds its input, of `batch` numbers, to itself."""
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch"]) for n in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "g", [x], [y])
    path = tmp_path / "doubling.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, path)
    return path


def test_every_turn_of_an_engine_is_timed(doubling: Path) -> None:
    job = Job(doubling, {"batch": 4}, seeded_inputs(doubling, {"batch": 4}), cores=1)
    result = compete(job, ["onnxruntime"], BRIEF)["onnxruntime"]
    assert result.error == ""
    assert len(result.times) == BRIEF.rounds * BRIEF.runs
    assert result.cosine == pytest.approx(1.0)


def test_an_engine_that_fails_does_not_stop_the_others(doubling: Path) -> None:
    job = Job(doubling, {"batch": 4}, seeded_inputs(doubling, {"batch": 4}), cores=1)
    results = compete(job, ["abacus", "onnxruntime"], BRIEF)
    assert results["abacus"].error == "KeyError: 'abacus'"
    assert results["abacus"].times == ()
    assert len(results["onnxruntime"].times) == BRIEF.rounds * BRIEF.runs


def test_the_table_shows_medians_spread_and_ratios() -> None:
    results = {
        "ncc": Result((1.0, 2.0, 3.0), cosine=0.9999),
        "onnxruntime": Result((5.0,), cosine=1.0),
        "openvino-f32": Result(error="not installed"),
    }
    lines = list(peers.table([peers.Row("net", 2, results)], list(results)))
    assert lines == [
        "| model | cores | ncc ms | onnxruntime ms | openvino-f32 ms | p99/p50 | cosine"
        " | x onnxruntime | x openvino-f32 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| net | 2 | 2.00 | 5.00 | nan | 1.49 | 0.99990 | 2.50 | nan |",
    ]


def test_what_is_not_a_number_is_null_in_json() -> None:
    assert peers.finite(math.nan) is None
    assert peers.finite(1.5) == 1.5

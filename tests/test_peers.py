"""The harness that times engines: turns, failures, the tables, and what a command takes."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
from onnx import TensorProto, helper, save

import bundles
import engines
import processes
import report
from bundles import Built
from inputs import seeded_inputs
from messages import Effort, Job
from turns import Result, compete

BRIEF = Effort(starts=2, rounds=2, seconds=0.0, runs=3)
NO_BUNDLES: dict[str, Built] = {}


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    """A model that adds its input, of `batch` numbers, to itself."""
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch"]) for n in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "g", [x], [y])
    path = tmp_path / "doubling.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, path)
    return path


def job(engine: str, model: Path, file: Path | None = None) -> Job:
    inputs = seeded_inputs(model, {"batch": 4})
    return Job(engine, str(file or model), {"batch": 4}, inputs, cores=1)


def test_every_turn_of_an_engine_is_timed(doubling: Path) -> None:
    result = compete([job("onnxruntime", doubling)], BRIEF)["onnxruntime"]
    assert result.error == ""
    assert len(result.times) == BRIEF.rounds * BRIEF.runs
    assert result.cosine == pytest.approx(1.0)
    assert result.start > 0
    assert 0 < result.private < result.resident


def test_a_bundle_made_by_the_command_line_agrees_with_the_reference(
    doubling: Path, tmp_path: Path
) -> None:
    built = bundles.build(doubling, tmp_path / "doubling.neff", dims={"batch": 4})
    assert built.nbytes > 0
    assert built.figures["ops"] == 1
    results = compete([job("ncc", doubling, built.path), job("onnxruntime", doubling)], BRIEF)
    assert results["ncc"].error == ""
    assert results["ncc"].cosine == pytest.approx(1.0)


def test_an_engine_that_fails_does_not_stop_the_others(doubling: Path, tmp_path: Path) -> None:
    results = compete(
        [job("ncc", doubling, tmp_path / "none"), job("onnxruntime", doubling)], BRIEF
    )
    assert "cannot read" in results["ncc"].error
    assert results["ncc"].times == ()
    assert len(results["onnxruntime"].times) == BRIEF.rounds * BRIEF.runs


def test_the_baseline_only_starts(doubling: Path) -> None:
    result = compete([job("nothing", doubling)], BRIEF)["nothing"]
    assert result.times == ()
    assert result.resident > 0


def test_the_table_shows_medians_spread_and_ratios() -> None:
    results = {
        "ncc": Result((1.0, 2.0, 3.0), cosine=0.9999),
        "onnxruntime": Result((5.0,), cosine=1.0),
        "openvino-bf16": Result(error="not installed"),
    }
    lines = list(report.times([report.Row("net", "nets", 2, results, NO_BUNDLES)], list(results)))
    assert lines == [
        "| model | cores | ncc ms | onnxruntime ms | openvino-bf16 ms | p99/p50 | cosine"
        " | onnxruntime / ncc | openvino-bf16 / ncc |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| net | 2 | 2.00 | 5.00 | nan | 1.49 | 0.99990 | 2.50 | nan |",
        "| *nets: geometric mean* | 2 |  |  |  |  |  | 2.50 | nan |",
    ]


def test_a_model_that_cannot_be_compiled_is_an_error_with_what_the_compiler_said(
    tmp_path: Path,
) -> None:
    with pytest.raises(processes.CommandError, match=r"none\.onnx"):
        bundles.build(tmp_path / "none.onnx", tmp_path / "none.neff", dims={})


def test_the_memory_of_a_command_includes_that_of_its_children() -> None:
    hold = "import time; held = bytearray(100_000_000); time.sleep(0.2)"
    spawn = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    assert processes.measured([sys.executable, "-c", spawn]).peak_bytes > 100_000_000


def test_what_is_not_a_number_is_null_in_json() -> None:
    assert report.finite(math.nan) is None
    assert report.finite(1.5) == 1.5


def test_only_engines_that_are_known_are_compared() -> None:
    assert {name for pair in report.RATIOS for name in pair} <= set(engines.ENGINES)

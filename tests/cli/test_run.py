"""ncc run and ncc bench: inputs from files or random, outputs to files, what they print."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

import ncc as product
from ncc.cli.bench import batch, statistics
from ncc.cli.run import file_names
from ncc.neff.format import TensorSpec
from tests.cli.command_line import IMAGES, compiled, ncc, random_input, write_model

SIGNATURE = "a: f32[4], b: f32[4], c: i64[3]"


def inputs() -> dict[str, np.ndarray]:
    return {"a": random_input([4]), "b": random_input([4], 1), "c": np.array([0, 5, 7])}


def archive(folder: Path, **changes: object) -> Path:
    np.savez(folder / "in.npz", **{**inputs(), **changes})  # type: ignore[arg-type]  # arrays
    return folder / "in.npz"


def test_outputs_are_those_of_the_library(mixed: Path, tmp_path: Path) -> None:
    result = ncc("run", mixed, "--input", archive(tmp_path), "--output", tmp_path / "out")
    assert result.code == 0
    with product.load(mixed) as model:
        expected = model.run(inputs())
    for name, file in {"sum/0": "sum_0.npy", "where": "where.npy"}.items():
        np.testing.assert_array_equal(np.load(tmp_path / "out" / file), expected[name])
        assert f"wrote {tmp_path / 'out' / file}" in result.err
    assert expected["where"].tolist() == [[1, 2]]


def test_outputs_are_shown_as_a_table(mixed: Path, tmp_path: Path) -> None:
    lines = ncc("run", mixed, "--input", archive(tmp_path)).out.splitlines()
    assert lines[1].split() == ["output", "type", "min", "max", "mean", "first"]
    assert lines[3].split() == ["where", "i64[1,", "2]", "1", "2", "1.5", "1", "2"]


def test_outputs_are_shown_as_json(mixed: Path, tmp_path: Path) -> None:
    arguments = ("--input", archive(tmp_path), "--output", tmp_path, "--format", "json")
    _, where = ncc("run", mixed, *arguments).json["outputs"]
    assert where == {
        "name": "where",
        "dtype": "i64",
        "shape": [1, 2],
        "elements": 2,
        "min": 1.0,
        "max": 2.0,
        "mean": 1.5,
        "first": [1.0, 2.0],
        "file": str(tmp_path / "where.npy"),
    }


def test_inputs_come_one_by_one(mixed: Path, tmp_path: Path) -> None:
    flags = []
    for name, array in inputs().items():
        np.save(tmp_path / f"{name}.npy", array)
        flags += ["--input", f"{name}={tmp_path / f'{name}.npy'}"]
    separate = ncc("run", mixed, *flags, "--format", "json").json
    together = ncc("run", mixed, "--input", archive(tmp_path), "--format", "json").json
    assert separate == together


def test_random_inputs_depend_on_the_seed_alone(mixed: Path) -> None:
    def run(*arguments: object) -> object:
        return ncc("run", mixed, *arguments, "--format", "json").json

    assert run("--input", "random") == run("--input", "random", "--seed", 0)
    assert run("--input", "random") != run("--input", "random", "--seed", 1)
    named = [flag for name in "abc" for flag in ("--input", f"{name}=random")]
    assert run(*named) == run("--input", "random", "--cores", 1)


def test_numbers_that_json_lacks_are_null(relu: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((2, 3), np.inf, np.float32))
    arguments = ("--input", f"x={tmp_path / 'x.npy'}", "--format", "json")
    (output,) = ncc("run", relu, *arguments).json["outputs"]
    assert output["max"] is None
    assert output["first"] == [None] * 4


def test_arrays_of_an_archive_that_are_no_inputs_are_left_out_aloud(
    mixed: Path, tmp_path: Path
) -> None:
    result = ncc("run", mixed, "--input", archive(tmp_path, label=np.zeros(3)))
    assert result.code == 0
    assert "left out label" in result.err


def test_a_batch_larger_than_the_bundles_is_an_error_with_the_signature(digits: Path) -> None:
    error = ncc("run", digits, "--input", IMAGES)
    assert error.code == 2
    assert "error[signature]: input 'image' has shape [360, 1, 8, 8], needs [1, 1, 8, 8]" in (
        error.err
    )
    assert "(image: f32[1, 1, 8, 8]) -> (probability: f32[1, 10])" in error.err


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"a": np.zeros(4)}, "is float64, needs f32"),
        ({"a": np.zeros(5, np.float32)}, "has shape [5], needs [4]"),
        ({"a": np.zeros((4, 1), np.float32)}, "has shape [4, 1], needs [4]"),
        ({"c": np.zeros(3, np.int32)}, "is int32, needs i64"),
    ],
)
def test_wrong_types_and_shapes_are_refused(
    mixed: Path, tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    error = ncc("run", mixed, "--input", archive(tmp_path, **changes)).fails(2, "signature")
    assert reason in error
    assert SIGNATURE in error


def test_missing_inputs_are_named_with_what_to_write(mixed: Path) -> None:
    error = ncc("run", mixed, "--input", "a=random").fails(2, "bad-input")
    assert "no input 'b': give --input b=FILE.npy, or --input random" in error
    assert SIGNATURE in error


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an array"),
        (b"hello", "not an array"),
        (b"PK\x03\x04 no zip", "not an array"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "not an array"),
        (None, "cannot read"),
    ],
)
def test_files_that_numpy_did_not_save_are_refused(
    mixed: Path, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    for name in ("x.npy", "x.npz"):
        if content is not None:
            (tmp_path / name).write_bytes(content)
    for given in (f"a={tmp_path / 'x.npy'}", tmp_path / "x.npz"):
        assert reason in ncc("run", mixed, "--input", given).fails(2, "bad-input")


def test_objects_are_never_loaded(mixed: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([print], object), allow_pickle=True)
    error = ncc("run", mixed, "--input", f"a={tmp_path / 'a.npy'}").fails(2, "bad-input")
    assert "not an array" in error
    np.savez(tmp_path / "a.npz", a=np.array([print], object))
    assert "not an array" in ncc("run", mixed, "--input", tmp_path / "a.npz").fails(2, "bad-input")


def test_an_archive_cut_short_is_refused(mixed: Path, tmp_path: Path) -> None:
    path = archive(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    ncc("run", mixed, "--input", path).fails(2, "bad-input")


@pytest.mark.parametrize(
    "given", [("a.npy",), ("z=random",), ("random", "a"), ("a=random", "a=random")]
)
def test_inputs_of_a_wrong_form_are_refused(mixed: Path, given: tuple[str, ...]) -> None:
    flags = [flag for text in given for flag in ("--input", text)]
    assert SIGNATURE in ncc("run", mixed, *flags).fails(2, "bad-input")


def test_an_archive_without_inputs_is_refused(mixed: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", label=np.zeros(3))
    error = ncc("run", mixed, "--input", tmp_path / "x.npz").fails(2, "bad-input")
    assert "holds label, and no input" in error


def test_an_input_may_have_an_equals_sign_in_its_name(tmp_path: Path) -> None:
    node = helper.make_node("Add", ["x", "x=y"], ["z"])
    inputs = {"x": (TensorProto.FLOAT, (2,)), "x=y": (TensorProto.FLOAT, (2,))}
    path = compiled(write_model(tmp_path / "m.onnx", [node], inputs, ["z"]))
    assert ncc("run", path, "--input", "x=random", "--input", "x=y=random").code == 0


def test_a_number_of_cores_is_checked(relu: Path) -> None:
    ncc("run", relu, "--input", "random", "--cores", 0).fails(2, "cores")
    ncc("run", relu, "--input", "random", "--cores", "two").fails(2, "usage")


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["y"], ["y.npy"]),
        (["a/b:c", "../../x", "é"], ["a_b_c.npy", "_.._x.npy", "_.npy"]),
        (["a/b", "a:b", "A_B", "a_b_2"], ["a_b.npy", "a_b_2.npy", "A_B_3.npy", "a_b_2_2.npy"]),
        ([".", "..", "x" * 300], ["output.npy", "output_2.npy", f"{'x' * 200}.npy"]),
    ],
)
def test_names_become_names_of_files(names: list[str], files: list[str]) -> None:
    assert file_names(names) == files


# bench


def test_bench_counts_what_it_measures(relu: Path) -> None:
    arguments = ("--iterations", 7, "--warmup", 2, "--cores", 1, "--format", "json")
    found = ncc("bench", relu, *arguments).json
    assert (found["iterations"], found["warmup"], found["cores"]) == (7, 2, 1)
    latency = found["latency_seconds"]
    assert 0 < latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p99"]
    assert latency["p99"] <= latency["max"]
    assert found["runs_per_second"] == pytest.approx(1 / latency["mean"])


def test_bench_prints_a_line_for_each_number(relu: Path) -> None:
    lines = ncc("bench", relu, "--iterations", 3).out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        *("cores", "runs", "p50", "p90", "p99", "min", "max", "mean", "runs/s", "items/s"),
    ]


def test_bench_runs_for_a_time(relu: Path) -> None:
    found = ncc("bench", relu, "--seconds", 0.01, "--format", "json").json
    assert found["iterations"] >= 1


def test_bench_takes_given_inputs(mixed: Path, tmp_path: Path) -> None:
    wrong = archive(tmp_path, a=np.zeros(5, np.float32))
    arguments = ("--iterations", 1, "--input", wrong)
    ncc("bench", mixed, *arguments).fails(2, "signature")


@pytest.mark.parametrize(
    "flags",
    [("--iterations", 0), ("--seconds", 0), ("--warmup", -1), ("--iterations", 1, "--seconds", 1)],
)
def test_bench_flags_are_checked(relu: Path, flags: tuple[object, ...]) -> None:
    ncc("bench", relu, *flags).fails(2, "usage")


@pytest.mark.parametrize("command", ["bench", "profile"])
@pytest.mark.parametrize("seconds", ["nan", "inf"])
def test_a_measurement_has_an_end(relu: Path, command: str, seconds: str) -> None:
    assert "is no number of seconds" in ncc(command, relu, "--seconds", seconds).fails(2, "usage")


def test_statistics_are_those_of_the_times() -> None:
    found = statistics([0.001 * i for i in range(1, 102)], items=4)
    assert found["latency_seconds"] == pytest.approx(
        {"p50": 0.051, "p90": 0.091, "p99": 0.1, "min": 0.001, "max": 0.101, "mean": 0.051}
    )
    assert found["items_per_second"] == pytest.approx(4 / 0.051)


@pytest.mark.parametrize(
    ("shapes", "items"),
    [([(8, 3), (8,)], 8), ([(8, 3), (1, 3)], 1), ([(), ()], 1), ([("n",), ("n",)], 1)],
)
def test_a_batch_is_the_first_size_of_everything(
    shapes: list[tuple[int | str, ...]], items: int
) -> None:
    specs = [TensorSpec("x", "f32", shape) for shape in shapes]
    assert batch(specs[:1], specs[1:]) == items

"""External data: files of the model's folder, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from ncc.diagnostics import ExitCode, NccError
from ncc.ir.ops.weight import Weight
from tests.frontends.build import load, model, run

TEXT = "g (float[400] x) => (float[400] y) { a = Add(x, w) y = Add(a, v) }"
W, V = np.arange(400, dtype=np.float32), np.arange(400, dtype=np.float32) ** 2


def referring(**entries: str | int) -> onnx.ModelProto:
    """A model whose weight `w` is external data."""
    tensor = TensorProto(dims=[400], data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
    return model("g (float[400] x) => (float[400] y) { y = Add(x, w) }", w=tensor)


def saved(folder: Path, **entries: str | int) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(referring(**entries).SerializeToString())
    return path


def test_onnx_writes_it_and_we_read_it(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    source = model(TEXT, w=W, v=V)
    onnx.save(source, path, save_as_external_data=True, location="m.bin", size_threshold=0)
    np.testing.assert_array_equal(run(path, W)[0], 2 * W + V)
    slices = [node.op.slice for node in load(path) if isinstance(node.op, Weight)]
    assert {Path(slice.file).name for slice in slices if slice} == {"m.bin"}


def test_a_folder_below_is_fine_and_the_length_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(b"123" + W.tobytes() + b"more")
    np.testing.assert_array_equal(
        run(saved(tmp_path, location="data/w.bin", offset=3), W)[0], 2 * W
    )


def test_a_small_external_tensor_is_a_literal(tmp_path: Path) -> None:
    source = model("g (float[3] x) => (float[3] y) { y = Add(x, w) }", w=W[:3])
    path = tmp_path / "m.onnx"
    onnx.save(source, path, save_as_external_data=True, location="m.bin", size_threshold=0)
    assert not any(isinstance(node.op, Weight) for node in load(path))


def symlink_out(folder: Path) -> None:
    outside = folder.parent / f"{folder.name}-outside.bin"
    outside.write_bytes(W.tobytes())
    (folder / "w.bin").symlink_to(outside)


def folder_symlink_out(folder: Path) -> None:
    outside = folder.parent / f"{folder.name}-outside"
    outside.mkdir()
    (outside / "w.bin").write_bytes(W.tobytes())
    (folder / "sub").symlink_to(outside)


def hard_link(folder: Path) -> None:
    (folder / "other.bin").write_bytes(W.tobytes())
    os.link(folder / "other.bin", folder / "w.bin")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "w.bin")


def loop(folder: Path) -> None:
    (folder / "w.bin").symlink_to(folder / "w.bin")


def whole(folder: Path) -> None:
    (folder / "w.bin").write_bytes(W.tobytes())


REFUSED: dict[str, tuple[Callable[[Path], None], dict[str, str | int], str]] = {
    "absolute": (whole, {"location": "/etc/passwd"}, "outside the model's folder"),
    "parent": (whole, {"location": "../w.bin"}, "outside the model's folder"),
    "parent inside": (whole, {"location": "a/../../w.bin"}, "outside the model's folder"),
    "backslashes": (whole, {"location": "..\\w.bin"}, "outside the model's folder"),
    "drive": (whole, {"location": "C:w.bin"}, "outside the model's folder"),
    "NUL": (whole, {"location": "w\0.bin"}, "outside the model's folder"),
    "missing": (whole, {"location": "none.bin"}, "missing"),
    "a folder": (whole, {"location": "."}, "not a regular file"),
    "symbolic link": (symlink_out, {"location": "w.bin"}, "a link out of the folder"),
    "link of a folder": (folder_symlink_out, {"location": "sub/w.bin"}, "a link out of the folder"),
    "hard link": (hard_link, {"location": "w.bin"}, "several names"),
    "pipe": (pipe, {"location": "w.bin"}, "not a regular file"),
    "link to itself": (loop, {"location": "w.bin"}, "missing"),
    "no location": (whole, {"offset": 8, "length": 1600}, "a file without a name"),
    "empty location": (whole, {"location": ""}, "a file without a name"),
    "offset": (whole, {"location": "w.bin", "offset": 4}, "which has 1600"),
    "length": (whole, {"location": "w.bin", "length": 1601}, "which has 1600"),
    "far offset": (whole, {"location": "w.bin", "offset": 1 << 50}, "which has 1600"),
    "negative": (whole, {"location": "w.bin", "offset": -8}, "not a number"),
    "words": (whole, {"location": "w.bin", "length": "all"}, "not a number"),
    "long number": (whole, {"location": "w.bin", "offset": "9" * 5000}, "not a number"),
    "short length": (whole, {"location": "w.bin", "length": 8}, "needs 1600 bytes"),
}


@pytest.mark.parametrize(("arrange", "entries", "says"), REFUSED.values(), ids=REFUSED)
def test_refused(
    arrange: Callable[[Path], None], entries: dict[str, str | int], says: str, tmp_path: Path
) -> None:
    arrange(tmp_path)
    with pytest.raises(NccError) as caught:
        load(saved(tmp_path, **entries))
    assert caught.value.exit is ExitCode.INVALID_MODEL
    assert says in str(caught.value)


def test_a_link_inside_the_folder_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real.bin").write_bytes(W.tobytes())
    (tmp_path / "w.bin").symlink_to("real.bin")
    np.testing.assert_array_equal(run(saved(tmp_path, location="w.bin"), W)[0], 2 * W)


def test_links_of_a_model_and_its_weights_may_lead_to_one_folder(tmp_path: Path) -> None:
    blobs, shown = tmp_path / "blobs", tmp_path / "snapshots" / "1"
    blobs.mkdir()
    shown.mkdir(parents=True)
    (blobs / "b7").write_bytes(W.tobytes())
    (blobs / "a3").write_bytes(referring(location="w.bin").SerializeToString())
    (shown / "w.bin").symlink_to("../../blobs/b7")
    (shown / "m.onnx").symlink_to("../../blobs/a3")
    np.testing.assert_array_equal(run(shown / "m.onnx", W)[0], 2 * W)


def test_an_offset_beyond_4_gigabytes(tmp_path: Path) -> None:
    offset = (1 << 33) + 5
    with (tmp_path / "w.bin").open("wb") as file:
        file.seek(offset)
        file.write(W.tobytes())
    path = saved(tmp_path, location="w.bin", offset=offset, length=1600)
    np.testing.assert_array_equal(run(path, W)[0], 2 * W)

"""A file that the system has no memory to map is no fault of the file: exit 5."""

from __future__ import annotations

import errno
import mmap
from pathlib import Path
from typing import NoReturn

import pytest

import ncc
from ncc.diagnostics import ExitCode
from ncc.ir.literal import FileSlice
from ncc.ir.types import DType, TensorType
from tests.tiny_bundles import save

DIGITS = Path(__file__).resolve().parent.parent / "examples" / "digits.onnx"


@pytest.fixture(autouse=True)
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> NoReturn:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refuse)
    monkeypatch.setattr("ncc.runtime.mapping._map", refuse)


def test_a_model_says_so() -> None:
    with pytest.raises(ncc.NccError, match="no memory left") as error:
        ncc.compile(DIGITS)
    assert (error.value.code, error.value.exit) == ("out-of-memory", ExitCode.RESOURCE)


def test_weights_say_so(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(64))
    with pytest.raises(ncc.NccError, match="no memory left") as error:
        FileSlice(str(tmp_path / "weights"), 0, 64, "").read(TensorType(DType.f32, (16,)))
    assert (error.value.code, error.value.exit) == ("out-of-memory", ExitCode.RESOURCE)


def test_a_bundle_says_so(tmp_path: Path) -> None:
    with pytest.raises(ncc.NccError, match="no memory left") as error:
        ncc.load(save(tmp_path / "tiny.neff"))
    assert (error.value.code, error.value.exit) == ("out-of-memory", ExitCode.RESOURCE)

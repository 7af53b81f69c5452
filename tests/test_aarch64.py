"""Code for aarch64: what it computes, under an emulator, and how it is linked."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ml_dtypes import bfloat16

import ncc
from ncc.backends.cpu.objects.relocate import RELOCATIONS
from ncc.runtime.tensors import numpy_dtype
from tests.cli.command_line import ncc as ncc_command
from tests.emulated import needs_emulator, run_emulated
from tests.suite.case import Const, node_case, seeded
from tests.suite.trained import TRAINED, Trained

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
TARGETS = ("aarch64+bf16", "aarch64")
WHOLE = ("yunet-n-dynamic", "blazeface-back", "minilm-l6-v2", "mlperf-tiny-resnet8")
"""Trained models of one segment each: convolutions of all kinds, and attention."""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("aarch64") / "digits.neff"
    targets = ",".join((*TARGETS, "x86-64-v3"))
    ncc.compile(EXAMPLES / "digits.onnx", target=targets, dims={"batch": 8}).save(path)
    return path


@needs_emulator
@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("target", TARGETS)
def test_a_model_computes_on_aarch64_what_it_does_on_x86(
    target: str, cores: int, digits: Path
) -> None:
    with np.load(EXAMPLES / "digits_test.npz") as stored:
        images = next(iter(stored.values()))[:8]
    with ncc.load(digits) as model:
        want = model(images)
    assert isinstance(want, np.ndarray)
    (got,) = run_emulated(digits, target, [images], cores=cores)
    np.testing.assert_allclose(got, want, atol=(1e-5 if target == "aarch64" else 0.02))


@needs_emulator
@pytest.mark.parametrize("trained", [t for t in TRAINED if str(t) in WHOLE], ids=str)
def test_a_trained_model_computes_on_aarch64_what_it_does_on_x86(
    trained: Trained, model: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "trained.neff"
    bundle = ncc.compile(
        model(trained.file), target="aarch64,x86-64-v3", dims=trained.dims, auto_cast="none"
    )
    bundle.save(path)
    with ncc.load(path) as loaded:
        inputs = [
            trained.draw[name](tuple(map(int, shape))).astype(numpy_dtype(dtype))
            for name, dtype, shape in loaded.inputs
        ]
        want = loaded(*inputs)
    wants = want if isinstance(want, tuple) else (want,)
    for got, wanted in zip(run_emulated(path, "aarch64", inputs), wants, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5 * np.ptp(wanted))


@needs_emulator
@pytest.mark.parametrize("depth", [33, 40, 66, 97])
def test_products_of_bytes_are_exact(depth: int, tmp_path: Path) -> None:
    draw = np.random.default_rng(depth)
    x = draw.integers(0, 256, (5, depth)).astype(np.uint8)
    w = draw.integers(-128, 128, (depth, 21)).astype(np.int8)
    case = node_case("MatMulInteger", x, Const(w), Const(np.array(131, np.uint8)))
    path = tmp_path / "product.neff"
    ncc.compile(case.model, target="aarch64+bf16", host=False).save(path)
    (got,) = run_emulated(path, "aarch64+bf16", list(case.inputs.values()))
    np.testing.assert_array_equal(got, (x.astype(np.int32) - 131) @ w.astype(np.int32))


@needs_emulator
@pytest.mark.parametrize("depth", [33, 40, 64, 97])
def test_products_of_bf16_are_summed_in_f32(depth: int, tmp_path: Path) -> None:
    case = node_case("MatMul", seeded(5, depth), Const(seeded(depth, 21, seed=1)))
    path = tmp_path / "product.neff"
    ncc.compile(case.model, target="aarch64+bf16").save(path)
    (got,) = run_emulated(path, "aarch64+bf16", list(case.inputs.values()))
    a, b = (
        x.astype(bfloat16).astype(np.float32) for x in (seeded(5, depth), seeded(depth, 21, seed=1))
    )
    np.testing.assert_allclose(got, a @ b, atol=1e-5 * depth)


def test_pairs_of_bf16_take_one_instruction(digits: Path) -> None:
    text = ncc_command("disasm", digits, "--target", "aarch64+bf16").out
    assert "bfdot" in text


@pytest.mark.parametrize(
    ("kind", "target", "before", "after"),
    [
        pytest.param(283, 8, 0x94000000, 0x94000002, id="bl forward"),
        pytest.param(282, -4, 0x14000000, 0x17FFFFFF, id="b back"),
        pytest.param(275, 0x1FFF, 0x90000000, 0xB0000000, id="adrp of the next page"),
        pytest.param(275, 0x4000, 0x90000000, 0x90000020, id="adrp of the fourth page"),
        pytest.param(277, 0x5123, 0x91000000, 0x91048C00, id="add within the page"),
        pytest.param(299, 0x5120, 0x3DC00000, 0x3DC04800, id="load of 16 bytes"),
        pytest.param(261, -16, 0, 0xFFFFFFF0, id="distance"),
    ],
)
def test_references_are_patched_into_instructions(
    kind: int, target: int, before: int, after: int
) -> None:
    image = bytearray(struct.pack("<I", before))
    RELOCATIONS[183](image, 0, kind, target)
    assert struct.unpack("<I", image) == (after,)


@pytest.mark.parametrize(
    ("kind", "target"), [(283, 1 << 27), (275, 1 << 32), (299, 8), (1 << 20, 0)]
)
def test_references_that_cannot_be_are_bugs(kind: int, target: int) -> None:
    with pytest.raises(AssertionError):
        RELOCATIONS[183](bytearray(4), 0, kind, target)

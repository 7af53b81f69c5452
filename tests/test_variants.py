"""Several targets in one bundle: which one runs, what they share, and what each gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ncc
from ncc.backends.cpu.target import TARGETS
from ncc.backends.registry import resolve_all
from ncc.bundle import Bundle
from ncc.diagnostics import NccError
from ncc.neff.format import Variant
from ncc.runtime import cpu
from ncc.runtime.cpu import Host, this_host

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
X86 = [name for name in reversed(TARGETS) if name.startswith("x86-64")]
"""Best first."""
EVERYTHING = Host("x86_64", frozenset().union(*(TARGETS[name].flags for name in X86)))
FALLBACK = {
    **dict.fromkeys(TARGETS["x86-64-v3"].flags),
    "avx512bw": "x86-64-v3",
    "avx512cd": "x86-64-v3",
    "avx512dq": "x86-64-v3",
    "avx512f": "x86-64-v3",
    "avx512vl": "x86-64-v3",
    "avx512_bf16": "x86-64-v4",
    "avx512_vnni": "x86-64-v4",
    "amx_tile": "x86-64-v4+bf16",
    "amx_bf16": "x86-64-v4+bf16",
    "amx_int8": "x86-64-v4+bf16",
}
"""What runs on a machine with every feature but one; None where nothing does."""


def compiled(targets: str) -> Bundle:
    return ncc.compile(EXAMPLES / "digits.onnx", target=targets, dims={"batch": 8})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits model for every x86 target."""
    path = tmp_path_factory.mktemp("variants") / "digits.neff"
    compiled(",".join(X86)).save(path)
    return path


def chosen(path: Path, host: Host) -> Variant:
    with ncc.load(path, host=host) as model:
        return model.variant


def test_variants_are_best_first_whatever_the_order_they_are_asked_for() -> None:
    assert [target.name for target in resolve_all("x86-64-v3, x86-64-v4+bf16,x86-64-v3")] == [
        "x86-64-v4+bf16",
        "x86-64-v3",
    ]


def test_the_best_variant_that_the_machine_can_run_is_taken(path: Path) -> None:
    assert chosen(path, EVERYTHING).target == X86[0]


@pytest.mark.parametrize(("feature", "target"), FALLBACK.items())
def test_without_a_feature_another_variant_runs_or_the_bundle_is_refused(
    feature: str, target: str | None, path: Path
) -> None:
    host = EVERYTHING.without(feature)
    if target is not None:
        assert chosen(path, host).target == target
        return
    with pytest.raises(NccError, match=f"x86-64-v3 needs {feature}"):
        ncc.load(path, host=host)


def test_every_feature_is_taken_away_once() -> None:
    assert FALLBACK.keys() == EVERYTHING.features


def test_matrix_registers_that_the_system_refuses_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "cpu_flags", lambda path: EVERYTHING.features)
    monkeypatch.setattr(cpu, "_may_use_matrix_registers", lambda: False)
    left = EVERYTHING.without("amx_tile", "amx_bf16", "amx_int8")
    assert this_host.__wrapped__().features == left.features


@pytest.mark.parametrize("name", X86)
def test_every_variant_computes_the_same(name: str, path: Path) -> None:
    host = Host("x86_64", frozenset(TARGETS[name].flags))
    if not host.features <= this_host().features:
        pytest.skip(f"this machine is not {name}")
    with np.load(EXAMPLES / "digits_test.npz") as stored:
        images = next(iter(stored.values()))[:8]
    with ncc.load(path) as best, ncc.load(path, host=host) as model:
        assert model.variant.target == name
        want, got = best(images), model(images)
    assert isinstance(want, np.ndarray)
    assert isinstance(got, np.ndarray)
    np.testing.assert_allclose(got, want, atol=0.02 * np.ptp(want))


def test_weights_in_the_same_form_are_stored_once() -> None:
    alone, both = compiled("x86-64-v4+bf16"), compiled("x86-64-v4,x86-64-v4+bf16")
    wide = compiled("x86-64-v4")
    together = alone.report["weights_bytes"] + wide.report["weights_bytes"]
    assert both.report["weights_bytes"] < together
    twice = compiled("x86-64-v4,x86-64-v4")
    assert twice.report["weights_bytes"] == wide.report["weights_bytes"]


def test_each_variant_is_rounded_as_its_target_multiplies() -> None:
    options = compiled("x86-64-v3,x86-64-v4+bf16").manifest.options
    assert options["auto_cast"] == "matmult"
    assert options["auto_cast_by_target"] == {"x86-64-v4+bf16": "matmult", "x86-64-v3": "none"}


def test_one_unknown_target_refuses_all() -> None:
    with pytest.raises(NccError, match="there is no target 'x86-64-v9'"):
        compiled("x86-64-v3,x86-64-v9")

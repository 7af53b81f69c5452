"""Levels and tuning files through the whole pipeline, with times that are made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import ncc
from ncc.backends.registry import resolve_all
from ncc.bundle import Bundle
from ncc.diagnostics import ExitCode, NccError
from ncc.tuning import choices
from ncc.tuning.book import read
from tests.fake_timer import FakeTimer, last_is_fastest

DIGITS = Path(__file__).resolve().parent.parent / "examples" / "digits.onnx"
ONE = {"batch": 1}


@pytest.fixture
def timer(monkeypatch: pytest.MonkeyPatch) -> FakeTimer:
    """What measures instead of the machine; of everything tried, the last is fastest."""
    fake = FakeTimer(last_is_fastest)
    monkeypatch.setattr(choices, "IsolatedTimer", lambda: fake)
    return fake


@pytest.fixture
def tuned(timer: FakeTimer, tmp_path: Path) -> Path:
    """A tuning file for the digits."""
    path = tmp_path / "digits.json"
    digits(level=3, tuning=path)
    return path


def digits(**options: object) -> Bundle:
    return ncc.compile(DIGITS, dims=ONE, **options)  # type: ignore[arg-type]  # as given


def saved(bundle: Bundle, path: Path) -> bytes:
    bundle.save(path)
    return path.read_bytes()


def code(bundle: Bundle) -> bytes:
    (source,) = (source for source in bundle.sources if source.kind == "code")
    return b"".join(map(bytes, source.chunks()))


def scores(bundle: Bundle, path: Path) -> npt.NDArray[np.float32]:
    bundle.save(path)
    image = np.random.default_rng(0).standard_normal((1, 1, 28, 28), np.float32)
    with ncc.load(path) as model:
        (spec,) = model.inputs
        (found,) = model.run({"image": np.resize(image, spec.shape)}).values()
    return found


def test_replaying_a_file_gives_the_same_bytes(tuned: Path, tmp_path: Path) -> None:
    before = tuned.read_bytes()
    first, again = (digits(tuning=tuned, strict=True) for _ in range(2))
    assert saved(first, tmp_path / "a.neff") == saved(again, tmp_path / "b.neff")
    assert tuned.read_bytes() == before
    assert code(first) != code(digits())


def test_a_file_decides_at_every_level(tuned: Path) -> None:
    codes = {code(digits(tuning=tuned, level=level)) for level in (1, 2, 3)}
    assert len(codes) == 1


def test_levels_compute_the_same(tuned: Path, tmp_path: Path) -> None:
    for mode, tolerance in (("none", 1e-5), ("matmult", 2.0**-7)):
        wanted = scores(digits(auto_cast=mode), tmp_path / "2.neff")
        for level in (1, 3):
            found = scores(digits(auto_cast=mode, level=level), tmp_path / f"{level}.neff")
            most = tolerance * float(np.ptp(wanted))
            np.testing.assert_allclose(found, wanted, rtol=0, atol=most)


def test_measuring_extends_a_file_by_what_it_lacks(tuned: Path, timer: FakeTimer) -> None:
    before = read(tuned)
    trials = len(timer.trials)
    digits(level=3, tuning=tuned)
    assert len(timer.trials) == trials
    digits(level=3, tuning=tuned, auto_cast="none", target="x86-64-v4,x86-64-v3")
    after = read(tuned)
    assert after.keys() == {*before, "x86-64-v3", "x86-64-v4"}
    assert all(after[target][key] == e for target in before for key, e in before[target].items())


def test_measuring_needs_no_file(timer: FakeTimer) -> None:
    bundle = digits(level=3)
    (entries,) = bundle.tuned.values()
    assert timer.trials
    assert bundle.report["tuned_kernels"] == len(entries) > 0
    assert bundle.report["untuned_kernels"] == []


def test_without_time_nothing_is_measured(timer: FakeTimer, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    with pytest.warns(UserWarning, match="has no entry for"):
        bundle = digits(level=3, tuning=path, tuning_budget=0)
    assert timer.trials == []
    assert code(bundle) == code(digits())
    assert sum(map(len, read(path).values())) == bundle.report["tuned_kernels"]


def test_a_kernel_that_the_file_lacks_is_warned_of_or_refused(tuned: Path) -> None:
    with pytest.warns(UserWarning, match="the tuning file has no entry for 4 kernels"):
        bundle = digits(tuning=tuned, auto_cast="none")
    assert code(bundle) == code(digits(auto_cast="none"))
    with pytest.raises(NccError, match=r"has no entry for .* and 1 more") as caught:
        digits(tuning=tuned, auto_cast="none", strict=True)
    assert (caught.value.code, caught.value.exit) == ("tuning-miss", ExitCode.USAGE)


def test_what_was_chosen_is_recorded(tuned: Path) -> None:
    plain, replayed = digits().manifest.options, digits(tuning=tuned).manifest.options
    assert (plain["level"], plain["tuning"]) == (2, "")
    assert (replayed["level"], len(str(replayed["tuning"]))) == (2, 64)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"level": 4}, "there is no level 4"),
        ({"strict": True}, "--strict needs a tuning file"),
        ({"tuning": "no/such/file.json"}, "no such file"),
        ({"tuning": "no/such/file.json", "level": 3}, "cannot write no/such/file.json"),
        ({"tuning_budget": -1.0}, "the tuning budget is -1.0 seconds"),
    ],
)
def test_wrong_options_are_errors_of_usage(options: dict[str, object], says: str) -> None:
    with pytest.raises(NccError, match=says) as caught:
        digits(**options)
    assert caught.value.exit is ExitCode.USAGE


def test_kernels_of_another_machine_are_not_measured() -> None:
    (host,) = resolve_all("native")
    other = "x86-64-v3" if host.name.startswith("aarch64") else "aarch64"
    with pytest.raises(NccError, match="kernels cannot be measured here") as caught:
        digits(target=other, level=3)
    assert (caught.value.code, caught.value.exit) == ("tuning-host", ExitCode.INCOMPATIBLE)

"""What reaches other processes: errors do, models do not, with a reason."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

import ncc
from ncc.diagnostics import ExitCode
from tests.tiny_bundles import save


@pytest.fixture
def model(tmp_path: Path) -> Iterator[ncc.Model]:
    with ncc.load(save(tmp_path / "tiny.neff")) as model:
        yield model


def test_an_error_reaches_another_process_as_it_is(model: ncc.Model) -> None:
    with pytest.raises(ncc.NccError) as caught:
        model()
    sent = pickle.loads(pickle.dumps(caught.value))
    assert str(sent) == str(caught.value)
    assert (sent.code, sent.exit) == ("signature", ExitCode.USAGE)


def test_a_model_stays_in_its_process(model: ncc.Model) -> None:
    with pytest.raises(TypeError, match="load its bundle where it is wanted"):
        pickle.dumps(model)

"""What reaches other processes: errors do, models do not but by a fork, with no lock held."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

import numpy as np
import pytest

import ncc
from ncc.diagnostics import ExitCode
from tests.tiny_bundles import SIZE, expected, save

X = np.arange(SIZE, dtype=np.float32)


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


def test_a_fork_during_the_first_call_leaves_the_child_a_model_that_runs(model: ncc.Model) -> None:
    executable, _ = model.prepare([X])
    with executable._checking.setdefault(os.getpid(), Lock()):
        child = os.fork()
        if child == 0:
            signal.alarm(10)  # ends a child that waits for ever
            os._exit(0 if np.array_equal(model(X), expected(X)) else 1)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(model(X), expected(X))

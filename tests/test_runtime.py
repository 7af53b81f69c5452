"""Loaded models: their signature, what they accept, what they map and release, where they run."""

from __future__ import annotations

import gc
import math
import os
import pickle
import re
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import ml_dtypes
import numpy as np
import pytest

import ncc
from ncc.diagnostics import ExitCode
from ncc.neff.format import Manifest, Program, TensorSpec, ValueSpec
from ncc.neff.writer import Source, write
from ncc.runtime.cpu import Host, this_host
from ncc.runtime.tensors import Array, dense
from tests.tiny_bundles import (
    FEATURES,
    MACHINE,
    SIZE,
    VECTOR,
    WEIGHTS,
    call,
    expected,
    manifest,
    save,
    source,
    sources,
    with_programs,
)

X = np.linspace(-3, 3, SIZE, dtype=np.float32)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("runtime") / "tiny.neff")


@pytest.fixture
def model(bundle: Path) -> Iterator[ncc.Model]:
    with ncc.load(bundle) as loaded:
        yield loaded


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., ncc.Model]:
    """A function that writes a manifest with the usual sections and loads it."""

    def load(manifest: Manifest, *more: Source, host: Host | None = None) -> ncc.Model:
        write(tmp_path / "made.neff", manifest, [*sources(), *more])
        return ncc.load(tmp_path / "made.neff", host=host)

    return load


Loaded = Callable[..., ncc.Model]


def test_a_model_is_called_like_a_function(model: ncc.Model) -> None:
    for y in (model(X), model(x=X), model.run({"x": X})["y"]):
        assert isinstance(y, np.ndarray)
        np.testing.assert_array_equal(y, expected(X))


def test_a_model_shows_its_signature(model: ncc.Model) -> None:
    assert model.inputs == (TensorSpec("x", "f32", (SIZE,)),)
    assert [str(spec) for spec in model.outputs] == ["y: f32[1000]"]
    assert repr(model) == "<ncc model of tiny.onnx: (x: f32[1000]) -> (y: f32[1000])>"


def unaligned(x: Array) -> Array:
    moved = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype)
    moved[:] = x
    assert not moved.flags.aligned
    return moved


def frozen(x: Array) -> Array:
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "strided": lambda x: np.repeat(x, 3)[::3],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "byte-swapped": lambda x: x.astype(x.dtype.newbyteorder("S")),
    "byte-swapped and reversed": lambda x: x[::-1].astype(x.dtype.newbyteorder("S"))[::-1],
    "read-only": frozen,
    "unaligned": unaligned,
    "subclass": lambda x: x.view(np.recarray),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_any_layout_of_an_input_works(layout: Callable[[Array], Array], model: ncc.Model) -> None:
    x = layout(X)
    np.testing.assert_array_equal(model(x), expected(np.array(x, np.float32)))


def test_an_array_from_another_process_is_read_in_place(model: ncc.Model) -> None:
    x = pickle.loads(pickle.dumps(X))
    assert x.dtype is not X.dtype
    (plan,) = model.prepare([X])[0].plans
    assert plan.takes([x])
    assert not plan.takes([x.astype(x.dtype.newbyteorder("S"))])


def test_what_generated_code_reads_is_aligned() -> None:
    x = unaligned(X)
    assert dense(x).flags.aligned
    np.testing.assert_array_equal(dense(x), X)
    assert dense(X) is X


WRONG: dict[str, tuple[Callable[[ncc.Model], object], str]] = {
    "rank": (lambda m: m(X.reshape(10, 100)), "input 'x' has shape [10, 100], needs [1000]"),
    "size": (lambda m: m(X[1:]), "input 'x' has shape [999], needs [1000]"),
    "dtype": (lambda m: m(X.astype(np.float64)), "input 'x' is float64, needs f32 (float32)"),
    "objects": (lambda m: m(np.array([None] * SIZE)), "input 'x' is object, needs f32"),
    "masked": (lambda m: m(np.ma.masked_greater(X, X[0])), "input 'x' has masked elements"),
    "rows of several lengths": (lambda m: m([[1.0], [2.0, 3.0]]), "input 'x' is no array: "),
    "name": (lambda m: m(z=X), "the model has no input 'z'"),
    "missing": (lambda m: m(), "no input 'x'"),
    "too many": (lambda m: m(X, X), "2 inputs given, the model has 1"),
    "twice": (lambda m: m(X, x=X), "input 'x' is given twice"),
    "name in run": (lambda m: m.run({"X": X}), "the model has no input 'X'"),
}


@pytest.mark.parametrize(("act", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_input_shows_the_signature(
    act: Callable[[ncc.Model], object], message: str, model: ncc.Model
) -> None:
    with pytest.raises(ncc.NccError) as error:
        act(model)
    assert message in error.value.message
    assert "hint: the model is (x: f32[1000]) -> (y: f32[1000])" in str(error.value)
    assert error.value.exit is ExitCode.USAGE


@pytest.mark.parametrize("cores", [0, -1, 100_000, 1.5, math.inf, "two", []])
def test_a_wrong_number_of_cores_is_refused(cores: Any, model: ncc.Model) -> None:
    with pytest.raises(ncc.NccError, match=re.escape(f"cores is '{cores}', needs 1 to 1024")):
        model(X, cores=cores)


def nothing(dtype: str, shape: tuple[int, ...]) -> Manifest:
    """A model whose code does nothing, from x to y."""
    value = ValueSpec(dtype, shape)
    made = Program({}, (value, value), (0,), (1,), (call("nothing", (0,), (1,)),), 0)
    return with_programs(
        (made,), (TensorSpec("x", dtype, shape),), (TensorSpec("y", dtype, shape),)
    )


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)], ids=str)
def test_scalars_and_empty_tensors_pass(shape: tuple[int, ...], loaded: Loaded) -> None:
    y = loaded(nothing("f32", shape))(np.zeros(shape, np.float32))
    assert isinstance(y, np.ndarray)
    assert y.shape == shape
    assert y.dtype == np.float32


def test_types_that_numpy_lacks_are_those_of_ml_dtypes_or_bits(loaded: Loaded) -> None:
    model = loaded(nothing("bf16", (4,)))
    for x in (np.zeros(4, ml_dtypes.bfloat16), np.zeros(4, np.uint16), np.zeros(4, ">u2")):
        y = model(x)
        assert isinstance(y, np.ndarray)
        assert y.dtype == ml_dtypes.bfloat16
    with pytest.raises(ncc.NccError, match="input 'x' is int16, needs bf16"):
        model(np.zeros(4, np.int16))


def test_outputs_share_no_memory(loaded: Loaded) -> None:
    """Outputs 0 to 3: the input, what the code made, that again, a weight."""
    values = (VECTOR, VECTOR, VECTOR._replace(offset=0))
    made = Program({}, values, (0,), (0, 1, 1, 2), (call("product", (0,), (1,)),), 4 * SIZE)
    specs = [TensorSpec(name, "f32", (SIZE,)) for name in "xabcd"]
    outputs = loaded(with_programs((made,), (specs[0],), tuple(specs[1:])))(X)
    for output, wanted in zip(outputs, (X, expected(X), expected(X), WEIGHTS), strict=True):
        np.testing.assert_array_equal(output, wanted)
        assert output.flags.writeable
    arrays = [X, *outputs]
    pairs = [(a, b) for i, a in enumerate(arrays) for b in arrays[:i]]
    assert not any(np.shares_memory(a, b) for a, b in pairs)


def test_the_program_is_chosen_by_shape(loaded: Loaded) -> None:
    def bound(batch: int) -> Program:
        value = ValueSpec("f32", (batch, 3))
        segment = call("nothing", (0,), (1,))
        return Program({"batch": batch}, (value, value), (0,), (1,), (segment,), 0)

    names = tuple(TensorSpec(name, "f32", ("batch", 3)) for name in "xy")
    model = loaded(with_programs((bound(1), bound(8)), names[:1], names[1:]))
    for batch in (8, 1):
        y = model(np.zeros((batch, 3), np.float32))
        assert isinstance(y, np.ndarray)
        assert y.shape == (batch, 3)
    with pytest.raises(ncc.NccError, match=r"x\[2, 3\].*for batch=1 or batch=8") as error:
        model(np.zeros((2, 3), np.float32))
    assert "(x: f32[batch, 3]) -> (y: f32[batch, 3])" in str(error.value)
    with pytest.raises(ncc.NccError, match=r"has shape \[8, 4\], needs \[batch, 3\]"):
        model(np.zeros((8, 4), np.float32))


def two_variants() -> Manifest:
    """One that needs more than any CPU has, then one that needs what this one has."""
    plain = manifest().variants[0]
    fancy = plain._replace(target=f"{plain.target}-v9", features=(*FEATURES, "warp", "tea"))
    return manifest()._replace(variants=(fancy, plain))


def test_the_first_variant_that_fits_is_taken(loaded: Loaded) -> None:
    here = this_host()
    assert loaded(two_variants()).variant.target == manifest().variants[0].target
    host = Host(here.machine, here.features | {"warp", "tea"})
    assert loaded(two_variants(), host=host).variant.target.endswith("-v9")


def test_a_cpu_that_lacks_a_feature_is_told_which(loaded: Loaded) -> None:
    with pytest.raises(ncc.NccError) as error:
        loaded(two_variants(), host=this_host().without(*FEATURES))
    assert error.value.exit is ExitCode.INCOMPATIBLE
    for variant, lacks in zip(
        two_variants().variants, [[*FEATURES, "warp", "tea"], FEATURES], strict=True
    ):
        assert f"{variant.target} needs {', '.join(lacks)}" in error.value.message


def test_another_machine_is_told_so(loaded: Loaded) -> None:
    other = {"x86_64": "aarch64"}.get(MACHINE, "x86_64")
    with pytest.raises(ncc.NccError, match=f"is not for {other}") as error:
        loaded(manifest(), host=Host(other, this_host().features))
    assert error.value.exit is ExitCode.INCOMPATIBLE


def mapped(path: Path) -> list[str]:
    """The permissions of each mapping of `path` in this process."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return sorted(line.split()[1] for line in lines if line.endswith(str(path)))


def test_nothing_is_mapped_writable(tmp_path: Path) -> None:
    path = save(tmp_path / "tiny.neff")
    model = ncc.load(path)
    assert mapped(path) == ["r--s", "r-xs"]
    model(X, cores=1)
    assert mapped(path) == ["r--s", "r-xs"]
    model.close()
    assert mapped(path) == []


def all_maps() -> list[str]:
    return Path("/proc/self/maps").read_text().splitlines()


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_thousand_loads_leave_nothing(tmp_path: Path) -> None:
    path = save(tmp_path / "tiny.neff")

    def load_and_drop() -> None:
        ncc.load(path)(X, cores=1)

    def growing() -> tuple[int, int, int]:
        gc.collect()
        return len(all_maps()), len(os.listdir("/proc/self/fd")), resident()

    for _ in range(200):
        load_and_drop()
    maps, files, memory = growing()
    for _ in range(1000):
        load_and_drop()
    more_maps, same_files, more_memory = growing()
    assert mapped(path) == []
    assert more_maps - maps < 10, "a thousand models map two sections each"
    assert same_files == files
    assert more_memory - memory < 4 << 20, "a thousand arenas take 8 MB"


def test_a_closed_model_says_so(bundle: Path) -> None:
    with ncc.load(bundle) as model:
        pass
    model.close()
    with pytest.raises(ncc.NccError, match="the model was closed"):
        model(X)


def test_a_model_outlives_the_name_of_its_file(tmp_path: Path) -> None:
    path = save(tmp_path / "tiny.neff")
    with ncc.load(path) as model:
        save(path, "gate")
        np.testing.assert_array_equal(model(X), expected(X))
        path.unlink()
        np.testing.assert_array_equal(model(X), expected(X))


def test_a_model_closed_during_a_call_lives_until_its_end(tmp_path: Path) -> None:
    path = save(tmp_path / "gate.neff", "gate")
    model = ncc.load(path)
    x = np.zeros(SIZE, np.float32)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(model(x, cores=1)))
    thread.start()
    while not model._executable or (thread.is_alive() and "r-xs" not in mapped(path)):
        pass
    model.close()
    x[0] = 1
    thread.join()
    assert results[0].tolist() == [1] * SIZE
    assert mapped(path) == []


def damage_weights(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(WEIGHTS.tobytes(), WEIGHTS[::-1].tobytes()))


@pytest.mark.parametrize("verify", ["full", "lazy"])
def test_damaged_weights_never_give_a_result(
    tmp_path: Path, verify: Literal["full", "lazy"]
) -> None:
    path = save(tmp_path / "tiny.neff")
    damage_weights(path)
    refused = pytest.raises(ncc.NccError, match="section 'weights' is damaged")
    if verify == "full":
        with refused as error:
            ncc.load(path, verify=verify)
    else:
        model = ncc.load(path, verify=verify)
        with refused as error:
            model(X)
    assert error.value.exit is ExitCode.INTEGRITY
    assert str(path) in str(error.value)


def test_lazy_verification_gives_the_same_model(bundle: Path) -> None:
    model = ncc.load(bundle, verify="lazy")
    np.testing.assert_array_equal(model(X), expected(X))
    with pytest.raises(ncc.NccError, match="verify is 'never', needs full or lazy"):
        ncc.load(bundle, verify="never")  # type: ignore[arg-type]  # the point of the test


@contextmanager
def memory_limit(spare: int) -> Iterator[None]:
    """At most `spare` bytes of address space more than now."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + spare, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_an_arena_that_does_not_fit_is_a_resource_error(loaded: Loaded) -> None:
    huge = nothing("f32", (4,)).variants[0].programs[0]._replace(arena_bytes=1 << 36)
    specs = nothing("f32", (4,))
    model = loaded(with_programs((huge,), specs.inputs, specs.outputs))
    with (
        memory_limit(1 << 30),
        pytest.raises(ncc.NccError, match="no memory to run the model") as error,
    ):
        model(np.zeros(4, np.float32))
    assert error.value.exit is ExitCode.RESOURCE


def test_a_model_may_have_no_weights(tmp_path: Path) -> None:
    code, _, debug = sources()
    write(
        tmp_path / "a.neff", nothing("f32", (4,)), [code, source("weights", "weights", b""), debug]
    )
    y = ncc.load(tmp_path / "a.neff")(np.zeros(4, np.float32))
    assert isinstance(y, np.ndarray)
    assert y.shape == (4,)

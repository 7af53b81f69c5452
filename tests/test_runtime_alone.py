"""A machine that only runs bundles: Python, numpy and msgpack, and nothing of the compiler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgpack
import numpy as np
import pytest

import ncc
from ncc.neff.format import Program, TensorSpec, ValueSpec
from ncc.neff.writer import write
from tests.tiny_bundles import call, save, sources, with_programs

COMPILER = ("llvmlite", "onnx", "lark", "ml_dtypes", "click", "rich", "ncc.ir", "ncc.compiler")
"""What must not be loaded, though the folder `ncc` may hold some of it."""

START = "import sys; sys.path.insert(0, sys.argv[1]); import numpy as np; import ncc\n"

RUN = """
model = ncc.load(sys.argv[2])
x = np.arange(1000, dtype=np.float32)
w = (x - 300) / np.float32(7)
assert np.array_equal(model(x, cores=2), (x * w)[::-1])
loaded = sorted(name for name in sys.argv[3:] if name in sys.modules)
assert not loaded, loaded
"""

WRITABLE_CODE = """
model = ncc.load(sys.argv[2])
model(np.zeros(1000, np.float32), cores=2)
modes = [line.split()[1] for line in open("/proc/self/maps")]
assert any("x" in mode for mode in modes)
assert not [mode for mode in modes if "w" in mode and "x" in mode]
"""

BITS = """
model = ncc.load(sys.argv[2])
y = model(np.full(4, 0x3F80, np.uint16))
assert y.dtype == np.uint16 and y.shape == (4,)
try:
    model(np.zeros(4, np.float32))
except ncc.NccError as error:
    assert error.message == "input 'x' is float32, needs bf16 (uint16)", error
else:
    raise SystemExit("float32 was taken for bf16")
"""

NO_COMPILER = """
try:
    ncc.compile
except ImportError:
    pass
else:
    raise SystemExit("there is a compiler")
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with numpy, msgpack and ncc in it, and no other package."""
    folder = tmp_path_factory.mktemp("packages")
    for module in (np, msgpack, ncc):
        home = Path(str(module.__file__)).parent
        (folder / home.name).symlink_to(home)
        libraries = home.with_name(f"{home.name}.libs")
        if libraries.is_dir():
            (folder / libraries.name).symlink_to(libraries)
    return folder


def run_alone(text: str, packages: Path, *arguments: object) -> None:
    """Run a script in a Python that finds the standard library and `packages` alone."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", START + text, packages, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_bundle_runs_without_the_compiler(packages: Path, tmp_path: Path) -> None:
    run_alone(RUN, packages, save(tmp_path / "tiny.neff"), *COMPILER)


def test_no_memory_is_writable_and_executable(packages: Path, tmp_path: Path) -> None:
    run_alone(WRITABLE_CODE, packages, save(tmp_path / "tiny.neff"))


def test_bf16_is_bits_without_ml_dtypes(packages: Path, tmp_path: Path) -> None:
    value = ValueSpec("bf16", (4,))
    made = Program({}, (value, value), (0,), (1,), (call("nothing", (0,), (1,)),), 0)
    x = TensorSpec("x", "bf16", (4,))
    write(tmp_path / "bf16.neff", with_programs((made,), (x,), (x._replace(name="y"),)), sources())
    run_alone(BITS, packages, tmp_path / "bf16.neff")


def test_the_compiler_is_imported_when_it_is_asked_for(packages: Path) -> None:
    run_alone(NO_COMPILER, packages)

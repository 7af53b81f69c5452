"""The shape of the source tree: which way imports point, and how long a file may be.

Each rule is a function from a source root to the places that break it, so that it runs on the
real tree and, to show that it can fail, on a small wrong one.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 400

LEVELS = (
    ("ncc.diagnostics",),
    ("ncc.options",),
    ("ncc.ir",),
    ("ncc.passes", "ncc.frontends"),
    ("ncc.backends",),
    ("ncc.neff",),
    ("ncc.runtime",),
    ("ncc.tuning",),
    ("ncc.bundle",),
    ("ncc.compiler",),
    ("ncc.cli",),
    ("ncc",),
)
"""Lowest first. A package imports itself and lower levels; packages of one level are strangers."""

CPU = "ncc.backends.cpu"
CPU_LEVELS = (
    (f"{CPU}.target",),
    (f"{CPU}.tiles",),
    (f"{CPU}.matrix",),
    (f"{CPU}.loopir", f"{CPU}.objects", f"{CPU}.storage"),
    (f"{CPU}.vecmath",),
    (f"{CPU}.emit", f"{CPU}.kernels"),
    (f"{CPU}.numbers", f"{CPU}.partial", f"{CPU}.rules"),
    (f"{CPU}.legalize", f"{CPU}.plan"),
    (f"{CPU}.values",),
    (f"{CPU}.lower", f"{CPU}.driver"),
    (f"{CPU}.codegen",),
    (f"{CPU}.tuning",),
    (f"{CPU}.backend",),
)
"""The same within the cpu backend: from loops to nodes on one side, to a file on the other."""

PIPELINE = ("ncc.bundle", "ncc.compiler", "ncc.cli")
"""What knows no backend by name."""

FLEET = ("ncc.diagnostics", "ncc.options", "ncc.neff", "ncc.runtime")
"""What a machine that only runs bundles loads."""

FLEET_THIRD_PARTY = {"ncc.neff": {"msgpack", "numpy"}, "ncc.runtime": {"msgpack", "numpy"}}

LAZY = {
    ("ncc.cli", "ncc.cli.process"): "interrupts must be held back before anything is imported",
    ("ncc.cli.verify", "ncc.ir"): "only a bundle with a host segment has a graph to read",
    ("ncc.runtime.host", "ncc.ir"): "only a bundle with a host segment needs the interpreter",
    ("ncc.runtime.tensors", "ml_dtypes"): "without it, types that numpy lacks are arrays of bits",
}
"""The imports that stand inside a function, with the reason: (module, imported package)."""


@dataclass(frozen=True)
class Import:
    """One import statement: the module that holds it, what it names, and whether it is nested."""

    module: str
    line: int
    target: str
    in_function: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def sources(root: Path) -> Iterator[tuple[str, Path]]:
    """Every module under `root`/ncc with its dotted name."""
    for path in sorted((root / "ncc").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(root: Path) -> Iterator[Import]:
    for module, path in sources(root):
        tree = parsed(path)
        nested = {
            id(inner)
            for outer in ast.walk(tree)
            if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
            for inner in ast.walk(outer)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for target in targets(node):
                    yield Import(module, node.lineno, target, id(node) in nested)


def targets(node: ast.Import | ast.ImportFrom) -> list[str]:
    """What an import statement names; a relative one keeps its dots."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    prefix = "." * node.level + (f"{node.module}." if node.module else "")
    return [prefix + alias.name for alias in node.names]


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


Levels = Sequence[Sequence[str]]


def package_of(module: str, levels: Levels = LEVELS) -> tuple[int, str] | None:
    """The level of a module and the package that gives it; None outside all of them."""
    for level, packages in enumerate(levels):
        for package in packages:
            if package != "ncc" and within(module, package):
                return level, package
    return (len(levels) - 1, "ncc") if module in {"ncc", "ncc.__main__"} else None


def modules_without_level(root: Path) -> list[str]:
    def known(module: str) -> bool:
        in_cpu = module != CPU and within(module, CPU)
        return package_of(module, CPU_LEVELS if in_cpu else LEVELS) is not None

    return [module for module, _ in sources(root) if not known(module)]


def upward_imports(root: Path) -> list[str]:
    """Imports of a higher level, of a stranger on the same level, or relative ones."""

    def upward(item: Import, levels: Levels) -> bool:
        source, target = package_of(item.module, levels), package_of(item.target, levels)
        if source is None or target is None:
            return item.target.startswith(".")
        return target[0] >= source[0] and target[1] != source[1]

    return [
        str(item)
        for item in imports(root)
        if any(upward(item, levels) for levels in (LEVELS, CPU_LEVELS))
    ]


def backends_that_meet(root: Path) -> list[str]:
    """Imports of one backend by another; what they share lies in ncc/backends itself."""
    folder = root / "ncc" / "backends"
    names = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()

    def backend(module: str) -> str | None:
        parts = module.split(".")
        named = parts[:2] == ["ncc", "backends"] and len(parts) > 2 and parts[2] in names
        return parts[2] if named else None

    return [
        str(item)
        for item in imports(root)
        if backend(item.module) and backend(item.target) not in {None, backend(item.module)}
    ]


def pipelines_with_a_backend(root: Path) -> list[str]:
    """Imports of one backend by the pipeline, which takes the one that the registry gives it."""
    folder = root / "ncc" / "backends"
    names = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
    return [
        str(item)
        for item in imports(root)
        if any(within(item.module, package) for package in PIPELINE)
        and any(within(item.target, f"ncc.backends.{name}") for name in names)
    ]


def heavy_fleet_imports(root: Path) -> list[str]:
    """What the runtime, the bundle reader and their base load beyond numpy and msgpack."""
    wrong = []
    for item in imports(root):
        home = next((package for package in FLEET if within(item.module, package)), None)
        if home is None or item.in_function:
            continue
        top = item.target.split(".")[0]
        if top == "ncc":
            allowed = any(within(item.target, package) for package in FLEET)
        else:
            allowed = top in sys.stdlib_module_names | FLEET_THIRD_PARTY.get(home, set())
        if not allowed:
            wrong.append(str(item))
    return wrong


def unexplained_lazy_imports(root: Path) -> list[str]:
    return [
        str(item)
        for item in imports(root)
        if item.in_function
        and not any(item.module == m and within(item.target, target) for m, target in LAZY)
    ]


def long_files(root: Path) -> list[str]:
    files = [
        path
        for folder in ("ncc", "tests", "bench", "examples")
        for pattern in ("*.py", "*.lark")
        for path in sorted((root / folder).rglob(pattern))
    ]
    counted = [(path, len(path.read_text(encoding="utf-8").splitlines())) for path in files]
    return [f"{path.relative_to(root)}: {n} lines" for path, n in counted if n > MAX_LINES]


def prints(root: Path) -> list[str]:
    """Calls of `print` below the command line."""
    return [
        f"{module}:{node.lineno}"
        for module, path in sources(root)
        if not within(module, "ncc.cli")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]


RULES = (
    modules_without_level,
    upward_imports,
    backends_that_meet,
    pipelines_with_a_backend,
    heavy_fleet_imports,
    unexplained_lazy_imports,
    long_files,
    prints,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Callable[[Path], list[str]]) -> None:
    assert rule(ROOT) == []


def test_every_lazy_import_is_still_there() -> None:
    found = [item for item in imports(ROOT) if item.in_function]
    stale = [
        (module, target)
        for module, target in LAZY
        if not any(item.module == module and within(item.target, target) for item in found)
    ]
    assert stale == []


WRONG_TREE = {
    "ncc/diagnostics.py": "import numpy\n",
    "ncc/ir/graph.py": "from ncc.passes import fold\n",
    "ncc/ir/op.py": "from .graph import Graph\n",
    "ncc/passes/fold.py": "import ncc.frontends.onnx\nprint('folded')\n",
    "ncc/backends/cpu/emit.py": "from ncc.backends.neuron import isa\nfrom ncc.ir import graph\n",
    "ncc/backends/cpu/loopir/loops.py": "from ncc.backends.cpu.kernels import nest\n",
    "ncc/backends/cpu/helpers.py": "",
    "ncc/backends/neuron/isa.py": "from ncc.backends import target\n",
    "ncc/neff/reader.py": "import msgpack\nfrom ncc import ir\n",
    "ncc/runtime/cores.py": "def start():\n    import threading\n",
    "ncc/runtime/host.py": "def load():\n    from ncc.ir.text import parser\n",
    "ncc/compiler.py": "from ncc.backends.neuron import isa\nfrom ncc.backends import registry\n",
    "ncc/helpers.py": "",
    "ncc/cli.py": "print('fine here')\n",
    "tests/test_long.py": "x = 1\n" * (MAX_LINES + 1),
    "tests/test_full.py": "x = 1\n" * MAX_LINES,
}

FINDINGS: dict[Callable[[Path], list[str]], list[str]] = {
    modules_without_level: ["ncc.backends.cpu.helpers", "ncc.helpers"],
    upward_imports: [
        "ncc.backends.cpu.loopir.loops:1 imports ncc.backends.cpu.kernels.nest",
        "ncc.ir.graph:1 imports ncc.passes.fold",
        "ncc.ir.op:1 imports .graph.Graph",
        "ncc.passes.fold:1 imports ncc.frontends.onnx",
    ],
    backends_that_meet: ["ncc.backends.cpu.emit:1 imports ncc.backends.neuron.isa"],
    pipelines_with_a_backend: ["ncc.compiler:1 imports ncc.backends.neuron.isa"],
    heavy_fleet_imports: [
        "ncc.diagnostics:1 imports numpy",
        "ncc.neff.reader:2 imports ncc.ir",
    ],
    unexplained_lazy_imports: ["ncc.runtime.cores:2 imports threading"],
    long_files: [f"tests/test_long.py: {MAX_LINES + 1} lines"],
    prints: ["ncc.passes.fold:2"],
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_finds_what_breaks_it(rule: Callable[[Path], list[str]], tmp_path: Path) -> None:
    for name, text in WRONG_TREE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert rule(tmp_path) == FINDINGS[rule]

"""Passes: functions from a graph to a graph, by name.

A pass lives in the file of its name. Its options are keyword arguments; one that has a `trace`
tells it what was done and what was left, with the reason.
"""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ncc.diagnostics import ExitCode, NccError, meant
from ncc.ir.graph import Graph
from ncc.ir.rewrite import Trace
from ncc.ir.schema import Kind, kind_of
from ncc.ir.text.parser import parse_calls
from ncc.ir.text.printer import to_text

GraphPass = Callable[..., Graph]
GraphPassT = TypeVar("GraphPassT", bound=GraphPass)
PASSES: dict[str, GraphPass] = {}


def graph_pass(function: GraphPassT) -> GraphPassT:
    """Register a pass under the name of its function."""
    assert function.__name__ not in PASSES, f"two passes are named {function.__name__}"
    PASSES[function.__name__] = function
    return function


def load_passes() -> Mapping[str, GraphPass]:
    """Import every file of `ncc.passes`, so that the registry is complete, and return it."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return PASSES


@dataclass(frozen=True)
class Step:
    """A pass and its options."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def run(self, graph: Graph, trace: Trace | None = None) -> Graph:
        """What the pass makes of `graph`; an error says that it happened during this pass."""
        function = PASSES[self.name]
        traced = {"trace": trace} if "trace" in inspect.signature(function).parameters else {}
        try:
            return function(graph, **self.options, **traced)
        except NccError as error:
            raise error.located(during=self.name) from None


def read_steps(text: str) -> list[Step]:
    """`canonicalize, autocast(to = bf16)` as steps.

    NccError `parse` where it is not well formed, `unknown-pass` (exit 2) for a name that is none,
    `backend-pass` (exit 2) for one that text cannot tell what it must know.
    """
    load_passes()
    steps = []
    for name, options in parse_calls(text):
        if name not in PASSES:
            raise NccError(
                "unknown-pass",
                f"there is no pass '{name}'",
                exit=ExitCode.USAGE,
                hint=meant(name, PASSES, f"the passes are {', '.join(sorted(PASSES))}"),
            )
        if needs_function(PASSES[name]):
            raise NccError(
                "backend-pass",
                f"'{name}' asks a backend, which text cannot name",
                exit=ExitCode.USAGE,
                hint="ncc compile --to shows what the phases with this pass make of a graph",
            )
        steps.append(Step(name, options.values(_option_kinds(PASSES[name]), name)))
    return steps


def needs_function(run: GraphPass) -> bool:
    """Whether text alone cannot call a pass: a backend gives it a decision to make."""
    _, *options = inspect.signature(run).parameters.values()
    return any(option.default is option.empty for option in options)


def _option_kinds(function: GraphPass) -> Mapping[str, Kind]:
    """The options that text can give: keywords that are neither a trace nor a function."""
    hints = typing.get_type_hints(function)
    return {
        name: kind_of(hints[name])
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
        and name != "trace"
        and typing.get_origin(hints[name]) is not collections.abc.Callable
    }


def run_passes(
    graph: Graph,
    steps: Iterable[Step],
    *,
    trace: Trace | None = None,
    dump_dir: Path | None = None,
) -> Graph:
    """Run `steps` in order.

    With `dump_dir`, an existing folder, the text before the first and after each of them is
    written there: `00-import.ncc`, `01-canonicalize.ncc`, ...
    """
    dump(graph, dump_dir, 0, "import")
    for index, step in enumerate(steps, 1):
        graph = step.run(graph, trace)
        dump(graph, dump_dir, index, step.name)
    return graph


def dump(graph: Graph, folder: Path | None, index: int, name: str) -> None:
    """Write the text of `graph`, what step `index` made, to `folder` if there is one."""
    if folder is not None:
        (folder / f"{index:02d}-{name}.ncc").write_text(to_text(graph), encoding="utf-8")

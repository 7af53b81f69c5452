"""ncc disasm: the loops of each kernel, and the machine code that they became."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

from ncc.backends.artifact import Listing
from ncc.backends.interface import Backend, Target
from ncc.backends.registry import backend_of, resolve_all
from ncc.bundle import kernel_text
from ncc.cli.output import emit, format_option, quantity
from ncc.diagnostics import ExitCode, NccError, meant
from ncc.neff.errors import damaged, reading
from ncc.neff.format import Kernel, Variant
from ncc.neff.reader import Bundle, open_bundle


@click.command()
@click.argument("bundle")
@click.option("--kernel", "name", metavar="NAME", help="This one only, as inspect names it.")
@click.option("--target", "wanted", metavar="NAME", help="Default: the best in the bundle.")
@format_option
def command(bundle: str, name: str | None, wanted: str | None, form: str) -> None:
    """Show the loops of BUNDLE's kernels with their source nodes, and their machine code.

    The code is made again from the loops, and compared with what the bundle holds.
    """
    with open_bundle(bundle) as opened:
        variant = _variant(opened, wanted)
        (target,) = resolve_all(variant.target)
        backend = backend_of(target)
        kernels = _kernels(opened, variant, backend)
        code = opened.read(variant.code)
        chosen = [kernel for kernel in variant.kernels if name in (None, kernel.name)]
        if name is not None and not chosen:
            raise _no_kernel(name, variant)
        listings = (
            _listing(kernel, _made(kernels[kernel.name], backend, target, opened), code)
            for kernel in chosen
        )
        if form == "json":
            emit(form, {"target": target.name, "kernels": list(listings)}, tuple)
        else:
            for listing in listings:
                emit(form, listing, partial(_lines, listing, target.name))


def _variant(bundle: Bundle, target: str | None) -> Variant:
    """The best variant, or that for `target`."""
    variants = bundle.manifest.variants
    found = next((variant for variant in variants if target in (None, variant.target)), None)
    if found is None:
        assert target is not None, "a bundle has a variant"
        names = [variant.target for variant in variants]
        raise NccError(
            "unknown-target",
            f"{bundle.path} has no code for '{target}'",
            exit=ExitCode.USAGE,
            hint=meant(target, names, f"it has code for {', '.join(names)}"),
        )
    return found


def _kernels(bundle: Bundle, variant: Variant, backend: Backend) -> dict[str, Any]:
    """The backend's kernels of `variant` by name."""
    name = kernel_text(variant)
    section = next((s for s in bundle.manifest.sections if s.name == name), None)
    if section is None or section.kind != "debug":
        raise NccError(
            "no-debug-text",
            f"{bundle.path} has no text of its kernels",
            exit=ExitCode.INCOMPATIBLE,
            hint="compile the model again with this version",
        )
    with reading(bundle.path):
        kernels = _parsed(bundle.read(name), backend)
        if len(kernels) != len(variant.kernels):
            raise damaged(f"{len(variant.kernels)} kernels, and text of {len(kernels)}")
    return {row.name: kernel for row, kernel in zip(variant.kernels, kernels, strict=True)}


def _parsed(text: bytes, backend: Backend) -> Sequence[Any]:
    """The kernels of `text`."""
    try:
        with _of_a_file():
            return backend.read_kernels(text.decode())
    except UnicodeDecodeError as error:
        raise damaged(f"the text of the kernels is no text: {error}") from None
    except NccError as error:
        raise damaged(f"the text of the kernels does not parse: {error.message}") from None


def _made(kernel: Any, backend: Backend, target: Target, bundle: Bundle) -> Listing:
    with reading(bundle.path), _of_a_file():
        return backend.disassemble(kernel, target)


@contextmanager
def _of_a_file() -> Iterator[None]:
    """What is a bug in a kernel made here is damage in one that was read."""
    try:
        yield
    except AssertionError as error:
        raise damaged(f"the text of a kernel makes no sense: {error}") from None


def _listing(kernel: Kernel, made: Listing, code: bytes) -> dict[str, Any]:
    """A kernel for JSON, with whether the code made here is the code in the bundle."""
    start = kernel.offset - made.start
    held = code[start : start + len(made.data)] if start >= 0 else b""
    return {
        **kernel._asdict(),
        "loops": made.text,
        "assembly": made.assembly,
        "as_in_bundle": held == made.data and kernel.nbytes == made.nbytes,
    }


def _no_kernel(name: str, variant: Variant) -> NccError:
    names = [kernel.name for kernel in variant.kernels]
    return NccError(
        "unknown-kernel",
        f"there is no kernel '{name}'",
        exit=ExitCode.USAGE,
        hint=meant(name, names, f"it has {names[0]} to {names[-1]}") if names else "it has none",
    )


def _lines(listing: dict[str, Any], target: str) -> Iterator[str]:
    work, memory = quantity(listing["flops"], "FLOP"), quantity(listing["bytes"], "B")
    code = f"{listing['nbytes']} B of code at {listing['offset']:#x}"
    yield click.style(f"{listing['name']}", bold=True) + f"  {work}, {memory} of memory, {code}"
    yield from (f"  from {source}" for source in listing["sources"])
    yield ""
    yield from _indented(listing["loops"])
    same = "the bytes in the bundle" if listing["as_in_bundle"] else "NOT the bytes in the bundle"
    yield click.style(f"  machine code for {target}: {same}", dim=True)
    yield from _indented(listing["assembly"])
    yield ""


def _indented(text: str) -> Iterator[str]:
    return (f"  {line.expandtabs(8)}".rstrip() for line in text.strip("\n").split("\n"))

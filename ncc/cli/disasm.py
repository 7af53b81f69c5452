"""ncc disasm: the loops of each kernel, and the machine code that they became."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import click

from ncc.backends.cpu.codegen import disassemble
from ncc.backends.cpu.loop_verify import verify_kernel
from ncc.backends.cpu.loops import Kernel as Loops
from ncc.backends.cpu.looptext.parser import parse
from ncc.backends.cpu.looptext.printer import to_text
from ncc.backends.cpu.target import Target, resolve
from ncc.bundle import kernel_text
from ncc.cli.output import emit, format_option, quantity
from ncc.diagnostics import ExitCode, NccError
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
        target = resolve(variant.target)
        loops = _loops(opened, variant)
        code = opened.read(variant.code)
        chosen = [kernel for kernel in variant.kernels if name in (None, kernel.name)]
        if not chosen:
            raise _no_kernel(name, variant)
        listings = (_listing(kernel, loops[kernel.name], code, target) for kernel in chosen)
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
        held = ", ".join(variant.target for variant in variants)
        raise NccError(
            "unknown-target",
            f"{bundle.path} has no code for '{target}'",
            exit=ExitCode.USAGE,
            hint=f"it has code for {held}",
        )
    return found


def _loops(bundle: Bundle, variant: Variant) -> dict[str, Loops]:
    """The kernels of `variant` by name."""
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
        kernels = _parsed(bundle.read(name))
        if len(kernels) != len(variant.kernels):
            raise damaged(f"{len(variant.kernels)} kernels, and text of {len(kernels)}")
    return {row.name: kernel for row, kernel in zip(variant.kernels, kernels, strict=True)}


def _parsed(text: bytes) -> tuple[Loops, ...]:
    """The kernels of `text`; what is a bug in one made here is damage in one that was read."""
    try:
        kernels = parse(text.decode())
        for kernel in kernels:
            verify_kernel(kernel)
    except UnicodeDecodeError as error:
        raise damaged(f"the text of the kernels is no text: {error}") from None
    except NccError as error:
        raise damaged(f"the text of the kernels does not parse: {error.message}") from None
    except AssertionError as error:
        raise damaged(f"the text of a kernel makes no sense: {error}") from None
    return kernels


def _listing(kernel: Kernel, loops: Loops, code: bytes, target: Target) -> dict[str, Any]:
    """A kernel for JSON, with whether the code made here is the code in the bundle."""
    made = disassemble(loops, target)
    start = kernel.offset - made.function.offset
    held = code[start : start + len(made.data)] if start >= 0 else b""
    return {
        **kernel._asdict(),
        "loops": to_text(loops),
        "assembly": made.assembly,
        "as_in_bundle": held == made.data and kernel.nbytes == made.function.size,
    }


def _no_kernel(name: str | None, variant: Variant) -> NccError:
    names = [kernel.name for kernel in variant.kernels]
    return NccError(
        "unknown-kernel",
        f"there is no kernel '{name}'",
        exit=ExitCode.USAGE,
        hint=f"it has {names[0]} to {names[-1]}" if names else "it has no kernels",
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

"""Arrays for the inputs of a model: from files, or random."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

import click
import numpy as np

from ncc.cli.output import say
from ncc.diagnostics import ExitCode, NccError, meant
from ncc.neff.format import TensorSpec
from ncc.runtime.session import Model
from ncc.runtime.tensors import EXTENDED, Array, numpy_dtype

RANDOM = "random"
FORMS = "NAME=FILE.npy, NAME=random, FILE.npz or random"

input_option = click.option(
    "--input", "given", multiple=True, metavar="INPUT", help=f"{FORMS}; may be repeated."
)
seed_option = click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of random inputs."
)
cores_option = click.option(
    "--cores", type=int, metavar="N", help="At most this many; default: all that we may use."
)


def read_inputs(model: Model, given: Sequence[str], seed: int) -> dict[str, Array]:
    """What each of `given` says, by input; those that are given twice are refused.

    Those that nothing names are random if one of `given` is `random`. NccError `bad-input`.
    """
    specs = {spec.name: spec for spec in model.inputs}
    arrays: dict[str, Array] = {}
    for text in given:
        for name, array in _read(model, specs, text, seed):
            if name in arrays:
                raise _refused(model, f"input '{name}' is given twice")
            arrays[name] = array
    missing = [name for name in specs if name not in arrays]
    if missing and RANDOM not in given:
        example = f"give --input {missing[0]}=FILE.npy, or --input random"
        raise _refused(model, f"no input '{missing[0]}': {example}")
    return arrays | random_inputs(model, missing, seed)


def random_inputs(model: Model, names: Sequence[str], seed: int) -> dict[str, Array]:
    """Seeded arrays of the shapes that the model was compiled for.

    Floats are normal, everything else is 0 or 1: good as an index and as a mask. What an input
    holds depends on `seed` and its position alone.
    """
    (program, *_) = model.variant.programs
    found = {}
    for position, (spec, value) in enumerate(zip(model.inputs, program.inputs, strict=True)):
        if spec.name in names:
            generator = np.random.default_rng([seed, position])
            shape = program.values[value].shape or ()
            found[spec.name] = _random(generator, spec.dtype, shape)
    return found


def _random(generator: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> Array:
    element = numpy_dtype(dtype)
    if dtype in EXTENDED and element == EXTENDED[dtype][1]:
        return np.zeros(shape, element)  # bits of a type that is not installed
    if "f" in dtype:
        return generator.standard_normal(shape).astype(element)
    return generator.integers(0, 2, shape).astype(element)


def _read(
    model: Model, specs: dict[str, TensorSpec], text: str, seed: int
) -> Iterator[tuple[str, Array]]:
    """Names and arrays that one `--input` gives."""
    name = max((name for name in specs if text.startswith(f"{name}=")), key=len, default=None)
    if name is not None:
        source = text[len(name) + 1 :]
        if source == RANDOM:
            yield from random_inputs(model, [name], seed).items()
        else:
            yield name, _array(model, source)
    elif text.endswith(".npz"):
        yield from _archive(model, specs, text)
    elif text != RANDOM:
        raise _unknown(model, text)


def _unknown(model: Model, text: str) -> NccError:
    """An `--input` of no form, or one whose name is that of no input."""
    name, equals, _ = text.partition("=")
    if not equals:
        return _refused(model, f"--input {text} is not {FORMS}")
    names = [spec.name for spec in model.inputs]
    hint = meant(name, names, f"the inputs are {', '.join(map(str, model.inputs))}")
    message = f"--input {text}: the model has no input '{name}'"
    return NccError("bad-input", message, exit=ExitCode.USAGE, hint=hint)


def _array(model: Model, path: str) -> Array:
    found = _load(model, path)
    if not isinstance(found, np.ndarray):
        raise _refused(model, f"{path} is an archive; give it without the name of an input")
    return found


def _archive(model: Model, specs: dict[str, TensorSpec], path: str) -> Iterator[tuple[str, Array]]:
    """The arrays of an archive that are inputs; the others are left out, aloud."""
    archive = _load(model, path)
    if isinstance(archive, np.ndarray):
        raise _refused(model, f"{path} is one array; give it as NAME={path}")
    with archive:
        wanted = [name for name in archive.files if name in specs]
        others = [name for name in archive.files if name not in specs]
        if not wanted:
            listed = ", ".join(others) or "nothing"
            raise _refused(model, f"{path} holds {listed}, and no input of the model")
        if others:
            say(f"{path}: left out {', '.join(others)}, no input of the model")
        for name in wanted:
            yield name, _member(model, archive, path, name)


def _member(model: Model, archive: Any, path: str, name: str) -> Array:
    try:
        array: Array = archive[name]
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(model, f"{path}, {name}", error) from None
    return array


def _load(model: Model, path: str) -> Any:
    """What numpy finds in a file: an array or an archive; never a pickle."""
    try:
        return np.load(path, allow_pickle=False)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _refused(model, f"cannot read {path}: {reason}") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(model, path, error) from None


def _unreadable(model: Model, what: str, error: Exception) -> NccError:
    return _refused(model, f"{what} is not an array that numpy saved: {error}")


def _refused(model: Model, message: str) -> NccError:
    hint = f"the inputs are {', '.join(map(str, model.inputs))}"
    return NccError("bad-input", message, exit=ExitCode.USAGE, hint=hint)

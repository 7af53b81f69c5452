"""The runtime's public face: load a bundle, call it like a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NoReturn

from ncc.diagnostics import ExitCode, NccError
from ncc.neff.errors import reading
from ncc.neff.format import Manifest, Program, TensorSpec, Variant
from ncc.neff.reader import open_bundle
from ncc.runtime.cores import core_count, default_cores
from ncc.runtime.cpu import Host, choose, this_host
from ncc.runtime.executable import Executable
from ncc.runtime.plan import Plan
from ncc.runtime.tensors import Array, Signature

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

VERIFY = ("full", "lazy")


def load(
    path: str | PathLike[str],
    *,
    verify: Literal["full", "lazy"] = "lazy",
    host: Host | None = None,
) -> Model:
    """Map the bundle at `path` and take the best variant that this machine, or `host`, can run.

    The manifest, the code and the host graphs are checked against their digests here; the weights
    are too with `verify` "full", or by their fingerprint before the first call with "lazy". The
    file may be replaced or removed afterwards, but must not be changed in place while the model
    lives.

    NccError: usage if the file cannot be read, incompatible if this version or this CPU cannot run
    it, integrity if it is damaged.
    """
    if verify not in VERIFY:
        raise NccError("usage", f"verify is '{verify}', needs full or lazy", exit=ExitCode.USAGE)
    cores = default_cores()
    with reading(path), open_bundle(path) as bundle:
        variant = choose(bundle.manifest.variants, host or this_host())
        executable = Executable(bundle, variant)
    if verify == "full":
        executable.verify_weights(cores)
    return Model(bundle.manifest, variant, executable, cores)


class Model:
    """A loaded bundle. Threads may call it at the same time; a context manager that closes it.

    `inputs` and `outputs` give name, dtype and shape; `variant` is what was chosen for this
    machine; `cores` is how many a call uses unless it says otherwise.
    """

    def __init__(
        self, manifest: Manifest, variant: Variant, executable: Executable, cores: int
    ) -> None:
        self.manifest = manifest
        self.variant = variant
        self.cores = cores
        self._signature = Signature(manifest.inputs, manifest.outputs)
        self._executable: Executable | None = executable

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return self.manifest.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return self.manifest.outputs

    def __call__(
        self, /, *arrays: ArrayLike, cores: int | None = None, **named: ArrayLike
    ) -> Array | tuple[Array, ...]:
        """The output, or a tuple of them, for inputs given in order or by name.

        Runs on at most `cores` cores: fewer while other calls hold them; the result is the same.
        An input is copied only if it is not dense and in native byte order. Without `ml_dtypes`
        installed, types that numpy lacks are arrays of their bits (bf16 is uint16).

        NccError (usage) if the inputs do not fit the signature.
        """
        results = self._results(arrays, named, cores)
        return results[0] if len(results) == 1 else tuple(results)

    def run(self, inputs: Mapping[str, ArrayLike], *, cores: int | None = None) -> dict[str, Array]:
        """The outputs by name, for inputs by name; otherwise as a call."""
        results = self._results((), inputs, cores)
        return dict(zip(self._signature.output_names, results, strict=True))

    def prepare(self, values: Sequence[ArrayLike]) -> tuple[Executable, Program]:
        """What runs inputs like these, given in order; NccError (usage) if they do not fit."""
        arrays = self._signature.bind(values)
        executable = self._open()
        return executable, self._plan(executable, arrays).program

    def close(self) -> None:
        """Release code, weights and arenas, once the calls that still run have ended."""
        self._executable = None

    def __reduce__(self) -> NoReturn:
        raise TypeError("a model cannot be copied or pickled: load its bundle where it is wanted")

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ncc model of {self.manifest.source}: {self._signature}>"

    def _results(
        self, given: Sequence[ArrayLike], named: Mapping[str, ArrayLike], cores: int | None
    ) -> list[Array]:
        executable = self._open()
        count = self.cores if cores is None else core_count(cores, "cores")
        values = self._signature.in_order(given, named) if named else given
        for plan in executable.plans:
            if plan.takes(values):
                return executable.run(plan, values, count)
        arrays = self._signature.bind(values)
        return executable.run(self._plan(executable, arrays), arrays, count)

    def _open(self) -> Executable:
        executable = self._executable
        if executable is None:
            raise NccError("closed", "the model was closed", exit=ExitCode.USAGE)
        return executable

    def _plan(self, executable: Executable, arrays: list[Array]) -> Plan:
        """The program for inputs of these shapes."""
        for plan in executable.plans:
            if plan.accepts(arrays):
                return plan
        given = ", ".join(
            f"{spec.name}{list(array.shape)}"
            for spec, array in zip(self.inputs, arrays, strict=True)
        )
        bound = " or ".join(_bound(program) for program in self.variant.programs)
        raise self._signature.wrong(f"no program for {given}: the model was compiled for {bound}")


def _bound(program: Program) -> str:
    return ", ".join(f"{name}={size}" for name, size in program.dims.items()) or "fixed shapes"

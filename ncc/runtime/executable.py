"""One variant of a bundle in memory: its code, weights and host graphs, ready to run."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from ncc.diagnostics import ExitCode, NccError
from ncc.neff.errors import incompatible, reading
from ncc.neff.format import Program, Variant
from ncc.neff.reader import Bundle
from ncc.neff.verify import check_digest
from ncc.runtime.cores import TEAM
from ncc.runtime.host import HostGraph
from ncc.runtime.mapping import Mapping
from ncc.runtime.plan import Code, DeviceStep, HostStep, Plan, Workspaces
from ncc.runtime.soundness import check_fingerprint
from ncc.runtime.tensors import Array


class Executable:
    """Mapped code and weights of `variant`; they live until the last call that uses them ends.

    Code and host graphs are checked against their digests before anything can execute them.
    NccError: integrity if they are damaged, incompatible if the system refuses executable memory.
    """

    def __init__(self, bundle: Bundle, variant: Variant) -> None:
        self._path = bundle.path
        self._weights_section = bundle.sections[variant.weights]
        self._fingerprint = variant.fingerprint if self._weights_section.fingerprint else 0
        self._weights = _map(bundle, variant.weights)
        self._weights_are_sound = False
        self._checking: dict[int, threading.Lock] = {}  # by process: a fork copies locks as held
        self.code = Code(
            _map_code(bundle, variant), self._weights, variant.serve, variant.run, TEAM
        )
        segments = [segment for program in variant.programs for segment in program.segments]
        names = dict.fromkeys(segment.graph for segment in segments if segment.kind == "host")
        self._graphs = {name: HostGraph(name, bundle.read(name)) for name in names}
        self._workspaces = Workspaces(variant.programs)
        self.plans = [self.plan(program) for program in variant.programs]

    def plan(
        self,
        program: Program,
        device: type[DeviceStep] = DeviceStep,
        host: type[HostStep] = HostStep,
    ) -> Plan:
        """`program` in steps of these classes."""
        steps = [
            host(program, index, self._graphs[segment.graph])
            if segment.kind == "host"
            else device(program, index, self.code)
            for index, segment in enumerate(program.segments)
        ]
        return Plan(program, steps, self._weights, self._workspaces)

    def verify_weights(self, cores: int) -> None:
        """Check the weights against their digest, on so many cores; NccError (integrity)."""
        with reading(self._path):
            self._weights.populate()
            check_digest(self._weights_section, self._weights.part, cores)
            self._weights_are_sound = True

    def _glance(self, cores: int) -> None:
        """Check the weights before they are first used; by their fingerprint if they have one."""
        with self._checking.setdefault(os.getpid(), threading.Lock()):
            if self._weights_are_sound:
                return
            if not self._fingerprint:
                self.verify_weights(cores)
                return
            self._weights.populate()
            with reading(self._path):
                check_fingerprint(self._weights_section, self.code, self._fingerprint, cores)
            self._weights_are_sound = True

    def run(self, plan: Plan, inputs: Sequence[Array], cores: int) -> list[Array]:
        """The outputs of one of `plans`, arrays of their own, for dense `inputs` of its shapes.

        Any number of threads may call at once. NccError: integrity if the weights are damaged,
        resource if memory runs out.
        """
        if not self._weights_are_sound:
            self._glance(cores)
        try:
            return plan.run(inputs, cores)
        except MemoryError as error:
            raise NccError(
                "out-of-memory", f"no memory to run the model: {error}", exit=ExitCode.RESOURCE
            ) from None


def _map(bundle: Bundle, name: str) -> Mapping:
    section = bundle.sections[name]
    return Mapping(bundle.file, bundle.offset(section), section.size)


def _map_code(bundle: Bundle, variant: Variant) -> Mapping:
    mapping = _map(bundle, variant.code)
    check_digest(bundle.sections[variant.code], mapping.part)
    try:
        mapping.allow_execution()
    except PermissionError:
        raise incompatible(
            "the system does not let code in this file run",
            "copy the bundle to a file system that is not mounted noexec",
        ) from None
    return mapping

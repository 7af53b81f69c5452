"""LLVM text to object code."""

from __future__ import annotations

import functools

import llvmlite.binding as llvm

from ncc.backends.cpu.target import Target


@functools.cache
def _initialize() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@functools.cache
def _machine(target: Target, effort: int = 2) -> llvm.TargetMachine:
    _initialize()
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=effort, reloc="pic", codemodel="small"
    )


@functools.cache
def _tuning() -> llvm.PipelineTuningOptions:
    """The text has its vectors and its unrolling already."""
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_vectorization = False
    tuning.slp_vectorization = False
    tuning.loop_interleaving = False
    tuning.loop_unrolling = False
    return tuning


def compile_text(text: str, target: Target) -> bytes:
    """A relocatable object from LLVM text; the same bytes for the same text."""
    return bytes(_machine(target).emit_object(_optimized(text, target)))


def compile_calls(text: str, target: Target) -> bytes:
    """As `compile_text`, for long runs of calls: much sooner done, and nothing to gain there."""
    module = llvm.parse_assembly(text, context=llvm.create_context())
    module.verify()
    return bytes(_machine(target, effort=0).emit_object(module))


def assembly(text: str, target: Target) -> str:
    """What `compile_text` makes, as assembly for people."""
    return str(_machine(target).emit_assembly(_optimized(text, target)))


def _optimized(text: str, target: Target) -> llvm.ModuleRef:
    """The module after the passes on single functions: no other would find work."""
    machine = _machine(target)
    module = llvm.parse_assembly(text, context=llvm.create_context())
    module.verify()
    builder = llvm.create_pass_builder(machine, _tuning())
    simplify = builder.getFunctionPassManager()
    for function in module.functions:
        if not function.is_declaration:
            simplify.run(function, builder)
    return module

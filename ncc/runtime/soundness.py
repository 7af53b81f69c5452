"""Whether the weights in memory are those that were written."""

from __future__ import annotations

import ctypes

from ncc.neff.errors import require
from ncc.neff.fingerprint import BLOCK, Fingerprint
from ncc.neff.format import Section
from ncc.runtime.plan import Code, Workspace

SHARE = 1024
"""Blocks that are worth waking another core."""


def check_fingerprint(section: Section, code: Code, function: int, cores: int) -> None:
    """NccError (integrity) unless the weights of `code` have the fingerprint of their section.

    The blocks are hashed by the function at that offset, on at most `cores` cores.
    """
    blocks = section.size // BLOCK
    cores = min(cores, 1 + blocks // SHARE)
    workspace = Workspace(8 * blocks, 1)
    code.caller(function, 1)(workspace, cores, blocks)
    found = Fingerprint()
    found.add(ctypes.string_at(workspace.arena, 8 * blocks))
    found.update(code.weights.part(BLOCK * blocks, section.size))
    require(found.digest() == section.fingerprint, f"section '{section.name}' is damaged")

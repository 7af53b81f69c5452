"""What the runtime knows about a CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncc.runtime.cpu import cpu_flags

X86 = """
processor\t: 0
flags\t\t: fpu avx2 fma
bugs\t\t:

processor\t: 1
flags\t\t: fpu
"""
ARM = """
processor\t: 0
Features\t: fp asimd bf16
CPU part\t: 0xd0c
"""
LISTINGS = {
    "x86": (X86, {"fpu", "avx2", "fma"}),
    "arm": (ARM, {"fp", "asimd", "bf16"}),
    "none": ("processor\t: 0\n", set()),
}


@pytest.mark.parametrize(("text", "flags"), LISTINGS.values(), ids=LISTINGS.keys())
def test_flags_are_those_of_the_first_cpu(text: str, flags: set[str], tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu_flags(tmp_path / "cpuinfo") == flags


def test_a_system_that_lists_no_flags_has_none(tmp_path: Path) -> None:
    assert cpu_flags(tmp_path / "absent") == set()

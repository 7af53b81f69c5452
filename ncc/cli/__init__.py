"""The command line: arguments in, text or JSON out; what the product does lies below.

A command is the file of its name, imported when it is used, so that `ncc run` on a fleet machine
needs no compiler. `process` turns every failure into an error on stderr and an exit code.
"""

from __future__ import annotations

from typing import NoReturn

from ncc.cli.interrupts import hold


def main() -> NoReturn:
    """Run the command of this process and exit; interrupts wait until they can be answered."""
    hold()
    from ncc.cli.process import main as run_and_exit

    run_and_exit()

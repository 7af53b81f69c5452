"""The command line: arguments in, text or JSON out; what the product does lies below.

A command is the file of its name, imported when it is used, so that `ncc run` on a fleet machine
needs no compiler. `process` turns every failure into an error on stderr and an exit code.
"""

from ncc.cli.process import main

__all__ = ["main"]

"""Run bundles: map them, check them, call their code on the cores of this machine.

Imports numpy and msgpack alone; a bundle with a host segment loads `ncc.ir` when it first runs.
"""

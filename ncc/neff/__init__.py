"""The bundle: one file that holds machine code, weights and what a runtime must know about them.

`docs/neff.md` specifies the file; `format` holds its layout as data. The package imports the
standard library and msgpack alone.
"""

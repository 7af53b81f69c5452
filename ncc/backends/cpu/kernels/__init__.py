"""Nodes as kernels: each module writes one kind of computation in loop IR."""

"""Kernels as loops over flat buffers: the IR, its meaning, its text, and what is proven of it."""

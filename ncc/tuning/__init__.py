"""Measuring kernels on this machine, and the file that remembers which was fastest."""

"""Object code: LLVM text compiled, ELF read, and images put together. Knows nothing of kernels."""

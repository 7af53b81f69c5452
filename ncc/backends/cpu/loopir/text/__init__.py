"""The text of kernels: `printer.to_text` and `parser.parse`, inverse to each other."""

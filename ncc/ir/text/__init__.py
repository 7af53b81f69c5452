"""The text of graphs: `printer.to_text` and `parser.parse`, inverse to each other."""

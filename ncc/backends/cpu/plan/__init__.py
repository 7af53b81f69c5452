"""Decisions over a whole device segment: layout, memory, barriers, cores."""

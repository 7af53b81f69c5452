"""Contractions as machine code: tiles of sums in vector or matrix registers, and their bodies."""

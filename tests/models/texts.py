"""Text and bytes in the forms in which models read them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

MAGIKA_PADDING = 256
MAGIKA_END = 1024
"""Bytes that magika reads at either end of a file."""


def file_ends(content: bytes) -> Array:
    """The first and the last 1024 bytes without outer blanks, each padded: i32[2048]."""
    first = content[:4096].lstrip()[:MAGIKA_END]
    last = content[-4096:].rstrip()[-MAGIKA_END:]
    ends = np.full(2 * MAGIKA_END, MAGIKA_PADDING, np.int32)
    ends[: len(first)] = list(first)
    ends[len(ends) - len(last) :] = list(last)
    return ends


def tokens(text: str, vocabulary: Path, length: int) -> Array:
    """The words of `text` as BERT's word pieces between [CLS] and [SEP], padded: i64[length]."""
    listed = vocabulary.read_text("utf-8").split("\n")
    number = {piece: index for index, piece in enumerate(listed)}
    words = re.findall(r"\w+|[^\w\s]", text.lower())
    pieces = [piece for word in words for piece in _pieces(word, number)]
    kept = ["[CLS]", *pieces[: length - 2], "[SEP]"]
    padded = kept + ["[PAD]"] * (length - len(kept))
    return np.array([number[piece] for piece in padded], np.int64)


def _pieces(word: str, known: dict[str, int]) -> list[str]:
    """The longest known beginning, then the longest known continuations; [UNK] if there is none."""
    found: list[str] = []
    while word:
        mark = "##" if found else ""
        ends = range(len(word), 0, -1)
        end = next((end for end in ends if mark + word[:end] in known), 0)
        if not end:
            return ["[UNK]"]
        found.append(mark + word[:end])
        word = word[end:]
    return found

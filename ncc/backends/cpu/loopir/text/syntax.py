"""The grammar of kernels, read once."""

from __future__ import annotations

import functools
import re
from importlib import resources

import lark


@functools.cache
def _text() -> str:
    return resources.files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8")


@functools.cache
def grammar() -> lark.Lark:
    """The parser of `kernels`."""
    return lark.Lark(_text(), parser="lalr", start="kernels", maybe_placeholders=True)


@functools.cache
def keywords() -> frozenset[str]:
    """Words that are no names."""
    return frozenset(re.findall(r'"([a-z]+)"', _text())) | {"inf", "nan", "true", "false"}

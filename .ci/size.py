"""Print the lines of code of each package: what there is to read, without blanks and comments."""

from __future__ import annotations

import io
import tokenize
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("ncc", "tests", "bench", "examples")
BETWEEN_STATEMENTS = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}
SILENT = {*BETWEEN_STATEMENTS, tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER}


def code_lines(text: str) -> int:
    """Lines that hold a token of code; comments and docstrings are not code."""
    lines: set[int] = set()
    at_start = True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in SILENT:
            at_start = at_start or token.type in BETWEEN_STATEMENTS
            continue
        if not (at_start and token.type == tokenize.STRING):
            lines.update(range(token.start[0], token.end[0] + 1))
        at_start = False
    return len(lines)


def main() -> None:
    """One row per package, then each top folder's total."""
    packages: dict[str, list[int]] = defaultdict(list)
    totals: dict[str, list[int]] = defaultdict(list)
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            count = code_lines(path.read_text(encoding="utf-8"))
            packages[str(path.parent.relative_to(ROOT))].append(count)
            totals[folder].append(count)
    print(f"{'package':32} {'files':>6} {'lines':>7} {'longest':>8}")
    for name, counts in packages.items():
        print(f"{name:32} {len(counts):6} {sum(counts):7} {max(counts):8}")
    print()
    for name, counts in totals.items():
        print(f"{name + ' in all':32} {len(counts):6} {sum(counts):7} {max(counts):8}")


if __name__ == "__main__":
    main()

"""Every text case under tests/: parse, run the passes, compare the text and the meaning.

`pytest --bless tests/test_text.py` rewrites what is expected; review the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ncc.passes import load_passes
from tests.text_cases import Case, CaseFile, outcome

HERE = Path(__file__).resolve().parent
FOLDERS = ("errors", "ir", "passes")


def case_files() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((HERE / folder).glob("*.ncc"))]


def cases() -> Iterator[object]:
    for path in case_files():
        file = CaseFile.read(path)
        for case in file.cases:
            yield pytest.param(file, case, id=f"{path.parent.name}/{path.stem}: {case.title}")


@pytest.mark.parametrize(("file", "case"), list(cases()))
def test_case(file: CaseFile, case: Case, bless: bool) -> None:
    found = outcome(case, file.steps)
    if bless:
        file.bless(found)
        return
    assert (found.kind, found.expected) == (case.kind, case.expected)


@pytest.mark.parametrize("path", case_files(), ids=lambda path: path.stem)
def test_titles_differ(path: Path) -> None:
    titles = [case.title for case in CaseFile.read(path).cases]
    assert len(set(titles)) == len(titles)


def test_every_pass_has_cases() -> None:
    assert load_passes().keys() <= {path.stem for path in (HERE / "passes").glob("*.ncc")}


WRONG = """\
graph @g(%x: f32[8]) {
  %0 = relu(%x)
  return %0
}"""


@pytest.mark.parametrize(
    ("kind", "expected"), [("out", WRONG), ("unchanged", ""), ("error", "error[shape]: no")]
)
def test_a_wrong_expectation_is_seen(kind: str, expected: str) -> None:
    case = Case("a wrong expectation", WRONG, kind, expected)
    found = outcome(case, [])
    assert (found.kind, found.expected) != (kind, expected)


def test_blessing_writes_what_was_found(tmp_path: Path) -> None:
    path = tmp_path / "case.ncc"
    other = "=== another\ngraph @h() {\n  return\n}\n--- unchanged\n"
    path.write_text(f"// pass: dce\n\n=== a program\n{WRONG}\n\n{other}", encoding="utf-8")
    file = CaseFile.read(path)
    file.bless(outcome(file.cases[0], file.steps))
    blessed = CaseFile.read(path)
    assert blessed.head == "// pass: dce\n\n"
    assert [case.kind for case in blessed.cases] == ["unchanged", "unchanged"]
    assert str(blessed.cases[1]).strip() == other.strip()

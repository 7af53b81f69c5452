"""The tuning file: the same entries are the same bytes, and what is no such file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncc.backends.tuning import Entry
from ncc.diagnostics import ExitCode, NccError
from ncc.tuning.book import digest, extended, read, text, write

KEYS = [f"{number:032x}" for number in (7, 3, 5)]
ENTRIES = {key: Entry(f"kernel {key[-1]}", {"rows": 14, "block": 2}) for key in KEYS}
BOOK = {"x86-64-v4": ENTRIES, "aarch64": {KEYS[0]: Entry("another", {"rows": 8})}}

TEXT = """\
{
  "format": "ncc tuning 1",
  "targets": {
    "aarch64": {
      "00000000000000000000000000000007": {"kernel": "another", "rows": 8}
    },
    "x86-64-v4": {
      "00000000000000000000000000000003": {"kernel": "kernel 3", "rows": 14, "block": 2},
      "00000000000000000000000000000005": {"kernel": "kernel 5", "rows": 14, "block": 2},
      "00000000000000000000000000000007": {"kernel": "kernel 7", "rows": 14, "block": 2}
    }
  }
}
"""


def test_entries_are_sorted_and_have_a_line_each() -> None:
    assert text(BOOK) == TEXT


@pytest.mark.parametrize("book", [BOOK, {}], ids=["entries", "empty"])
def test_what_was_written_is_read(book: dict[str, dict[str, Entry]], tmp_path: Path) -> None:
    write(tmp_path / "t.json", book)
    assert read(tmp_path / "t.json") == book
    assert (tmp_path / "t.json").read_text() == text(book)


def test_the_digest_is_that_of_the_entries() -> None:
    turned = {name: dict(reversed(entries.items())) for name, entries in reversed(BOOK.items())}
    assert digest(turned) == digest(BOOK)
    assert digest(extended(BOOK, {"aarch64": ENTRIES})) != digest(BOOK)


def test_new_entries_take_the_place_of_old_ones() -> None:
    found = extended(BOOK, {"aarch64": {KEYS[0]: Entry("new", {"rows": 4})}, "x86-64-v3": {}})
    assert found["aarch64"] == {KEYS[0]: Entry("new", {"rows": 4})}
    assert found["x86-64-v4"] == ENTRIES


ENTRY = f'"{KEYS[0]}": {{"kernel": "k", "rows": %s}}'
HEAD = '{"format": "ncc tuning 1", "targets": '

NO_FILES = {
    "nothing": ("", "expecting value"),
    "cut short": (TEXT[:200], "line 8 column"),
    "no text": ("\udcff", "utf-8"),
    "something else": ("[1, 2]", 'it does not begin with "format": "ncc tuning 1"'),
    "no format": ("{}", 'it does not begin with "format": "ncc tuning 1"'),
    "no targets": ('{"format": "ncc tuning 1"}', "targets"),
    "targets that are a list": (HEAD + "[]}", "[] is no object"),
    "a key that is no digest": (HEAD + '{"a": {"b": {}}}}', "'b' is no digest of a kernel"),
    "no name of the kernel": (HEAD + f'{{"a": {{"{KEYS[0]}": {{"rows": 2}}}}}}}}', "no text"),
    "a choice that is text": (HEAD + f'{{"a": {{{ENTRY % chr(34) * 2}}}}}}}', "line 1"),
    "a choice below 1": (HEAD + f'{{"a": {{{ENTRY % 0}}}}}}}', "rows is 0, needs a number"),
    "a choice that is true": (HEAD + f'{{"a": {{{ENTRY % "true"}}}}}}}', "rows is True"),
    "a choice that is huge": (HEAD + f'{{"a": {{{ENTRY % 10**20}}}}}}}', "needs a number"),
    "a name that stands twice": (HEAD + '{"a": {}, "a": {}}}', "'a' stands there twice"),
    "an abyss": ("[" * 100_000, "recursion"),
}


@pytest.mark.parametrize(("data", "reason"), NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_tuning_file_is_refused(data: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(data.encode(errors="surrogateescape"))
    with pytest.raises(NccError) as caught:
        read(path)
    assert (caught.value.code, caught.value.exit) == ("bad-tuning", ExitCode.USAGE)
    assert reason in caught.value.message


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(TEXT.replace("tuning 1", "tuning 2"))
    with pytest.raises(NccError, match="'ncc tuning 2', this compiler reads") as caught:
        read(path)
    assert (caught.value.code, caught.value.exit) == ("tuning-version", ExitCode.INCOMPATIBLE)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NccError, match="no such file") as caught:
        read(tmp_path / "t.json")
    assert (caught.value.code, caught.value.exit) == ("file-access", ExitCode.USAGE)

"""Files that have their name when they are complete, and not before."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ncc.diagnostics import ExitCode, NccError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM, errno.EIO}
PREFIX, SUFFIX = ".ncc-", ".partial"


def check_target(path: Path) -> Path:
    """`path` with links resolved; NccError (usage) unless a file can be written there."""
    with _naming(path):
        target = Path(os.path.realpath(path))
        folder = target.parent
        if not folder.is_dir():
            raise _refused(path, f"there is no folder {folder}")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise _refused(path, f"the folder {folder} is not writable")
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(target.stat().st_mode):
                raise _refused(path, "it exists and is not a file")
    return target


def replace_file(
    path: Path, fill: Callable[[BinaryIO], None], check: Callable[[Path], None]
) -> None:
    """Put a new file at `path` in one step: `fill` writes it, `check` looks at it, it is renamed.

    `check` gets the temporary name, after what was written is on disk. When either fails or is
    interrupted, the file is removed and `path` is as before. A process that is killed leaves a
    name like `.ncc-0123456789abcdef.partial`, which the next `replace_file` in that folder
    removes; a living writer holds a lock on its own. NccError: usage as in `check_target`,
    resource if the disk is full.
    """
    target = check_target(path)
    with _naming(path):
        _remove_leftovers(target.parent)
        while not _replaced(target, fill, check):
            pass


def _replaced(
    target: Path, fill: Callable[[BinaryIO], None], check: Callable[[Path], None]
) -> bool:
    """Try once; False if the new file was taken for a leftover before it was locked."""
    partial = target.parent / f"{PREFIX}{os.urandom(8).hex()}{SUFFIX}"
    try:
        with partial.open("xb") as file:
            _lock(file.fileno(), fcntl.LOCK_EX)
            if not os.fstat(file.fileno()).st_nlink:
                return False
            fill(file)
            file.flush()
            os.fsync(file.fileno())
            check(partial)
            os.replace(partial, target)
            _sync(target.parent)
            return True
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name `path` in an error of the system."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _full(path, reason) if error.errno in FULL else _refused(path, reason) from None


def _refused(path: Path, reason: str) -> NccError:
    return NccError("output-path", f"cannot write {path}: {reason}", exit=ExitCode.USAGE)


def _full(path: Path, reason: str) -> NccError:
    return NccError(
        "disk-full",
        f"cannot write {path}: {reason}",
        exit=ExitCode.RESOURCE,
        hint="free some space, or write to another disk",
    )


def _remove_leftovers(folder: Path) -> None:
    for leftover in folder.glob(f"{PREFIX}*{SUFFIX}"):
        with suppress(OSError):
            file = os.open(leftover, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()
            finally:
                os.close(file)


def _lock(file: int, how: int) -> None:
    """Lock `file`; on a file system without locks nobody can, and leftovers stay."""
    with suppress(OSError):
        fcntl.flock(file, how)


def _sync(folder: Path) -> None:
    """Put the names in `folder` on disk."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)

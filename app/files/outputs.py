"""A text file that is written; the one rule: under its name is the old file or the whole new one, never a part."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

PART_SUFFIX = ".part"
"""What a file is called until it is whole. A part that was left behind by a kill is written over."""


class ReplacedFile:
    """A file that appears when `keep` is called, and not before; nothing is made until something is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + PART_SUFFIX)
        self._handle: TextIO | None = None

    @property
    def is_begun(self) -> bool:
        """Whether anything was written."""
        return self._handle is not None

    def write(self, text: str) -> None:
        """Write more. Raises OSError."""
        if self._handle is None:
            # Made anew, and by nobody else: a link that lies in wait under its name is neither followed nor kept.
            self._part.unlink(missing_ok=True)
            self._handle = self._part.open("x", encoding="utf-8", errors="surrogateescape", newline="")
        self._handle.write(text)

    def keep(self) -> None:
        """Let the file appear, on disk."""
        if self._handle is not None:
            self._handle.flush()
            os.fsync(self._handle.fileno())
            self._handle.close()
            self._part.replace(self._path)
            self._handle = None

    def discard(self) -> None:
        """Forget what was written and not kept."""
        if self._handle is not None:
            self._handle.close()
            self._part.unlink(missing_ok=True)
            self._handle = None


@contextlib.contextmanager
def replaced_file(path: Path) -> Iterator[ReplacedFile]:
    """Give a file that is discarded unless it is kept."""
    file = ReplacedFile(path)
    try:
        yield file
    finally:
        file.discard()

"""A CSV file that is read; the one rule: a piece at a time, so that memory does not grow with the file."""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper
from pathlib import Path

from domain.csv_records import BYTE_ORDER_MARK
from domain.files import DIGEST_LENGTH

LINE_CHARACTERS_MAX = 1_000_000
"""What is read at once at the most; a longer line is taken for several, of which each is told as unreadable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """An open file: its size in bytes, and the digest of all that it holds."""

    size_bytes: int
    digest: str
    has_byte_order_mark: bool
    _binary: BufferedReader
    _text: TextIOWrapper

    def lines(self) -> Iterator[str]:
        """Yield the lines with their ends as they are. What is not UTF-8 comes as lone surrogates."""
        while line := self._text.readline(LINE_CHARACTERS_MAX):
            yield line

    @property
    def bytes_read(self) -> int:
        """How far the file has been read, ahead of the lines by a buffer."""
        return self._binary.tell()


@contextlib.contextmanager
def open_source(path: Path) -> Iterator[FileSource]:
    """Open a file and read it through once for its digest. Raises OSError."""
    with path.open("rb") as binary:
        digest = hashlib.file_digest(binary, "sha256").hexdigest()[:DIGEST_LENGTH]
        size_bytes = binary.tell()
        binary.seek(0)
        mark = BYTE_ORDER_MARK.encode()
        has_mark = binary.peek(len(mark)).startswith(mark)
        text = TextIOWrapper(binary, encoding="utf-8", errors="surrogateescape", newline="")
        yield FileSource(size_bytes=size_bytes, digest=digest, has_byte_order_mark=has_mark, _binary=binary, _text=text)

"""Files on their way: a form that is read from disk while it is sent, and an answer that is written as it comes."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import SEEK_END, PathLike
from pathlib import Path
from typing import BinaryIO, Final

Source = str | PathLike[str] | BinaryIO
"""A path, or a file that was opened for bytes; the file is read from where it stands and is not closed."""
Target = str | PathLike[str] | BinaryIO
Progress = Callable[[int, int | None], None]
"""Told the bytes of the file that were sent and their total, which is None for a file that cannot be measured."""

CHUNK_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a body, and how much of the file has gone with it; 0 for what stands around the file."""

    content: bytes
    file_bytes: int


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart form with one file, as ``file``. At most one chunk of it is in memory."""

    fields: Mapping[str, str]
    source: Source
    file_name: str
    progress: Progress | None = None
    _boundary: str = field(default_factory=lambda: secrets.token_hex(16))
    _starts_at: int | None = None

    @classmethod
    def of(
        cls, fields: Mapping[str, str], source: Source, file_name: str | None, progress: Progress | None
    ) -> "Upload":
        """Names the file like its path; remembers where an opened file stands, so that it can be sent again."""
        named = source if isinstance(source, str | PathLike) else getattr(source, "name", None)
        plain = Path(named).name if isinstance(named, str | PathLike) else "contacts.csv"
        starts_at = None if isinstance(source, str | PathLike) or not source.seekable() else source.tell()
        return cls(fields, source, file_name or plain, progress, _starts_at=starts_at)

    def headers(self) -> dict[str, str]:
        """The length too, unless the file cannot be measured. ``OSError`` when there is no such file."""
        own = {"Content-Type": f"multipart/form-data; boundary={self._boundary}"}
        if (size := self.file_size()) is not None:
            own["Content-Length"] = str(len(self._head()) + size + len(self._tail()))
        return own

    def file_size(self) -> int | None:
        """Bytes that will be read from the file; None when nobody can know."""
        if isinstance(self.source, str | PathLike):
            return Path(self.source).stat().st_size
        if self._starts_at is None:
            return None
        size = self.source.seek(0, SEEK_END) - self._starts_at
        self.source.seek(self._starts_at)
        return size

    def chunks(self) -> Iterator[Chunk]:
        """The whole body. Each call begins at the beginning."""
        yield Chunk(self._head(), 0)
        sent = 0
        with self._opened() as file:
            while content := file.read(CHUNK_BYTES):
                sent += len(content)
                yield Chunk(content, sent)
        yield Chunk(self._tail(), 0)

    def note(self, chunk: Chunk, total: int | None) -> None:
        """The chunk has been handed to the network."""
        if self.progress is not None and chunk.file_bytes:
            self.progress(chunk.file_bytes, total)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if isinstance(self.source, str | PathLike):
            with Path(self.source).open("rb") as file:
                yield file
        else:
            if self._starts_at is not None:
                self.source.seek(self._starts_at)
            yield self.source

    def _head(self) -> bytes:
        lines = []
        for name, text in self.fields.items():
            lines += [f"--{self._boundary}", f'Content-Disposition: form-data; name="{name}"', "", text]
        quoted = self.file_name.replace("\\", "_").replace('"', "%22").replace("\r", "").replace("\n", "")
        lines += [f"--{self._boundary}", f'Content-Disposition: form-data; name="file"; filename="{quoted}"']
        lines += ["Content-Type: text/csv", "", ""]
        return "\r\n".join(lines).encode()

    def _tail(self) -> bytes:
        return f"\r\n--{self._boundary}--\r\n".encode()


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a streamed answer goes: into an open file, or beside a path and then into its place."""

    target: Target

    @property
    def is_path(self) -> bool:
        return isinstance(self.target, str | PathLike)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """A path appears only when everything was written: half a file would look like a whole one."""
        if not isinstance(self.target, str | PathLike):
            yield self.target
            return
        path = Path(self.target)
        unfinished = path.with_name(path.name + ".part")
        try:
            with unfinished.open("wb") as file:
                yield file
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

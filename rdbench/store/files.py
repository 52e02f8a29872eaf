"""The storage that a store needs: list, read, write and delete files, in a folder or an object store."""

import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa

from rdbench.errors import UserError, plain, reason

PLANS = "plans"
CHECKPOINTS = "checkpoints"
CLAIMS = "claims"
"""The folders of a store besides those of its tables."""

LARGEST_FILE = 8 * 2**30
"""The largest file that is read, in bytes; rdbench writes none that is larger."""


def cannot_write(storage: object, error: OSError, then: str = "earlier runs are whole") -> UserError:
    """The error for a store that cannot be written; ``then`` says what is safe, or what to do."""
    return UserError(f"cannot write to the store {storage}: {why(error)}; {then}")


def cannot_read(storage: object, error: OSError) -> UserError:
    """The error for a store whose files cannot be listed or looked up."""
    return UserError(f"cannot read the store {storage}: {why(error)}; see that you may read it, or name another")


def why(error: OSError) -> str:
    """What went wrong, and with which file if the system names one."""
    if error.strerror is None:
        return reason(error)
    return f"{error.strerror} ({error.filename})" if error.filename else error.strerror


class Entry(NamedTuple):
    """A file in a listing: its name in the folder, when it was last written (storage's clock), its size in bytes."""

    name: str
    modified: datetime
    size: int


class Storage(ABC):
    """Files below one root, named ``folder/file``; no name leads outside the root."""

    def __init__(self, root: str, words: str, location: str) -> None:
        self.root = root
        self.words = plain(words)
        self.location = location
        """The path or URL by which another process opens the same storage."""
        self.before_change: Callable[[], None] = lambda: None
        """What is done before each writing and deleting; it may raise, and then nothing is changed."""

    def __str__(self) -> str:
        return self.words

    def path(self, name: str) -> str:
        """The full path of a name."""
        return f"{self.root}/{name}"

    def is_there(self) -> bool:
        """Whether the root exists.

        Raises:
            UserError: it is a file, or cannot be looked up.
        """
        try:
            return self._is_there()
        except OSError as error:
            raise cannot_read(self, error) from None

    def exists(self, name: str) -> bool:
        """Whether there is a file of that name; raises as ``names`` does."""
        return self._found(name) is not None

    def names(self, folder: str, suffix: str = "") -> list[str]:
        """The sorted names of the complete files in a folder; none if there is no folder.

        Raises:
            UserError: the folder cannot be listed.
        """
        return [f"{folder}/{entry.name}" for entry in self._listed(folder) if entry.name.endswith(suffix)]

    def modified(self, folder: str) -> dict[str, datetime]:
        """When each file of a folder was last written, by the storage's clock; raises as ``names`` does."""
        return {f"{folder}/{entry.name}": entry.modified for entry in self._listed(folder)}

    def stamp(self, name: str) -> tuple[datetime, int] | None:
        """When a file was last written, and its size; None if it is not there. Raises as ``names`` does."""
        entry = self._found(name)
        return entry and (entry.modified, entry.size)

    def _listed(self, folder: str) -> list[Entry]:
        try:
            entries = self._entries(folder)
        except OSError as error:
            raise cannot_read(self, error) from None
        return sorted(entry for entry in entries if not entry.name.startswith("."))

    def _found(self, name: str) -> Entry | None:
        try:
            return self._entry(name)
        except OSError as error:
            raise cannot_read(self, error) from None

    def read(self, name: str, most: int = LARGEST_FILE) -> bytes:
        """The content of a file; raises as ``open`` does."""
        with self.open(name, most) as file:
            return file.read()

    @abstractmethod
    def open(self, name: str, most: int = LARGEST_FILE) -> pa.NativeFile:
        """Open a file of at most ``most`` bytes for reading.

        Raises:
            FileNotFoundError: it is not there.
            RefusedFileError: it is no regular file, lies behind a link, or is larger.
            OSError: it cannot be read for another reason.
        """

    @abstractmethod
    def write(self, name: str, content: Any) -> None:
        """Write a file atomically: after a crash the old or the new content is there, whole.

        Raises:
            OSError: it cannot be written; the old content is still there.
        """

    def write_new(self, beginning: str, content: Any) -> str:
        """Write a table's file under a name of its own, which begins so; return the name. Raises as ``write``.

        No other file ever has that name. So a process that was suspended just before it deletes a file cannot delete a
        newer one. If it was suspended just before it writes one, it takes that file back as soon as it goes on.
        """
        name = f"{beginning}{uuid.uuid4().hex[:16]}.parquet"
        self.write(name, content)
        try:
            self.before_change()
        except UserError:
            self._delete(name)
            raise
        return name

    def delete(self, name: str) -> None:
        """Delete a file; do nothing if it is not there.

        Raises:
            OSError: it cannot be deleted.
        """
        self.before_change()
        self._delete(name)

    @abstractmethod
    def prepare(self, *folders: str) -> None:
        """Make folders, check that they can be written, and delete temporary files of killed writers.

        Raises:
            OSError: they cannot be made or written.
        """

    @abstractmethod
    def _delete(self, name: str) -> None: ...

    @abstractmethod
    def _is_there(self) -> bool: ...

    @abstractmethod
    def _entries(self, folder: str) -> list[Entry]:
        """The files in a folder, without subfolders; none if there is no folder."""

    @abstractmethod
    def _entry(self, name: str) -> Entry | None: ...


def without_secrets(text: str) -> str:
    """A text, such as a command, with user names and passwords removed from its URLs.

    >>> without_secrets("--store=s3://key:secret@bucket/folder")
    '--store=s3://bucket/folder'
    """
    return re.sub(r"://[^/@\s]*@", "://", text)

"""Where a store's files lie: a folder here, or one behind a URL, with the same few verbs for both."""

import os
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
from pyarrow import fs

from rdbench.errors import UserError

PLANS = "plans"
CHECKPOINTS = "checkpoints"
CLAIMS = "claims"
"""The folders of a store beside those of its tables."""

ATTEMPTS = 10
"""How often a server is asked before a request counts as failed."""

FIRST_WAIT_SECONDS = 0.05
LONGEST_WRITE_SECONDS = 3600.0


def open_storage(location: str | Path) -> "Storage":
    """The storage at a path, or at a URL such as s3://bucket/folder, gs://bucket/folder or file:///folder.

    Raises:
        UserError: it is empty, or the URL is of no kind that is known here.
    """
    text = str(location)
    if text == "" or (re.fullmatch(r"\w+://(/.*)?", text) and not re.match("file:///.", text)):
        raise UserError(f"the store {text!r} has no name; expected a folder, or a URL such as s3://bucket/folder")
    if "://" not in text:
        return LocalStorage(Path(text))
    if urlsplit(text).scheme == "file":
        return LocalStorage(Path(urlsplit(text).path))
    try:
        filesystem, path = fs.FileSystem.from_uri(text)
    except (pa.ArrowException, ValueError, OSError, NotImplementedError) as error:
        raise UserError(
            f"cannot open the store {without_secrets(text)}: {error}; expected a folder, s3://…, gs://… or file://…"
        ) from None
    if isinstance(filesystem, fs.S3FileSystem):
        filesystem = _patient(text)
    return RemoteStorage(filesystem, path, text)


def cannot_write(storage: object, error: OSError, then: str = "earlier runs are whole") -> UserError:
    """What a user is told whose store takes no more, and what is so or is to be done then."""
    why = error.strerror or str(error).splitlines()[0]
    return UserError(f"cannot write to the store {storage}: {why}; {then}")


class Storage:
    """Files by name, below one place; a name is ``folder/file``, its parts never leave that place."""

    def __init__(self, filesystem: fs.FileSystem, root: str, words: str) -> None:
        self.filesystem = filesystem
        self.root = root
        self.words = words
        self.location = root
        """By which another process can open it."""

    def __str__(self) -> str:
        return self.words

    def path(self, name: str) -> str:
        """Where a name lies, in the words of the filesystem."""
        return f"{self.root}/{name}"

    def is_there(self) -> bool:
        """Whether the place itself exists.

        Raises:
            UserError: it is a file.
        """
        found = self.filesystem.get_file_info(self.root).type
        if found == fs.FileType.File:
            raise UserError(f"{self} is a file; expected the folder of a store")
        return found == fs.FileType.Directory

    def exists(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return self.filesystem.get_file_info(self.path(name)).type == fs.FileType.File

    def names(self, folder: str, suffix: str = "") -> list[str]:
        """The names of whole files in a folder, in order."""
        return [f"{folder}/{info.base_name}" for info in self._listing(folder) if info.base_name.endswith(suffix)]

    def modified(self, folder: str) -> dict[str, datetime]:
        """When each file of a folder was last written, by the clock of the place where it lies."""
        return {f"{folder}/{info.base_name}": info.mtime for info in self._listing(folder)}

    def stamp(self, name: str) -> tuple[datetime, int] | None:
        """When a file was last written, and its size; None if it is not there."""
        info = self.filesystem.get_file_info(self.path(name))
        return (info.mtime, info.size) if info.type == fs.FileType.File else None

    def _listing(self, folder: str) -> list[fs.FileInfo]:
        selector = fs.FileSelector(self.path(folder), allow_not_found=True)
        infos = [info for info in self.filesystem.get_file_info(selector) if info.type == fs.FileType.File]
        return sorted((info for info in infos if not info.base_name.startswith(".")), key=lambda info: info.base_name)

    def open(self, name: str) -> pa.NativeFile:
        """A file to read from.

        Raises:
            OSError: it cannot be read; FileNotFoundError, it is not there.
        """
        return self.filesystem.open_input_file(self.path(name))

    def read(self, name: str) -> bytes:
        """The content of a file; raises as ``open`` does."""
        with self.open(name) as file:
            return file.read()

    def delete(self, name: str) -> None:
        """See that there is no file of that name."""
        try:
            self.filesystem.delete_file(self.path(name))
        except FileNotFoundError:
            return

    def prepare(self, *folders: str) -> None:
        """Make folders, and see that files can be written.

        Raises:
            OSError: they cannot.
        """
        self.make_folders(*folders)
        probe = f"{folders[0]}/.probe-{os.getpid()}"
        self.write(probe, b"probe")
        self.delete(probe)

    def make_folders(self, *folders: str) -> None:
        """See that there are folders of these names.

        Raises:
            OSError: they cannot be made.
        """
        for folder in folders:
            self.filesystem.create_dir(self.path(folder), recursive=True)

    def write(self, name: str, content: Any) -> None:
        """Keep bytes under a name, whole or, whenever the machine stops, not at all.

        Raises:
            OSError: they cannot be written; what was there before still is.
        """
        raise NotImplementedError


class LocalStorage(Storage):
    """A folder of this machine, or one that it shares."""

    def __init__(self, folder: Path) -> None:
        super().__init__(fs.LocalFileSystem(), os.path.abspath(folder), str(folder))
        self.folder = folder

    def prepare(self, *folders: str) -> None:
        """Make folders, see that files can be written, and clear away what writers left that were killed."""
        super().prepare(*folders)
        for folder in folders:
            for partial in Path(self.path(folder)).glob(".*.partial"):
                with suppress(FileNotFoundError):  # its writer has renamed it
                    if time.time() - partial.stat().st_mtime > LONGEST_WRITE_SECONDS:
                        partial.unlink()

    def write(self, name: str, content: Any) -> None:
        """Write under a passing name, sync, rename."""
        path = Path(self.path(name))
        partial = path.parent / f".{uuid.uuid4().hex}.partial"
        try:
            with partial.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class RemoteStorage(Storage):
    """A folder of an object store, which shows an object once all of it has arrived."""

    def __init__(self, filesystem: fs.FileSystem, root: str, url: str) -> None:
        super().__init__(filesystem, root, without_secrets(url))
        self.location = url

    def write(self, name: str, content: Any) -> None:
        """Put an object, in a thread: a signal in the middle of it would put an empty one."""
        with ThreadPoolExecutor(1) as thread:
            thread.submit(self._put, name, content).result()

    def _put(self, name: str, content: Any) -> None:
        with self.filesystem.open_output_stream(self.path(name)) as stream:
            stream.write(content)

    def open(self, name: str) -> pa.NativeFile:
        """An object, fetched whole: where a server fails within its answer, only asking for all of it again helps."""
        for attempt in range(ATTEMPTS):
            try:
                with self.filesystem.open_input_file(self.path(name)) as file:
                    return pa.BufferReader(file.read())
            except FileNotFoundError:
                raise
            except OSError:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(FIRST_WAIT_SECONDS * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def is_there(self) -> bool:
        """Whether any object lies there: such a store has no folders of its own."""
        selector = fs.FileSelector(self.root, allow_not_found=True)
        return bool(self.filesystem.get_file_info(selector))


def without_secrets(text: str) -> str:
    """A text, such as a command, in which URLs have no user and no password.

    >>> without_secrets("--store=s3://key:secret@bucket/folder")
    '--store=s3://bucket/folder'
    """
    return re.sub(r"://[^/@\s]*@", "://", text)


def _patient(url: str) -> fs.S3FileSystem:
    """The file system of an s3:// URL, which asks again when a request fails."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    return fs.S3FileSystem(
        access_key=unquote(parts.username) if parts.username else None,
        secret_key=unquote(parts.password) if parts.password else None,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        **{key: query[key] for key in ("region", "scheme", "endpoint_override") if key in query},
    )

"""A store behind the URL of an object store, such as s3://bucket/folder."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
from pyarrow import fs

from rdbench.errors import RefusedFileError, reason, require_size
from rdbench.store.files import LARGEST_FILE, Entry, Storage, without_secrets

PATIENCE_SECONDS = 20.0
"""How long a request is repeated while the server fails."""

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.05, 2.0

REFUSALS = re.compile(
    r"AWS Error (ACCESS_DENIED|NO_SUCH_BUCKET|INVALID_\w+|SIGNATURE_DOES_NOT_MATCH|UNRECOGNIZED_CLIENT)"
    r"|HTTP status (?!408|429)4"
)
"""Errors that asking again would not cure."""

Answer = TypeVar("Answer")


def s3(url: str) -> fs.S3FileSystem:
    """The file system of an s3:// URL, without retries of its own: ``ObjectStorage`` repeats requests."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    return fs.S3FileSystem(
        access_key=unquote(parts.username) if parts.username else None,
        secret_key=unquote(parts.password) if parts.password else None,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
        connect_timeout=5,
        request_timeout=10,
        **{key: query[key] for key in ("region", "scheme", "endpoint_override") if key in query},
    )


def patiently(request: Callable[[], Answer]) -> Answer:
    """The result of a request, repeated at growing intervals while it fails.

    Raises:
        FileNotFoundError, RefusedFileError: it is not there, or is not read.
        OSError: the server refuses, or has not answered for ``PATIENCE_SECONDS``.
    """
    start, wait = time.monotonic(), FIRST_WAIT_SECONDS
    while True:
        try:
            return request()
        except (FileNotFoundError, RefusedFileError):
            raise
        except OSError as error:
            if REFUSALS.search(str(error)):
                raise
            seconds = time.monotonic() - start
            if seconds + wait > PATIENCE_SECONDS:
                raise OSError(f"the server has not answered for {seconds:.0f} s ({reason(error)})") from None
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)


class ObjectStorage(Storage):
    """A folder of an object store. Writes are atomic: the server shows an object once all of it has arrived."""

    def __init__(self, filesystem: fs.FileSystem, root: str, url: str) -> None:
        super().__init__(root, without_secrets(url), url)
        self.filesystem = filesystem

    def open(self, name: str, most: int = LARGEST_FILE) -> pa.NativeFile:
        """Fetch a whole object: if the server fails midway, only a new request for all of it helps."""

        def fetch() -> pa.NativeFile:
            with self.filesystem.open_input_file(self.path(name)) as file:
                require_size(file.size(), most)
                return pa.BufferReader(file.read_buffer())  # Arrow's own memory: see LocalStorage.open

        return patiently(fetch)

    def write(self, name: str, content: Any) -> None:
        """Put an object, in a thread: a signal in the middle of it would put an empty one."""
        self.before_change()
        with ThreadPoolExecutor(1) as thread:
            thread.submit(patiently, partial(self._put, name, content)).result()

    def _put(self, name: str, content: Any) -> None:
        with self.filesystem.open_output_stream(self.path(name)) as stream:
            stream.write(content)

    def _delete(self, name: str) -> None:
        with suppress(FileNotFoundError):
            patiently(partial(self.filesystem.delete_file, self.path(name)))

    def prepare(self, *folders: str) -> None:
        """Make the folders, which shows whether the server accepts objects."""
        for folder in folders:
            patiently(partial(self.filesystem.create_dir, self.path(folder), recursive=True))

    def _is_there(self) -> bool:
        """Whether any object lies below the root: an object store has no real folders."""
        selector = fs.FileSelector(self.root, allow_not_found=True)
        return bool(patiently(partial(self.filesystem.get_file_info, selector)))

    def _entries(self, folder: str) -> list[Entry]:
        selector = fs.FileSelector(self.path(folder), allow_not_found=True)
        infos = patiently(partial(self.filesystem.get_file_info, selector))
        return [_entry(info) for info in infos if info.type == fs.FileType.File]

    def _entry(self, name: str) -> Entry | None:
        info = patiently(partial(self.filesystem.get_file_info, self.path(name)))
        return _entry(info) if info.type == fs.FileType.File else None


def _entry(info: fs.FileInfo) -> Entry:
    return Entry(info.base_name, info.mtime, info.size)

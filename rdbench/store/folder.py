"""A store in a local folder, or one on a shared file system."""

import errno
import os
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from rdbench.errors import RefusedFileError, UserError, require_size
from rdbench.store.files import LARGEST_FILE, Entry, Storage

LONGEST_WRITE_SECONDS = 3600.0
"""The age at which a temporary file counts as left by a killed writer."""

OPENED = "/dev/fd/{}"
"""The path by which Linux names an open file of this process."""

KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class LocalStorage(Storage):
    """Storage in a folder. It follows no links below it and reads only regular files: a store may be a stranger's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(os.path.abspath(folder), str(folder), os.path.abspath(folder))
        self.folder = folder

    @contextmanager
    def _parent(self, name: str) -> Iterator[tuple[int, str]]:
        """Open the folder that holds a file; yield its descriptor and the file's name in it."""
        *folders, last = name.split("/")
        here = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for folder in folders:
                _require(folder, here, stat.S_IFDIR)
                below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
                os.close(here)
                here = below
            yield here, last
        finally:
            os.close(here)

    def open(self, name: str, most: int = LARGEST_FILE) -> pa.NativeFile:
        """Open a regular file by Arrow, whose threads may outlive Python and so must hold no Python object."""
        with self._parent(name) as (here, last):
            _require(last, here, stat.S_IFREG)
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # never wait, in case it has just become a pipe
            opened = os.open(last, flags, dir_fd=here)
        try:
            require_size(os.fstat(opened).st_size, most)
            return pa.OSFile(OPENED.format(opened))
        finally:
            os.close(opened)

    def write(self, name: str, content: Any) -> None:
        """Write a temporary file, sync it, rename it."""
        self.before_change()
        with self._parent(name) as (here, last):
            partial = f".{uuid.uuid4().hex}.partial"

            def opener(path: str, flags: int) -> int:
                return os.open(path, flags, 0o666, dir_fd=here)

            try:
                with open(partial, "xb", opener=opener) as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(partial, last, src_dir_fd=here, dst_dir_fd=here)
            except BaseException:  # an interruption must leave no temporary file
                with suppress(FileNotFoundError):
                    os.unlink(partial, dir_fd=here)
                raise
            os.fsync(here)

    def _delete(self, name: str) -> None:
        """Unlink a file; of a link, delete the link and not its target."""
        with suppress(FileNotFoundError), self._parent(name) as (here, last):
            os.unlink(last, dir_fd=here)

    def prepare(self, *folders: str) -> None:
        """Make the folders, and delete temporary files that are old."""
        os.makedirs(self.root, exist_ok=True)
        for folder in folders:
            with self._parent(folder) as (here, last), suppress(FileExistsError):
                os.mkdir(last, dir_fd=here)
            with self._parent(f"{folder}/") as (here, _):
                if not os.access(".", os.W_OK | os.X_OK, dir_fd=here):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
                _clear(here)

    def _is_there(self) -> bool:
        try:
            found = os.stat(self.root)
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(found.st_mode):
            raise UserError(f"{self} is a file; expected the folder of a store")
        return True

    def _entries(self, folder: str) -> list[Entry]:
        entries = []
        with suppress(FileNotFoundError), self._parent(f"{folder}/") as (here, _), os.scandir(here) as found:
            for item in found:
                with suppress(FileNotFoundError):  # another process has just deleted it
                    if not item.is_dir(follow_symlinks=False):
                        entries.append(_entry(item.name, item.stat(follow_symlinks=False)))
        return entries

    def _entry(self, name: str) -> Entry | None:
        with suppress(FileNotFoundError), self._parent(name) as (here, last):
            found = os.stat(last, dir_fd=here, follow_symlinks=False)
            return None if stat.S_ISDIR(found.st_mode) else _entry(last, found)
        return None


def _entry(name: str, found: os.stat_result) -> Entry:
    return Entry(name, datetime.fromtimestamp(found.st_mtime, UTC), found.st_size)


def _require(name: str, folder: int, kind: int) -> None:
    """Raise unless an entry of a folder has this kind: a regular file, or a folder on the path to one."""
    found = stat.S_IFMT(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    if found != kind:
        expected = "a folder" if kind == stat.S_IFDIR else "a regular file"
        raise RefusedFileError(f"{name} is {KINDS.get(found, 'a file')}; a store needs {expected} there")


def _clear(folder: int) -> None:
    with os.scandir(folder) as found:
        passing = [item for item in found if item.name.startswith(".") and item.name.endswith(".partial")]
        for item in passing:
            with suppress(FileNotFoundError):  # its writer has renamed it
                if time.time() - item.stat(follow_symlinks=False).st_mtime > LONGEST_WRITE_SECONDS:
                    os.unlink(item.name, dir_fd=folder)

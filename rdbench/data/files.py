"""The upstream files of named datasets: where they lie, and how they are fetched and checked."""

import gzip
import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from rdbench.config.reading import regular
from rdbench.data.dataset import Bits
from rdbench.errors import UserError, require_size

LARGEST = 2**30
"""Bytes; upstream files have at most a tenth of that, decompressed."""

UNREADABLE = (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile)
"""The exceptions of reading a truncated or damaged file, whatever its format."""


@dataclass(frozen=True)
class Source:
    """A URL that a file can be fetched from, and the checksum that pooch verifies, if it is known."""

    url: str
    sha256: str | None


def data_folder(data_dir: Path | None) -> Path:
    """The folder of upstream files: the one asked for, ``RDBENCH_DATA_DIR``, or the user's cache.

    Raises:
        UserError: the folder that was asked for does not exist.
    """
    asked = data_dir or os.environ.get("RDBENCH_DATA_DIR")
    if not asked:
        return cache_folder()
    folder = os.path.expanduser(asked)
    if not os.path.isdir(folder):
        raise UserError(f"data folder {asked} does not exist; make it, or name another with --data-dir")
    return Path(folder)


def cache_folder() -> Path:
    """The folder of downloads and packed copies, in the user's cache (``XDG_CACHE_HOME`` on Linux)."""
    return Path(pooch.os_cache("rdbench"))


def find(folder: Path, name: str) -> Path | None:
    """The file of that name in ``folder``, plain or gzipped; None if it is not there."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def read(path: Path) -> bytes:
    """The content of a file, decompressed if it is gzipped.

    Raises:
        RefusedFileError: it is not a regular file, or is larger than any upstream file.
    """
    content = regular(path, LARGEST).read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    with gzip.open(path) as file:
        content = file.read(LARGEST + 1)
    require_size(len(content), LARGEST)
    return content


def obtain(folder: Path, name: str, sources: list[Source]) -> Path:
    """The file ``name`` in ``folder``, or in the user's cache, or else downloaded from the first source that answers.

    Raises:
        UserError: the file is not there, and no source gives it whole.
    """
    found = find(folder, name) or find(cache_folder(), name)
    if found is not None:
        return found
    target = folder if os.access(folder, os.W_OK) else cache_folder()
    failures = []
    for source in sources:
        try:
            known = f"sha256:{source.sha256}" if source.sha256 else None
            with _DownloadProgress(name) as progress:
                downloader = pooch.HTTPDownloader(progressbar=progress, timeout=30, chunk_size=2**20)
                return Path(pooch.retrieve(source.url, known, name, target, downloader=downloader))
        except (OSError, ValueError) as error:  # no network, or a checksum that differs
            failures.append(f"{source.url}: {_reason(error)}")
    raise UserError(
        f"{name} is not in {folder} and could not be fetched ({'; '.join(failures)}); "
        "put it there by hand, or name its folder with --data-dir"
    )


def decode_checked(path: Path, decode: Callable[[bytes], Bits], sha256: str) -> Bits:
    """The packed bits that ``decode`` finds in a file.

    Raises:
        UserError: the file cannot be read, or the checksum of its bits is not ``sha256``.
    """
    try:
        packed = decode(read(path))
    except UNREADABLE as error:
        raise damaged(path, f"it is truncated or unreadable ({error})") from None
    found = hashlib.sha256(packed.tobytes()).hexdigest()
    if found != sha256:
        raise damaged(path, f"its bits have SHA-256 {found}, expected {sha256}")
    return packed


def damaged(path: Path, what: str) -> UserError:
    """The error for a damaged file."""
    return UserError(f"{path}: {what}; delete it and fetch it again")


def _reason(error: Exception) -> str:
    """Why a download failed, in a few words."""
    if isinstance(error, ValueError):
        return "its checksum differs"
    cause = error.__cause__ or error.__context__ or error
    return str(error) if len(str(error)) < 80 else type(cause).__name__


class _DownloadProgress:
    """The progress bar that pooch asks for, drawn by rich; a plain line if there is no terminal."""

    def __init__(self, name: str) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task: TaskID = self._progress.add_task(f"fetching {name}", total=None)
        if not console.is_terminal:
            console.print(f"fetching {name}", highlight=False)

    @property
    def total(self) -> float | None:
        return self._progress.tasks[0].total

    @total.setter
    def total(self, value: float) -> None:
        self._progress.update(self._task, total=value)

    def update(self, count: int) -> None:
        self._progress.advance(self._task, count)

    def reset(self) -> None:
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        self._progress.stop()

    def __enter__(self) -> "_DownloadProgress":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

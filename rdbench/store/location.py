"""Open the storage that a path or a URL names."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from pyarrow import fs

from rdbench.errors import UserError
from rdbench.store.files import Storage, without_secrets
from rdbench.store.folder import LocalStorage
from rdbench.store.objects import ObjectStorage, s3

KINDS = "a folder, s3://…, gs://… or file:///…"


def open_storage(location: str | Path) -> Storage:
    """The storage at a path, or at a URL such as s3://bucket/folder, gs://bucket/folder or file:///folder.

    Raises:
        UserError: it is empty, or a URL of an unknown kind, or one with parts (``?``, ``#``) that would be lost.
    """
    text = str(location)
    if text == "" or (re.fullmatch(r"\w+://(/.*)?", text) and not re.match("file:///.", text)):
        raise UserError(f"the store {text!r} has no name; expected a folder, or a URL such as s3://bucket/folder")
    if "://" not in text:
        if re.match(r"(file|s3|gs):", text):
            raise UserError(f"cannot open the store {without_secrets(text)}: two slashes lack; expected {KINDS}")
        return _local(os.path.expanduser(text))
    parts = urlsplit(text)
    if parts.fragment or text.endswith("#"):
        raise _lost(text, "#" + parts.fragment)
    if parts.scheme == "file":
        if parts.query or text.endswith("?"):
            raise _lost(text, "?" + parts.query)
        if parts.netloc not in ("", "localhost"):
            raise UserError(f"cannot open the store {text}: found the host {parts.netloc!r}; expected file:///folder")
        return _local(unquote(parts.path))
    try:
        filesystem, path = fs.FileSystem.from_uri(text)
        if isinstance(filesystem, fs.S3FileSystem):
            filesystem = s3(text)
    except (pa.ArrowException, ValueError, OSError, NotImplementedError) as error:
        raise UserError(f"cannot open the store {without_secrets(text)}: {error}; expected {KINDS}") from None
    return ObjectStorage(filesystem, path, text)


def _local(path: str) -> LocalStorage:
    try:
        return LocalStorage(Path(path))
    except FileNotFoundError:
        raise UserError(f"cannot find the store {path}: the current folder was deleted; change to another") from None


def _lost(text: str, end: str) -> UserError:
    sign = end[0]
    return UserError(
        f"cannot open the store {without_secrets(text)}: found {end!r} at the end, which a URL does not take for part "
        f"of a name; write %{ord(sign):X} for {sign} there"
    )

"""Files that a user names: only regular ones are read, and none that is too large."""

import os
import stat
from pathlib import Path

from rdbench.errors import RefusedFileError, require_size


def regular(path: str | Path, most: int) -> Path:
    """The path, a leading ~ expanded, of a regular file of at most ``most`` bytes, or of a link to one.

    Raises:
        FileNotFoundError: there is none.
        RefusedFileError: it is a folder, a pipe or a device, which may have no end, or is larger.
        OSError: it cannot be looked up.
    """
    whole = Path(os.path.expanduser(path))
    found = os.stat(whole)
    if not stat.S_ISREG(found.st_mode):
        raise RefusedFileError("it is no regular file")
    require_size(found.st_size, most)
    return whole

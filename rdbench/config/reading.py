"""Files that a user names: rdbench reads regular ones up to a size."""

import os
import stat
from pathlib import Path

from rdbench.errors import RefusedFileError, require_size


def regular(path: str | Path, most: int) -> Path:
    """Expand a leading ~, and check that the path is a regular file, or a link to one, of at most ``most`` bytes.

    Raises:
        FileNotFoundError: there is no such file.
        RefusedFileError: it is a folder, a pipe or a device (which may never end), or is larger.
        OSError: the path cannot be looked up.
    """
    whole = Path(os.path.expanduser(path))
    found = os.stat(whole)
    if not stat.S_ISREG(found.st_mode):
        raise RefusedFileError("it is not a regular file")
    require_size(found.st_size, most)
    return whole

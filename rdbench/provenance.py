"""Which code made a number, and when."""

import shlex
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import torch

from rdbench import __version__


def provenance() -> dict[str, str | None]:
    """The time now, the command, the versions of rdbench and torch, the commit where rdbench runs from a checkout."""
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(),
        "rdbench_version": __version__,
        "torch_version": torch.__version__,
        "git_commit": git_commit(),
    }


def command() -> str:
    """What the user typed."""
    return shlex.join(["rdbench", *sys.argv[1:]])


@cache
def git_commit() -> str | None:
    """The commit of the checkout that rdbench runs from, with ``+`` where files differ from it; None elsewhere."""
    checkout = Path(__file__).parent.parent
    if not (checkout / ".git").exists():
        return None
    try:
        commit = _git(checkout, "rev-parse", "HEAD")
        return commit + ("+" if _git(checkout, "status", "--porcelain", "--", "rdbench") else "")
    except (OSError, subprocess.CalledProcessError):  # no git on this machine, or no commit yet
        return None


def _git(checkout: Path, *arguments: str) -> str:
    command = ["git", "-C", str(checkout), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603

"""The provenance of a number: the description of its run, the code that made it, and when."""

import shlex
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import torch

import rdbench
from rdbench import __version__
from rdbench.config.run_config import RunConfig
from rdbench.runs.device import device_name
from rdbench.store.files import without_secrets


def describe(
    config: RunConfig, sweep: str, sha256: str, entropy: float | None, device: torch.device | None
) -> dict[str, Any]:
    """The columns of a run that are known before it begins; ``sha256`` and ``entropy`` are its dataset's.

    ``device`` is None if another process computed and its device is unknown.
    """
    return {
        "run_id": config.run_id(sha256),
        "sweep": sweep,
        **config.columns(),
        "config": config.model_dump_json(),
        "dataset_sha256": sha256,
        "entropy": entropy,
        "error": None,
        "threads": torch.get_num_threads(),
        "device": device and device_name(device),
        **provenance(),
    }


def provenance() -> dict[str, str | None]:
    """The time, the command, the versions of rdbench and torch, and the commit if rdbench runs from a checkout."""
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "command": command(),
        "rdbench_version": __version__,
        "torch_version": torch.__version__,
        "git_commit": git_commit(),
    }


def command() -> str:
    """The command that the user typed, without secrets in URLs."""
    return shlex.join(["rdbench", *map(without_secrets, sys.argv[1:])])


@cache
def git_commit() -> str | None:
    """The commit that rdbench runs from, with ``+`` if files differ from it; None outside a checkout."""
    checkout = Path(rdbench.__file__).parent.parent
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

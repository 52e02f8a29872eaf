"""Plan a sweep: find the runs that are still to do."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from rdbench import data
from rdbench.config.run_config import RunConfig
from rdbench.config.sweep import Sweep
from rdbench.errors import UserError


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep by id, in order: all runs, and the pending ones, which have no answer yet.

    ``varying`` are the keys in which runs differ, which the label of a run shows.
    """

    sweep: str
    varying: Sequence[str]
    runs: dict[str, RunConfig]
    pending: dict[str, RunConfig]


class Shard(NamedTuple):
    """One of ``of`` equal parts of a sweep, counted from 1."""

    part: int
    of: int


WHOLE = Shard(1, 1)

PROVISIONAL = "0" * 64
"""The placeholder for the checksum of a dataset that is not on this machine."""


def parse_shard(text: str) -> Shard:
    """Parse a shard such as 3/16.

    >>> parse_shard("3/16")
    Shard(part=3, of=16)

    Raises:
        UserError: it has another form, or there is no such part.
    """
    part, slash, of = text.partition("/")
    whole = slash and part.isdecimal() and of.isdecimal() and len(of) < 10
    if not (whole and 1 <= int(part) <= int(of)):
        raise UserError(f"--shard: found {text!r}; expected {_parts_of(of)}")
    return Shard(int(part), int(of))


def _parts_of(of: str) -> str:
    """The valid shards in words, for the given number of parts if it is a number."""
    if of.isdecimal() and 0 < len(of) < 10 and int(of) > 1:
        return f"a part from 1/{int(of)} to {int(of)}/{int(of)}"
    return "a part and how many there are, such as 3/16"


def plan(
    sweep: Sweep,
    finished: Collection[str],
    data_dir: Path | None,
    shard: Shard = WHOLE,
    fetch: bool = True,
) -> Plan:
    """Plan a shard of a sweep: every ``of``-th run, in the order of the sweep.

    Without ``fetch`` a dataset's checksum may be unknown; its runs then have provisional ids.

    Raises:
        UserError: a dataset cannot be fetched or read.
    """
    runs = sweep.runs()
    _check_targets(runs)
    checksums = {
        (name, binarise): data.checksum(name, data_dir, binarise)
        if fetch or data.at_hand(name, data_dir)
        else PROVISIONAL
        for name, binarise in dict.fromkeys((run.dataset, run.binarisation) for run in runs)
    }
    named = {run.run_id(checksums[run.dataset, run.binarisation]): run for run in runs}
    named = dict(islice(named.items(), shard.part - 1, None, shard.of))
    return Plan(
        sweep.name, sweep.varying, named, {run_id: run for run_id, run in named.items() if run_id not in finished}
    )


def _check_targets(runs: Iterable[RunConfig]) -> None:
    for dataset, binarise, target in dict.fromkeys((run.dataset, run.binarisation, run.target_rate) for run in runs):
        if target is not None and target > (ceiling := data.largest_rate(dataset, binarise)):
            raise UserError(f"target_rate {target:g}: {dataset} carries at most {ceiling:.2f} nats; ask for less")

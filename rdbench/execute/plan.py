"""From a sweep to the runs still to do."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from rdbench import data
from rdbench.config.run_config import RunConfig
from rdbench.errors import UserError


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep by id, in order: all of them, and those among them that are not finished."""

    runs: dict[str, RunConfig]
    pending: dict[str, RunConfig]


class Shard(NamedTuple):
    """One of ``of`` equal parts of a sweep, counted from 1."""

    part: int
    of: int


WHOLE = Shard(1, 1)

PROVISIONAL = "0" * 64
"""In place of the checksum of a dataset that is not here."""


def parse_shard(text: str) -> Shard:
    """A shard as one types it.

    >>> parse_shard("3/16")
    Shard(part=3, of=16)

    Raises:
        UserError: it is not of that form, or there is no such part.
    """
    part, slash, of = text.partition("/")
    whole = slash and part.isdecimal() and of.isdecimal() and len(of) < 10
    if not (whole and 1 <= int(part) <= int(of)):
        raise UserError(f"--shard: found {text!r}; expected {_parts_of(of)}")
    return Shard(int(part), int(of))


def _parts_of(of: str) -> str:
    """Which shards there are, with the number that was given where it is one."""
    if of.isdecimal() and 0 < len(of) < 10 and int(of) > 1:
        return f"a part from 1/{int(of)} to {int(of)}/{int(of)}"
    return "a part and how many there are, such as 3/16"


def plan(
    runs: Iterable[RunConfig],
    finished: Collection[str],
    data_dir: Path | None,
    shard: Shard = WHOLE,
    fetch: bool = True,
) -> Plan:
    """What is still to do of a shard, which has every ``of``-th run in the order of the sweep.

    Unless it may ``fetch``, the runs on a dataset whose checksum is not known without its files have provisional ids.

    Raises:
        UserError: a dataset cannot be had.
    """
    runs = list(runs)
    _check_targets(runs)
    checksums = {
        (name, binarise): data.checksum(name, data_dir, binarise)
        if fetch or data.at_hand(name, data_dir)
        else PROVISIONAL
        for name, binarise in dict.fromkeys((run.dataset, run.binarisation) for run in runs)
    }
    named = {run.run_id(checksums[run.dataset, run.binarisation]): run for run in runs}
    named = dict(islice(named.items(), shard.part - 1, None, shard.of))
    return Plan(named, {run_id: run for run_id, run in named.items() if run_id not in finished})


def _check_targets(runs: Iterable[RunConfig]) -> None:
    for dataset, binarise, target in dict.fromkeys((run.dataset, run.binarisation, run.target_rate) for run in runs):
        if target is not None and target > (ceiling := data.largest_rate(dataset, binarise)):
            raise UserError(f"target_rate {target:g}: {dataset} carries at most {ceiling:.2f} nats; ask for less")

"""From a sweep to the runs still to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rdbench import data
from rdbench.config import RunConfig
from rdbench.errors import UserError
from rdbench.store import Store


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep by id, in order: all of them, and those among them that the store has no row of."""

    runs: dict[str, RunConfig]
    pending: dict[str, RunConfig]


def plan(runs: Iterable[RunConfig], store: Store, data_dir: Path | None) -> Plan:
    """What is still to do.

    Raises:
        UserError: a dataset cannot be had, or the store cannot be read.
    """
    runs = list(runs)
    _check_targets(runs)
    checksums = {name: data.checksum(name, data_dir) for name in dict.fromkeys(run.dataset for run in runs)}
    named = {run.run_id(checksums[run.dataset]): run for run in runs}
    finished = store.finished()
    return Plan(named, {run_id: run for run_id, run in named.items() if run_id not in finished})


def _check_targets(runs: Iterable[RunConfig]) -> None:
    for run in runs:
        if run.target_rate is not None and run.target_rate > (ceiling := data.largest_rate(run.dataset)):
            raise UserError(
                f"target_rate {run.target_rate:g}: {run.dataset} carries at most {ceiling:.2f} nats; ask for less"
            )

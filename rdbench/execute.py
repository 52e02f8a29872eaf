"""Where runs run: here, one after the other."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import torch
from rich.console import Console

from rdbench import data
from rdbench.config import RunConfig
from rdbench.errors import InterruptedSweepError
from rdbench.family import TOY_DATASET
from rdbench.plan import plan
from rdbench.progress import Display
from rdbench.provenance import command
from rdbench.report.cells import runs_table
from rdbench.report.formats import aligned
from rdbench.run import execute, pick_device
from rdbench.store import Record, Store
from rdbench.sweep import Sweep
from rdbench.tables import join_seeds, mark_frontier, sort_runs
from rdbench.toy import train as toy


def run_sweep(sweep: Sweep, folder: Path, device_name: str, data_dir: Path | None) -> bool:
    """Do the runs of a sweep that the store in ``folder`` does not hold; say whether one of the sweep did not end well.

    Raises:
        UserError: something asked for cannot be; raised before any training.
        InterruptedSweepError: the user stopped it.
    """
    console = Console()
    device = pick_device(device_name)
    store = Store(folder)
    runs = sweep.runs()
    planned = plan(runs, store, data_dir)
    for name in dict.fromkeys(run.dataset for run in planned.pending.values()):
        data.make_ready(name, data_dir)  # before any training
    store.prepare()
    words = {run_id: run.label(sweep.varying) for run_id, run in planned.runs.items()}
    store.announce(sweep.name, command(), words)
    kept = len(planned.runs) - len(planned.pending)
    note = f", {kept} of them already there" if kept else ""
    console.print(
        f"sweep {sweep.name}: {len(planned.runs)} runs{note}, on {device.type}, into {folder}", highlight=False
    )
    with Display(len(planned.pending), sweep.varying, console) as display:
        try:
            for record in here(planned.pending.values(), sweep.name, device, data_dir, display):
                store.write(record)
                display.end(record.row)  # a run counts as done once it is kept
        except KeyboardInterrupt:
            kept += display.done
            raise InterruptedSweepError(
                f"interrupted; {kept} of {len(planned.runs)} runs are whole in {folder}, the same command does the rest"
            ) from None
    store.compact()
    rows = store.read("runs")
    mine = rows.frame[rows.frame["run_id"].isin(list(planned.runs))]
    print(aligned(runs_table(join_seeds(mark_frontier(sort_runs(mine))))))
    console.print(f"results are in {folder}; draw them with: rdbench plot {folder}", highlight=False, soft_wrap=True)
    return bool((mine["status"] != "ok").any())


def here(
    runs: Iterable[RunConfig], sweep: str, device: torch.device, data_dir: Path | None, display: Display
) -> Iterator[Record]:
    """The record of each run of the sweep called ``sweep`` as it finishes."""
    for _, same in groupby(runs, lambda run: run.model_copy(update={"seed": 0} if run.dataset == TOY_DATASET else {})):
        group = list(same)  # toy runs that differ in nothing but their seed are trained together
        display.begin(group[0])
        if group[0].dataset == TOY_DATASET:
            yield from toy.execute(group, sweep, display.show)
            continue
        for run in group:
            yield execute(run, sweep, data.load(run.dataset, data_dir), device, display.show)

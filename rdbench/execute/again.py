"""Do runs of a store again."""

from collections.abc import Collection
from shlex import quote

from rdbench import data
from rdbench.config.run_config import RunConfig, make_run
from rdbench.config.sources import check_sources
from rdbench.errors import UserError
from rdbench.execute.finished_elsewhere import FinishedElsewhere
from rdbench.execute.plan import Plan
from rdbench.execute.runner import Ended, do_runs
from rdbench.execute.task import DEFAULTS, Executor, Settings
from rdbench.runs.checkpoint import Checkpoint
from rdbench.store.claims import Claims
from rdbench.store.plans import noted
from rdbench.store.row_checks import read_config
from rdbench.store.store import Store


def do_again(
    store: Store, run_ids: Collection[str], settings: Settings = DEFAULTS, executor: Executor | None = None
) -> Ended:
    """Do runs of a store or of its plans again, without their saved states; as ``run_sweep``.

    Raises:
        UserError: neither the store nor a plan describes a run, or the data has changed.
    """
    elsewhere = FinishedElsewhere(store)
    sweep, again = _described(store, run_ids)
    for run_id, run in again.items():
        check_sources(run.sources)
        if run.run_id(data.checksum(run.dataset, settings.data_dir, run.binarisation)) != run_id:
            raise UserError(f"run {run_id} was planned with other data than {run.dataset} is here; bring it back")
    with Claims(store.storage) as claims:
        if not claims.take(again):
            raise UserError(f"another process is doing one of these runs; see: rdbench runs {quote(str(store))}")
        for run_id in again:
            Checkpoint(store.storage, run_id).discard()
    varying = [key for key in RunConfig.model_fields if len({getattr(run, key) for run in again.values()}) > 1]
    return do_runs(Plan(sweep, varying, again, again), elsewhere, settings, executor)


def _described(store: Store, run_ids: Collection[str]) -> tuple[str, dict[str, RunConfig]]:
    """The sweep of the first of these runs, and the description of each.

    Raises:
        UserError: a run has no row, and no plan has its settings.
    """
    sweeps, runs = [], {}
    rows = {row["run_id"]: row for row in store.rows_or_none().to_dict("records")}
    for run_id in run_ids:
        if run_id in rows:
            sweeps.append(rows[run_id]["sweep"])
            runs[run_id] = read_config(rows[run_id]["config"])
            continue
        note = noted(store.storage, run_id)
        if note is None or run_id not in note.settings:
            do = f"do it with: {note.command}" if note else "start its sweep again"
            raise UserError(f"the settings of run {run_id} are not noted in {store}; {do}")
        sweeps.append(note.sweep)
        settings = dict(note.settings[run_id])
        # make_run replaces the sources of the plan by those of the parts here, so they are compared before
        check_sources(make_run(settings, reading=True).sources)
        runs[run_id] = make_run(settings)
    return sweeps[0], runs

"""`rdbench runs`, `rdbench merge` and `rdbench evaluate`."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdbench.cli.ended import end, in_terminal
from rdbench.cli.options import (
    BetaOption,
    DataDir,
    DeviceOption,
    FamilyOption,
    JobsOption,
    PluginOption,
    QuietOption,
    StoreArgument,
    WideOption,
)
from rdbench.execute.output import unstoppable

if TYPE_CHECKING:
    import pandas as pd

    from rdbench.runs.judging import Annealing
    from rdbench.store.store import Store

ACTIONS = ("list", "show", "rm", "retry")


def runs(
    store: StoreArgument,
    action: Annotated[str, typer.Argument(metavar="[list|show|rm|retry]", help="What to do.")] = "list",
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Runs, by the beginning of their ids.")] = None,
    status: Annotated[
        str | None,
        typer.Option(help="Only runs that are ok, untrained, diverged, failed, running, unfinished or missing."),
    ] = None,
    wide: WideOption = False,
    device: DeviceOption = "auto",
    jobs: JobsOption = 1,
    data_dir: DataDir = None,
    plugin: PluginOption = [],
    quiet: QuietOption = False,
) -> None:
    """List the runs of a store and their cost; show a run, remove runs, or do runs again.

    Exit codes: as for `rdbench sweep` if runs are done again, else 0, and 2 on wrong usage.
    """
    from rdbench.analysis.report.listing import choose, listing
    from rdbench.config.plugins import load_plugins
    from rdbench.errors import UserError, counted, unknown
    from rdbench.execute.task import Settings
    from rdbench.store.changes import remove
    from rdbench.store.status import Status
    from rdbench.store.store import Store

    if action not in ACTIONS:
        raise unknown("action", action, ACTIONS)
    if status is not None and status not in list(Status):
        raise unknown("status", status, list(Status))
    load_plugins(plugin)
    source = Store(store)
    if action == "list":
        cells, cost = listing(source, status)
        typer.echo(in_terminal(cells, wide))
        typer.echo(f"\n{cost}")
        return
    if not ids and (action == "show" or status is None):
        raise UserError(f"runs {action}: expected the ids of runs{'' if action == 'show' else ', or --status'}")
    chosen = choose(source, ids or [], status)
    if action == "show":
        _show(source, chosen)
    elif action == "rm":
        remove(source, chosen)
        if not quiet:
            with unstoppable():
                typer.echo(f"removed {counted(len(chosen), 'run')} from {source}")
    else:
        from rdbench.execute.again import do_again
        from rdbench.execute.runner import make_executor
        from rdbench.execute.task import Resources

        executor = make_executor("local", Resources(device, jobs))
        with unstoppable():
            end(do_again(source, chosen, Settings(device, data_dir, quiet=quiet), executor), store, quiet)


def _show(store: "Store", run_ids: Sequence[str]) -> None:
    """Print everything that the rows of these runs say; of runs without a row what their sweep's plan says."""
    import numpy as np

    from rdbench.analysis.report.listing import without_answer
    from rdbench.errors import plain
    from rdbench.store.plans import noted
    from rdbench.store.schema import known

    rows = store.rows_or_none()
    shown: list[dict[Any, Any]] = rows[rows["run_id"].isin(run_ids)].to_dict("records")
    states = without_answer(store, rows)
    for run_id in sorted(set(run_ids) - set(rows["run_id"])):
        note = noted(store.storage, run_id)
        planned: dict[Any, Any] = {}
        if note:
            planned = {"sweep": note.sweep, "command": note.command, **note.settings.get(run_id, {})}
        shown.append({"run_id": run_id, "status": states[run_id], **planned})
    for row in shown:
        for name, value in row.items():
            if known(value):
                typer.echo(plain(f"{name}: {value.tolist() if isinstance(value, np.ndarray) else value}"))


@unstoppable()
def merge(
    stores: Annotated[list[str], typer.Argument(metavar="STORE…", help="Stores to bring together.")],
    into: Annotated[str, typer.Option(help="The store that is to hold them all; it may hold runs already.")],
    weights: Annotated[
        str, typer.Option(help="all: of every run, as they are. best: of the best run of each family, in float16.")
    ] = "all",
) -> None:
    """Merge stores: each run is kept once. If two stores contradict each other, nothing is merged and both are shown.

    States of unfinished runs are copied too, unless only the best weights are.
    """
    from rdbench.errors import counted, unknown
    from rdbench.store.merge import Weights
    from rdbench.store.merge import merge as merge_stores
    from rdbench.store.store import Store

    if weights not in list(Weights):
        raise unknown("choice of --weights", weights, list(Weights))
    came, holds = merge_stores([Store(location) for location in stores], Store(into), Weights(weights))
    typer.echo(f"{counted(came, 'run')} came into {Store(into)}, which holds {holds}")


@unstoppable()
def evaluate(
    store: StoreArgument,
    iwae: Annotated[list[int], typer.Option(min=1, help="k of IWAE-k.")] = [],
    split: Annotated[str, typer.Option(help="Of --iwae: test, valid or train.")] = "test",
    family: FamilyOption = [],
    beta: BetaOption = [],
    device: DeviceOption = "auto",
    data_dir: DataDir = None,
    plugin: PluginOption = [],
    labels: Annotated[bool, typer.Option("--labels", help="Fit a linear probe of the labels to z.")] = False,
    ais: Annotated[
        int | None,
        typer.Option(min=1, help="Temperatures of annealed importance sampling, a second judge of log p(x)."),
    ] = None,
    chains: Annotated[
        int | None, typer.Option(min=1, help="Of --ais: chains for each image.", show_default="8")
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(min=2, help="Of --ais: test images, and images that the model draws.", show_default="100"),
    ] = None,
    from_encoder: Annotated[
        bool, typer.Option("--from-encoder", help="Of --ais: begin at e(z|x) and not at m(z), which has no curve.")
    ] = False,
    softened: Annotated[
        float | None,
        typer.Option(help="τ > 0: measure --iwae of codes drawn by exp(−‖zₑ − e‖²/τ), on the test split."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Measure finished runs again from their checkpoints, without training, and add columns to their rows.

    Each run's results are kept (of --ais, those of each 25 images), so the same command goes on after an interruption.
    """
    from rdbench.config.plugins import load_plugins
    from rdbench.errors import UserError, counted
    from rdbench.execute.remeasure import Wanted, remeasure
    from rdbench.execute.task import Settings
    from rdbench.runs.judging import Judge, LabelProbe, SoftenedBound
    from rdbench.store.row_checks import records
    from rdbench.store.store import Store

    judges: list[Judge] = [LabelProbe()] if labels else []
    judges += _annealing(ais, chains, images, from_encoder)
    if split != "test" and judges:
        raise UserError(f"--split {split}: --labels and --ais measure the test split; leave one of them out")
    if softened is not None:
        if not (0 < softened < math.inf and iwae and split == "test"):
            raise UserError(f"--softened {softened:g}: expected τ above 0, --iwae K, and no other split than test")
        judges.append(SoftenedBound(softened, tuple(sorted(set(iwae)))))
        iwae = []
    if not (iwae or judges):
        raise UserError("evaluate: expected what to measure: --iwae K, --labels or --ais TEMPERATURES")
    load_plugins(plugin)
    source = Store(store)
    rows = _of_images(source, family, beta)
    wanted = Wanted(sorted(set(iwae)), split, judges)
    count = remeasure(source, records(rows, rows.columns), wanted, Settings(device, data_dir, quiet=quiet))
    if not quiet:
        typer.echo(f"{count} of {counted(len(rows), 'run')} measured now; the columns are in {source}")


def _annealing(
    temperatures: int | None, chains: int | None, images: int | None, from_encoder: bool
) -> "Sequence[Annealing]":
    """The annealing that was asked for, if any.

    Raises:
        UserError: something says how to anneal, and nothing asks for it.
    """
    from rdbench.errors import UserError
    from rdbench.runs.judging import Annealing

    if temperatures is not None:
        return [Annealing(temperatures, chains or 8, images or 100, from_encoder)]
    if chains or images or from_encoder:
        raise UserError("--chains, --images and --from-encoder say how to anneal; set --ais TEMPERATURES too")
    return []


def _of_images(store: "Store", family: list[str], beta: list[float]) -> "pd.DataFrame":
    """The chosen runs of a store that ended well and explain images.

    Raises:
        UserError: there are none.
    """
    from rdbench.analysis.frame import measured
    from rdbench.analysis.where import select
    from rdbench.config.family import dataset_kind
    from rdbench.errors import UserError

    rows = measured(select(store.read("runs").frame, family, beta, None))
    rows = rows[(rows["dataset"].map(dataset_kind) == "images") & rows["labels"].isna()]
    if rows.empty:
        raise UserError(f"{store} holds no run that ended well and has images; nothing to measure")
    return rows

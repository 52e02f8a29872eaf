"""`rdbench runs`, `rdbench merge` and `rdbench evaluate`."""

import re
from typing import Annotated, Any

import typer

from rdbench.cli.ended import in_terminal, print_runs
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
from rdbench.errors import ExitCode
from rdbench.execute.output import unstoppable

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
    import numpy as np

    from rdbench.analysis.report.listing import choose, listing
    from rdbench.errors import UserError, counted, plain, unknown
    from rdbench.store.changes import remove
    from rdbench.store.schema import known
    from rdbench.store.status import Status
    from rdbench.store.store import Store

    if action not in ACTIONS:
        raise unknown("action", action, ACTIONS)
    if status is not None and status not in list(Status):
        raise unknown("status", status, list(Status))
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
        rows = source.rows_or_none()
        for row in rows[rows["run_id"].isin(chosen)].to_dict("records"):
            for name, value in row.items():
                if known(value):
                    shown = value.tolist() if isinstance(value, np.ndarray) else value
                    typer.echo(plain(f"{name}: {shown}"))
    elif action == "rm":
        remove(source, chosen)
        if not quiet:
            typer.echo(f"removed {counted(len(chosen), 'run')} from {source}")
    else:
        from rdbench.config.plugins import load_plugins
        from rdbench.execute.runner import do_again, make_executor
        from rdbench.execute.task import Resources

        load_plugins(plugin)
        ended = do_again(source, chosen, device, data_dir, make_executor("local", Resources(device, jobs)), quiet)
        if not quiet:
            print_runs(ended.runs, store)
        raise typer.Exit(ExitCode.BROKEN if ended.failed else ExitCode.OK)


def merge(
    stores: Annotated[list[str], typer.Argument(metavar="STORE…", help="Stores to bring together.")],
    into: Annotated[str, typer.Option(help="The store that is to hold them all; it may hold runs already.")],
) -> None:
    """Merge stores: each run is kept once. If two stores contradict each other, nothing is merged and both are shown.

    States of unfinished runs are copied too.
    """
    from rdbench.errors import counted
    from rdbench.store.merge import merge as merge_stores
    from rdbench.store.store import Store

    came, holds = merge_stores([Store(location) for location in stores], Store(into))
    typer.echo(f"{counted(came, 'run')} came into {Store(into)}, which holds {holds}")


@unstoppable()
def evaluate(
    store: StoreArgument,
    iwae: Annotated[list[int], typer.Option(min=1, help="k of IWAE-k.")] = [],
    split: Annotated[str, typer.Option(help="test, valid or train.")] = "test",
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
    chains: Annotated[int, typer.Option(min=1, help="Of --ais: chains for each image.")] = 8,
    images: Annotated[int, typer.Option(min=2, help="Of --ais: test images, and images that the model draws.")] = 100,
    from_encoder: Annotated[
        bool, typer.Option("--from-encoder", help="Of --ais: begin at e(z|x) and not at m(z), which has no curve.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Measure finished runs again from their checkpoints, without training, and add columns to their rows.

    Each run's results are kept (of --ais, those of each 25 images), so the same command goes on after an interruption.
    """
    from rich.console import Console

    from rdbench.analysis.frame import measured
    from rdbench.analysis.report import select
    from rdbench.config.family import dataset_kind
    from rdbench.config.plugins import load_plugins
    from rdbench.errors import UserError, counted
    from rdbench.execute.display import Display
    from rdbench.runs.device import pick_device
    from rdbench.runs.judging import Annealing, Judge, LabelProbe, judge_run
    from rdbench.runs.remeasuring import is_measured, reevaluate
    from rdbench.store.changes import compact
    from rdbench.store.store import Store

    judges: list[Judge] = [LabelProbe()] if labels else []
    judges += [] if ais is None else [Annealing(ais, chains, images, from_encoder)]
    if not (iwae or judges):
        raise UserError("evaluate: expected what to measure: --iwae K, --labels or --ais TEMPERATURES")
    load_plugins(plugin)
    source = Store(store)
    rows = measured(select(source.read("runs").frame, family, beta, None))
    rows = rows[(rows["dataset"].map(dataset_kind) == "images") & rows["labels"].isna()]
    records: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]

    def is_whole(row: dict[str, Any]) -> bool:
        return is_measured(row, iwae, split) and all(judge.is_done(row) for judge in judges)

    todo = [row for row in records if not is_whole(row)]
    if not len(rows):
        raise UserError(f"{source} holds no run that ended well and has images; nothing to measure")
    where = pick_device(device)
    words = {row["run_id"]: f"{row['family']}  {row['run_id']}" for row in todo}
    with Display(len(todo), words, Console(), quiet=quiet) as display:
        for row in todo:
            name = row["run_id"]
            display.begin(name)

            def progress(done: int, total: int, name: str = name) -> None:
                display.show(name, f"{split} split", done, total, "")

            def say(line: str, name: str = name) -> None:
                display.say(name, line)

            new: dict[str, Any] = {}
            if not is_measured(row, iwae, split):
                new |= reevaluate(source, row, sorted(set(iwae)), split, where, data_dir, progress)
            for judge in judges:
                if not judge.is_done(row):
                    new |= judge_run(judge, source, row, where, data_dir, progress, say)
            shown = re.compile(r"((train|valid)_)?iwae_\d+|ais_\d+(_gap)?|probe_(information|error)")
            bounds = "  ".join(f"{key} {value:.3f}" for key, value in new.items() if shown.fullmatch(key))
            display.finish(name, bounds)
    compact(source)
    if not quiet:
        typer.echo(f"{len(todo)} of {counted(len(rows), 'run')} measured now; the columns are in {source}")

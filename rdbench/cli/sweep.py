"""`rdbench sweep` and `rdbench toy`."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdbench.cli.cost import ask_to_begin, tell_cost
from rdbench.cli.ended import end, in_terminal
from rdbench.cli.options import (
    AddressOption,
    BetaOption,
    BudgetOption,
    CheckpointOption,
    CpusOption,
    DataDir,
    DeviceOption,
    FamilyOption,
    GpusOption,
    PluginOption,
    QuietOption,
    SetOption,
    SweepJobsOption,
    among,
    listed,
)
from rdbench.config.parts import names
from rdbench.errors import counted
from rdbench.execute.output import unstoppable
from rdbench.runs.host import CHECKPOINT_SECONDS

if TYPE_CHECKING:
    from rdbench.config.sweep import Sweep
    from rdbench.execute.plan import Plan, Shard
    from rdbench.execute.task import Executor, Settings
    from rdbench.store.store import Store

STARTED = time.time()


def sweep(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE.toml", help="A packaged sweep or a TOML file.")] = "demo",
    store: Annotated[
        str | None, typer.Option(help="Where results go: a folder, or s3://…, gs://…", show_default="outputs/<sweep>")
    ] = None,
    family: FamilyOption = [],
    beta: BetaOption = [],
    seed: Annotated[list[int], typer.Option(help="Random seed.")] = [],
    epochs: Annotated[int | None, typer.Option(help="Passes over the training split.")] = None,
    assignments: SetOption = [],
    device: DeviceOption = "auto",
    data_dir: DataDir = None,
    jobs: SweepJobsOption = None,
    time_budget: BudgetOption = None,
    checkpoint_every: CheckpointOption = CHECKPOINT_SECONDS,
    max_runs: Annotated[int | None, typer.Option(min=1, help="Begin no more than so many runs.")] = None,
    shard: Annotated[str, typer.Option(metavar="PART/OF", help="Only this part of the sweep, such as 3/16.")] = "1/1",
    executor: Annotated[str, typer.Option(help=listed("executor"), callback=among(*names("executor")))] = "local",
    address: AddressOption = None,
    cpus_per_run: CpusOption = 1.0,
    gpus_per_run: GpusOption = None,
    plugin: PluginOption = [],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list the runs that would be done, and what they would cost.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Begin a large sweep without asking.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Train and evaluate every run of a sweep that its store does not hold yet.

    --family chooses among the sweep's families; one that it lacks gets the values of its first grid.
    --beta, --seed, --epochs and --set replace values in all of its grids: --beta 0.5 --beta 1 runs these two.

    The first Ctrl-C keeps what is done and stops, the second stops at once; the same command goes on. Several sweeps on
    one store share the work.

    Exit codes: 0 all runs ended well; 1 a run diverged or failed; 2 wrong usage; 3 ended at --time-budget or --max-runs
    with runs left; 130 interrupted.
    """
    from rdbench.config.plugins import load_plugins
    from rdbench.execute.plan import parse_shard
    from rdbench.execute.task import Resources, Settings
    from rdbench.store.store import Store

    load_plugins(plugin)
    chosen = _chosen(name, assignments, {"family": family, "beta": beta, "seed": seed, "epochs": epochs})
    location = str(Path("outputs") / chosen.name) if store is None else store
    part = parse_shard(shard)
    ends = None if time_budget is None else STARTED + time_budget
    settings = Settings(device, data_dir, ends, max_runs, checkpoint_every, quiet)
    if dry_run:
        _print_plan(chosen, Store(location), part, settings)
        return
    from rdbench.execute.runner import make_executor, run_sweep

    doing = make_executor(executor, Resources(device, jobs or 1, address, cpus_per_run, gpus_per_run))
    with unstoppable():
        doing = _agreed(chosen, Store(location), part, settings, doing, share_cores=jobs is None, yes=yes)
        end(run_sweep(chosen, location, settings, doing, part), location, quiet)


def _chosen(name: str, assignments: list[str], options: Mapping[str, Any]) -> "Sweep":
    """The sweep of that name, with the values that were typed; values of options count before those of --set."""
    from rdbench.config.sweep import load_sweep, parse_assignments

    given = {key: value for key, value in options.items() if value not in (None, [])}
    if "family" in given:
        given["family"] = [name for names in given["family"] for name in names.split(",")]
    return load_sweep(name).with_values(parse_assignments(assignments) | given)


def _agreed(
    chosen: "Sweep", store: "Store", shard: "Shard", settings: "Settings", executor: "Executor", *,
    share_cores: bool, yes: bool,
) -> "Executor":  # fmt: skip
    """The executor for a sweep, after the user has agreed to the cost of a large one.

    With ``share_cores`` a large sweep that would be done one run at a time has as many at once as are fastest.

    Raises:
        InterruptedSweepError: the user does not agree.
    """
    from rdbench.execute.cores import by_timing
    from rdbench.execute.cost import is_large
    from rdbench.execute.local import ThisProcess

    if not is_large(chosen.runs(), settings.data_dir):
        return executor
    planned = _plan(chosen, store, shard, settings)
    if planned.pending:
        if not settings.quiet:
            tell_cost(planned, store, settings)
        ask_to_begin(planned, yes)
    if share_cores and isinstance(executor, ThisProcess) and len(planned.pending) > 1:
        say = (lambda line: None) if settings.quiet else typer.echo
        return by_timing(planned.pending, store.storage, settings.data_dir, say)
    return executor


def _plan(sweep: "Sweep", store: "Store", shard: "Shard", settings: "Settings") -> "Plan":
    """The plan of a sweep; nothing is fetched."""
    from rdbench.data.files import data_folder
    from rdbench.execute.plan import plan

    data_folder(settings.data_dir)
    return plan(sweep, store.finished(), settings.data_dir, shard, fetch=False)


def _print_plan(sweep: "Sweep", store: "Store", shard: "Shard", settings: "Settings") -> None:
    import gc

    from rdbench.errors import plain

    if settings.device == "cuda":
        from rdbench.runs.device import pick_device

        pick_device(settings.device)
    gc.freeze()  # spares imported modules, whose collection takes a tenth of a large plan's time
    planned = _plan(sweep, store, shard, settings)
    lines = [
        f"{run_id}  {plain(run.dataset)}  {run.family.words}  {run.label(planned.varying)}"
        for run_id, run in planned.pending.items()
    ]
    all_runs = counted(len(planned.runs), "run")
    typer.echo("\n".join([*lines, f"{len(lines):,} of {all_runs} to do in {store}"]))
    if planned.pending:
        tell_cost(planned, store, settings)


@unstoppable()
def toy(
    store: Annotated[Path, typer.Option(help="Where results go.")] = Path("outputs/toy"),
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="How many starts each objective has.")] = 10,
    target_rate: Annotated[float, typer.Option(help="R*, in nats.")] = 0.5,
    anneal_epochs: Annotated[int, typer.Option(help="Epochs over which the target, or β, rises from 0.")] = 0,
    epochs: Annotated[int, typer.Option(help="Of 100 steps each.")] = 60,
    quiet: QuietOption = False,
) -> None:
    """The paper's exactly solvable toy: the ELBO, the penalty and an adapted multiplier, and its Figure 2.

    Exit codes as for `rdbench sweep`.
    """
    from rdbench.analysis.plots import draw
    from rdbench.analysis.report.toy import toy_table
    from rdbench.config.sweep import load_sweep
    from rdbench.execute.runner import run_sweep
    from rdbench.execute.task import Settings
    from rdbench.store.store import Store

    values = {"seed": list(range(seeds)), "target_rate": target_rate, "anneal_epochs": anneal_epochs, "epochs": epochs}
    chosen = load_sweep("toy").with_values(values)
    target = Store(store)
    ended = run_sweep(chosen, store, Settings("cpu", quiet=quiet))
    folder = target.figures() or Path("outputs") / target.name / "figures"
    paths, left_out, _ = draw(target, ended.runs, ["toy"], ["png", "svg"], folder)
    more = ["\n" + in_terminal(toy_table(ended.runs)), *map(str, paths), *left_out]
    end(ended, str(store), quiet, more)

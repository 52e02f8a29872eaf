"""`rdbench sweep` and `rdbench toy`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rdbench.cli.cost import ask_to_begin, tell_cost
from rdbench.cli.ended import in_terminal, print_runs
from rdbench.cli.options import (
    AUTO,
    BetaOption,
    DataDir,
    DeviceOption,
    FamilyOption,
    PluginOption,
    QuietOption,
    SweepJobsOption,
    among,
    listed,
)
from rdbench.config.parts import names
from rdbench.errors import ExitCode, counted

if TYPE_CHECKING:
    from rdbench.config.sweep import Sweep
    from rdbench.execute.plan import Plan, Shard
    from rdbench.store.store import Store

STARTED = time.monotonic()


def sweep(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE.toml", help="A packaged sweep or a TOML file.")] = "demo",
    store: Annotated[
        str | None, typer.Option(help="Where results go: a folder, or s3://…, gs://…", show_default="outputs/<sweep>")
    ] = None,
    family: FamilyOption = [],
    beta: BetaOption = [],
    seed: Annotated[list[int], typer.Option(help="Random seed.")] = [],
    epochs: Annotated[int | None, typer.Option(help="Passes over the training split.")] = None,
    assignments: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any key of a run, such as width=0.5; commas give a run for each value."
        ),
    ] = [],
    device: DeviceOption = "auto",
    data_dir: DataDir = None,
    jobs: SweepJobsOption = AUTO,
    time_budget: Annotated[
        str | None, typer.Option(help="Stop before so much time is over, such as 9m or 1h30m.", show_default="none")
    ] = None,
    checkpoint_every: Annotated[str, typer.Option(help="How often a run keeps its state, to go on from.")] = "1m",
    max_runs: Annotated[int | None, typer.Option(min=1, help="Begin no more than so many runs.")] = None,
    shard: Annotated[str, typer.Option(metavar="PART/OF", help="Only this part of the sweep, such as 3/16.")] = "1/1",
    executor: Annotated[str, typer.Option(help=listed("executor"), callback=among(*names("executor")))] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster.", show_default="the one that this machine is in, or a new one")
    ] = None,
    cpus_per_run: Annotated[float, typer.Option(min=0, help="What a run reserves on a Ray cluster.")] = 1.0,
    gpus_per_run: Annotated[
        float | None,
        typer.Option(min=0, help="What a run reserves on a Ray cluster.", show_default="1 where --device takes a GPU"),
    ] = None,
    plugin: PluginOption = [],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list the runs that would be done, and what they would cost.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Begin a large sweep without asking.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Train and evaluate every run of a sweep that its store does not hold yet.

    Repeated options replace the sweep's own lists: --beta 0.5 --beta 1 runs these two.

    The first Ctrl-C keeps what is done and stops, the second stops at once; the same command goes on. Several sweeps on
    one store share the work.

    Exit codes: 0 all runs ended well; 1 a run diverged or failed; 2 wrong usage; 3 ended at --time-budget or --max-runs
    with runs left; 130 interrupted.
    """
    from rdbench.config.plugins import load_plugins
    from rdbench.config.sweep import load_sweep, parse_assignments
    from rdbench.execute.plan import parse_shard
    from rdbench.execute.stopping import parse_duration

    load_plugins(plugin)
    given = {"family": family, "beta": beta, "seed": seed, "epochs": epochs}
    given["family"] = [name for names in family for name in names.split(",")]
    values = parse_assignments(assignments) | {key: value for key, value in given.items() if value not in (None, [])}
    chosen = load_sweep(name).with_values(values)
    location = str(Path("outputs") / chosen.name) if store is None else store
    part = parse_shard(shard)
    budget = None if time_budget is None else parse_duration("--time-budget", time_budget)
    every = parse_duration("--checkpoint-every", checkpoint_every)
    if dry_run:
        if device == "cuda":
            from rdbench.runs.device import pick_device

            pick_device(device)
        _print_plan(chosen, location, device, data_dir, part)
        return
    from rdbench.execute.cores import by_timing
    from rdbench.execute.cost import is_large
    from rdbench.execute.local import ThisProcess
    from rdbench.execute.queue import Limits
    from rdbench.execute.runner import make_executor, run_sweep
    from rdbench.execute.task import Resources

    many = 1 if jobs == AUTO else int(jobs)
    chosen_executor = make_executor(executor, Resources(device, many, address, cpus_per_run, gpus_per_run))
    if is_large(chosen.runs(), data_dir):
        planned, found = _plan(chosen, location, data_dir, part)
        if planned.pending:
            if not quiet:
                tell_cost(planned, found, device, data_dir)
            ask_to_begin(planned, yes)
        if jobs == AUTO and isinstance(chosen_executor, ThisProcess) and len(planned.pending) > 1:
            say = (lambda line: None) if quiet else typer.echo
            chosen_executor = by_timing(planned.pending, found.storage, data_dir, say)
    left = None if budget is None else budget - (time.monotonic() - STARTED)
    limits = Limits(left, max_runs, every)
    ended = run_sweep(chosen, location, device, data_dir, chosen_executor, limits, part, quiet)
    if not quiet:
        print_runs(ended.runs, location)
    raise typer.Exit(ExitCode.BROKEN if ended.failed else ExitCode.OK)


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
    from rdbench.store.store import Store

    values = {"seed": list(range(seeds)), "target_rate": target_rate, "anneal_epochs": anneal_epochs, "epochs": epochs}
    chosen = load_sweep("toy").with_values(values)
    target = Store(store)
    ended = run_sweep(chosen, store, "cpu", None, quiet=quiet)
    folder = target.figures() or Path("outputs") / target.name / "figures"
    paths, left_out, _ = draw(target, ended.runs, ["toy"], ["png", "svg"], folder)
    if not quiet:
        print_runs(ended.runs, str(store))
        typer.echo("\n" + in_terminal(toy_table(ended.runs)))
        for line in (*paths, *left_out):
            typer.echo(line)
    raise typer.Exit(ExitCode.BROKEN if ended.failed else ExitCode.OK)


def _plan(sweep: "Sweep", location: str, data_dir: Path | None, shard: "Shard") -> tuple["Plan", "Store"]:
    """The plan of a sweep, and its store; nothing is fetched."""
    from rdbench.data.files import data_folder
    from rdbench.execute.plan import plan
    from rdbench.store.store import Store

    data_folder(data_dir)
    store = Store(location)
    return plan(sweep.runs(), store.finished(), data_dir, shard, fetch=False), store


def _print_plan(sweep: "Sweep", location: str, device: str, data_dir: Path | None, shard: "Shard") -> None:
    import gc

    from rdbench.errors import plain

    gc.freeze()  # spares imported modules, whose collection takes a tenth of a large plan's time
    planned, store = _plan(sweep, location, data_dir, shard)
    varying = sweep.varying
    lines = [
        f"{run_id}  {plain(run.dataset)}  {run.family.words}  {run.label(varying)}"
        for run_id, run in planned.pending.items()
    ]
    all_runs = counted(len(planned.runs), "run")
    typer.echo("\n".join([*lines, f"{len(lines):,} of {all_runs} to do in {store}"]))
    if planned.pending:
        tell_cost(planned, store, device, data_dir)

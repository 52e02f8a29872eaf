"""The command line: parse, call, print. What is heavy is imported inside the commands."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rdbench import __version__

STARTED = time.monotonic()

if TYPE_CHECKING:
    from rdbench.plan import Shard
    from rdbench.sweep import Sweep

app = typer.Typer(
    help="The rate-distortion benchmark for latent-variable models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="The named datasets: where they are, fetching them, checking them.", no_args_is_help=True)
app.add_typer(data_app, name="data")

DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder of upstream data files.", envvar="RDBENCH_DATA_DIR", show_default="the user's cache"),
]
FamilyOption = Annotated[list[str], typer.Option(help="In words (gaussian-pixelcnn-vamp) or signs (-+v).")]
BetaOption = Annotated[list[float], typer.Option(help="Weight of the rate in D + βR.")]
DatasetArgument = Annotated[str, typer.Argument(metavar="NAME", help="A name from `rdbench data list`.")]
StoreArgument = Annotated[
    str, typer.Argument(metavar="STORE", help="Folder of a sweep's tables, such as outputs/demo, or its URL.")
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rdbench {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    """The rate-distortion benchmark for latent-variable models."""


@app.command()
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
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Any key of a run (see the README).")
    ] = [],
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    data_dir: DataDir = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at once, in processes of their own.")] = 1,
    time_budget: Annotated[
        str | None, typer.Option(help="Stop before so much time is over, such as 9m or 1h30m.", show_default="none")
    ] = None,
    max_runs: Annotated[int | None, typer.Option(min=1, help="Begin no more than so many runs.")] = None,
    shard: Annotated[str, typer.Option(metavar="PART/OF", help="Only this part of the sweep, such as 3/16.")] = "1/1",
    executor: Annotated[str, typer.Option(help="local, or ray (needs rdbench[ray]).")] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster.", show_default="the one that this machine is in, or a new one")
    ] = None,
    cpus_per_run: Annotated[float, typer.Option(min=0, help="What a run reserves on a Ray cluster.")] = 1.0,
    gpus_per_run: Annotated[float, typer.Option(min=0, help="What a run reserves on a Ray cluster.")] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the runs that would be done.")] = False,
) -> None:
    """Train and evaluate every run of a sweep that its store does not hold yet.

    Repeated options replace the sweep's own lists: --beta 0.5 --beta 1 runs these two.

    The first Ctrl-C keeps what is done and stops, the second stops at once; the same command goes on. Several sweeps on
    one store share the work.

    Exit codes: 0 all runs ended well; 1 a run diverged or failed; 2 wrong usage; 3 ended at --time-budget or --max-runs
    with runs left; 130 interrupted.
    """
    from rdbench.plan import parse_shard
    from rdbench.stopping import parse_duration
    from rdbench.sweep import load_sweep, parse_assignments

    given = {"family": family, "beta": beta, "seed": seed, "epochs": epochs}
    given["family"] = [name for names in family for name in names.split(",")]
    values = parse_assignments(assignments) | {key: value for key, value in given.items() if value not in (None, [])}
    chosen = load_sweep(name).with_values(values)
    location = store or str(Path("outputs") / chosen.name)
    part = parse_shard(shard)
    budget = None if time_budget is None else parse_duration(time_budget) - (time.monotonic() - STARTED)
    if dry_run:
        _print_plan(chosen, location, data_dir, part)
        return
    from rdbench.execute import Limits, make_executor, run_sweep

    chosen_executor = make_executor(executor, jobs, address, cpus_per_run, gpus_per_run)
    failed = run_sweep(chosen, location, device, data_dir, chosen_executor, Limits(budget, max_runs), part)
    raise typer.Exit(1 if failed else 0)


@app.command()
def plot(
    store: StoreArgument,
    kind: Annotated[list[str], typer.Option(help="plane, skew, history, phase, samples, attribution or toy.")] = [],
    family: FamilyOption = [],
    beta: BetaOption = [],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for figures.", show_default="figures in the store, or under outputs"),
    ] = None,
    formats: Annotated[str, typer.Option("--format", help="Of png, svg and pdf, with commas between.")] = "png,svg",
    reference: Annotated[bool, typer.Option(help="Show the points that the paper prints.")] = False,
) -> None:
    """Draw figures of a store's runs: of every kind that it has the numbers for, or of those asked for."""
    from rdbench.plots import draw
    from rdbench.report import select
    from rdbench.store import Store

    source = Store(store)
    rows = source.read("runs")
    chosen = select(rows.frame, family, beta, None)
    paths, left_out = draw(
        source,
        chosen,
        kind,
        [name.strip() for name in formats.split(",")],
        out or (Path("outputs") / source.name if "://" in store else Path(store)) / "figures",
        reference=reference,
    )
    for path in paths:
        typer.echo(path)
    for line in (*left_out, *rows.skipped):
        typer.echo(line, err=True)
    raise typer.Exit(2 if kind and left_out else 3 if rows.skipped else 0)


@app.command()
def report(
    store: StoreArgument,
    family: FamilyOption = [],
    beta: BetaOption = [],
    where: Annotated[
        str | None, typer.Option(help="Conditions on columns, such as 'rate < 10 and width == 1'.")
    ] = None,
    format_name: Annotated[str, typer.Option("--format", help="table, markdown, json or html.")] = "table",
    columns: Annotated[str, typer.Option(help="Which numbers of a run: measures, or information.")] = "measures",
    out: Annotated[Path | None, typer.Option(help="File to write.", show_default="the terminal")] = None,
    baseline: Annotated[str | None, typer.Option(help="A store to compare with, run by run.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Let the exit code say what was found.")] = False,
) -> None:
    """Report a store's runs: numbers, verdicts, the paper's numbers beside them, differences.

    Exit codes with --check: 0 nothing broke; 1 a regression or broken bound; 2 wrong usage; 3 missing or failed runs.

    Without it: 0, 2 on wrong usage, 3 if a file in the store cannot be read.
    """
    from rdbench.errors import UserError, unknown
    from rdbench.report import COLUMNS, FORMATS, assemble
    from rdbench.store import Store

    if format_name not in FORMATS:
        raise unknown("format", format_name, FORMATS)
    if columns not in COLUMNS:
        raise unknown("choice of --columns", columns, COLUMNS)
    found = assemble(Store(store), family, beta, where, Store(baseline) if baseline else None)
    content = FORMATS[format_name](found, columns)
    if out is None:
        typer.echo(content)
    else:
        try:
            out.write_text(content + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write {out}: {error.strerror}; name another file with --out") from None
    raise typer.Exit(found.exit_code if check else 3 if found.skipped else 0)


@app.command()
def toy(
    store: Annotated[Path, typer.Option(help="Where results go.")] = Path("outputs/toy"),
    seeds: Annotated[int, typer.Option(min=1, help="How many starts each objective has.")] = 10,
    target_rate: Annotated[float, typer.Option(help="R*, in nats.")] = 0.5,
    anneal_epochs: Annotated[int, typer.Option(help="Epochs over which the target, or β, rises from 0.")] = 0,
    epochs: Annotated[int, typer.Option(help="Of 100 steps each.")] = 60,
) -> None:
    """The paper's exactly solvable toy: the ELBO, the penalty and an adapted multiplier, and its Figure 2.

    Exit codes as for `rdbench sweep`.
    """
    from rdbench.data import checksum
    from rdbench.execute import run_sweep
    from rdbench.family import TOY_DATASET
    from rdbench.plots import draw
    from rdbench.report.formats import aligned
    from rdbench.report.toy import toy_table
    from rdbench.store import Store
    from rdbench.sweep import load_sweep

    values = {"seed": list(range(seeds)), "target_rate": target_rate, "anneal_epochs": anneal_epochs, "epochs": epochs}
    chosen = load_sweep("toy").with_values(values)
    failed = run_sweep(chosen, store, "cpu", None)
    ids = [run.run_id(checksum(TOY_DATASET)) for run in chosen.runs()]
    runs = Store(store).read("runs").frame
    runs = runs[runs["run_id"].isin(ids)]
    typer.echo("\n" + aligned(toy_table(runs)))
    paths, left_out = draw(Store(store), runs, ["toy"], ["png", "svg"], store / "figures", reference=False)
    for line in (*paths, *left_out):
        typer.echo(line)
    raise typer.Exit(1 if failed else 0)


@app.command()
def selftest(
    family: Annotated[str | None, typer.Option(help="Check this family's densities, flows, masks and bounds.")] = None,
) -> None:
    """Check the estimators where the truth is known, or one family on tiny images; no data and no network.

    Exit codes: 0 all passed; 1 one failed; 2 wrong usage.
    """
    from rdbench.family import parse_family
    from rdbench.report.cells import Cells
    from rdbench.report.formats import aligned
    from rdbench.selftest import check_estimators, check_family

    checks = []
    for check in check_family(parse_family(family)) if family else check_estimators():
        checks.append(check)
        typer.echo(f"{'passed' if check.passed else 'FAILED'}  {check.name}", err=True)
    rows = [
        [
            check.name,
            f"{check.truth:.5f}",
            f"{check.estimate:.5f}",
            f"{check.error:.5f}",
            f"{check.tolerance:g}",
            "passed" if check.passed else "FAILED",
        ]
        for check in checks
    ]
    headers = ["check", "truth", "estimate", "error", "tolerance", "verdict"]
    title = "Truth beside estimate, in nats: passed within 4 standard errors and the tolerance"
    typer.echo(aligned(Cells(title, headers, rows, left=frozenset({"check", "verdict"}))))
    failed = sum(not check.passed for check in checks)
    typer.echo(f"\n{len(checks) - failed} of {len(checks)} passed")
    raise typer.Exit(1 if failed else 0)


@app.command()
def families(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the twelve families with their parts and numbers of parameters, at full width."""
    from rdbench.models import parameter_counts
    from rdbench.report.cells import Cells
    from rdbench.report.formats import aligned

    counts = parameter_counts()
    if as_json:
        typer.echo(json.dumps(counts, indent=2))
        return
    parts = ("encoder", "decoder", "marginal", "total")
    rows = [[row["family"], row["signs"], *(f"{row['parameters'][part]:,}" for part in parts)] for row in counts]
    typer.echo(aligned(Cells("Parameters at full width", ["family", "signs", *parts], rows)))


@data_app.command("list")
def list_datasets(data_dir: DataDir = None) -> None:
    """List the named datasets: images in each split, and whether they can be opened without a network."""
    from rich.console import Console
    from rich.table import Table

    from rdbench.data import DATASETS, present

    table = Table("name", "train", "valid", "test", "here", "what it is")
    for name, spec in DATASETS.items():
        sizes = [f"{size:,}" for size in spec.sizes]
        table.add_row(name, *sizes, "yes" if present(name, data_dir) else "no", spec.description)
    Console().print(table)


@data_app.command()
def fetch(name: DatasetArgument, data_dir: DataDir = None) -> None:
    """Make a dataset ready: fetch what is missing, check it, keep a packed copy."""
    from rdbench.data import load

    dataset = load(name, data_dir)
    typer.echo(f"{name}: ready, {_splits(dataset.sizes)}, SHA-256 of the bits {dataset.sha256}")


@data_app.command()
def verify(name: DatasetArgument, data_dir: DataDir = None) -> None:
    """Read a dataset's upstream files again, fetching what is missing, and compare every checksum."""
    from rdbench.data import DATASETS
    from rdbench.data import verify as verify_dataset

    dataset = verify_dataset(name, data_dir)
    known = "as expected" if DATASETS[name].sha256 else "not known beforehand, its file's checksum is as expected"
    typer.echo(f"{name}: {_splits(dataset.sizes)}, SHA-256 of the bits {dataset.sha256}, {known}")


def _splits(sizes: tuple[int, int, int]) -> str:
    return "{:,} train, {:,} validation and {:,} test images".format(*sizes)


def _print_plan(sweep: "Sweep", location: str, data_dir: Path | None, shard: "Shard") -> None:
    from rdbench.plan import plan
    from rdbench.store import Store

    planned = plan(sweep.runs(), Store(location), data_dir, shard)
    lines = [
        f"{run_id}  {run.dataset}  {run.family.words}  {run.label(sweep.varying)}"
        for run_id, run in planned.pending.items()
    ]
    typer.echo("\n".join([*lines, f"{len(lines)} of {len(planned.runs)} runs to do in {location}"]))

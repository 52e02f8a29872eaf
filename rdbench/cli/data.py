"""`rdbench data`."""

import typer

from rdbench.cli.ended import PIPED, in_terminal
from rdbench.cli.options import DataDir, DatasetArgument

data_app = typer.Typer(help="The named datasets: where they are, fetching them, checking them.", no_args_is_help=True)


@data_app.command("list")
def list_datasets(data_dir: DataDir = None) -> None:
    """List the named datasets: side and images in each split, labels, whether they open without a network."""
    from rdbench.analysis.report.cells import Cells
    from rdbench.config.family import dataset_kind
    from rdbench.config.parts import find
    from rdbench.data import DATASETS, present
    from rdbench.data.dataset import SIDE

    headers = ["name", "side", "train", "valid", "test", "here", "labels"]
    rows = []
    for name, spec in DATASETS.items():
        sizes = [f"{size:,}" for size in spec.sizes]
        side, labels = str(SIDE) if dataset_kind(name) == "images" else "–", ", ".join(spec.labels) or "–"
        here = "yes" if present(name, data_dir) else "no"
        rows.append([name, side, *sizes, here, labels])
    left = frozenset({"name", "here", "labels", "what it is"})
    table = Cells("Named datasets, images in each split", headers, rows, left=left)
    what = [[name, find("dataset", name).help] for name in DATASETS]
    about = Cells("What they are", ["name", "what it is"], what, left=left)  # beside the rest it would be a tall column
    typer.echo("\n\n".join(in_terminal(each, whole=PIPED) for each in (table, about)))


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
    for kind, labels in dataset.label_sets.items():
        classes = f"{len(labels.classes)} classes, H(Y) {labels.entropy:.4f} nats"
        typer.echo(f"{name}: labels {kind}, {classes}, SHA-256 {labels.sha256}, as expected")


def _splits(sizes: tuple[int, int, int]) -> str:
    return "{:,} train, {:,} validation and {:,} test images".format(*sizes)

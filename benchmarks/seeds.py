"""Train many seeds of a sweep's families, and show how −ELBO spreads and how many runs are ruined.

A run is trained as `rdbench sweep` trains it, and measured on few images with one draw of z each. Rows are appended to
the CSV file as runs end, and a run that has a row is not made again: call it again to go on, or to add seeds.
"""

import argparse
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch
from machine import append, describe

from rdbench import data
from rdbench.config.run_config import RunConfig
from rdbench.config.sweep import load_sweep
from rdbench.data.dataset import SIDE
from rdbench.data.images import Images
from rdbench.data.trivial import fair_coins, worse_than
from rdbench.measures.bounds import measure
from rdbench.models import make_model
from rdbench.runs.splits import Splits, subset
from rdbench.runs.totals import DivergedError
from rdbench.runs.training import Training

TEST_IMAGES = 200
SETTINGS = ["warmup", "learning_rate", "batch_size"]
WORST_SHOWN = 160


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("out", type=Path, help="the CSV file of rows")
    parser.add_argument("--sweep", default="demo")
    parser.add_argument("--family", action="append", help="signs of a family; by default all twelve")
    parser.add_argument("--seeds", type=int, default=10, help="0 shows what is there")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="further settings")
    parser.add_argument("--figure", type=Path, help="draw −ELBO of every run to this file")
    options = parser.parse_args()
    asked = dict(setting.split("=", 1) for setting in options.set)
    values = {"beta": 1} | asked | {"family": options.family or ["all"]}
    done = set(pd.read_csv(options.out)["run_id"]) if options.out.exists() else set()
    for seed in range(options.seeds):
        for row in rows(load_sweep(options.sweep).with_values(values | {"seed": seed}).runs(), done):
            append(options.out, row)
    found = pd.read_csv(options.out)
    print(table(found).to_string(), describe(), sep="\n\n")
    if options.figure:
        draw(found, options.figure)


def rows(runs: list[RunConfig], done: set[str]) -> Iterator[dict]:
    """A row for each run that has none yet."""
    device = torch.device("cpu")
    for run in runs:
        dataset = data.load(run.dataset)
        run_id = run.run_id(dataset.sha256)
        if run_id in done:
            continue
        images = Splits.of(dataset, run, device)
        started = time.perf_counter()
        torch.manual_seed(run.seed)
        training = Training(make_model(run), images.train, images.valid, run)
        with contextlib.suppress(DivergedError):  # its numbers show it
            training.run()
        torch.manual_seed(run.seed)
        measured = measure(training.model, Images.on(device, subset(dataset.test, TEST_IMAGES))).summary()
        row = {"run_id": run_id, "family": run.family.signs, "seed": run.seed}
        row |= {name: getattr(run, name) for name in SETTINGS}
        row |= {name: measured[name] for name in ("rate", "distortion", "elbo", "elbo_se")}
        yield row | {"seconds": round(time.perf_counter() - started, 1)}


def table(found: pd.DataFrame) -> pd.DataFrame:
    """−ELBO by settings and family: over how many seeds, how many of them ruined, and quantiles of all."""
    measured = zip(found["elbo"], found["elbo_se"], strict=True)
    ruined = [worse_than(-elbo, error, fair_coins(SIDE)) for elbo, error in measured]
    groups = found.assign(neg_elbo=-found["elbo"], ruined=ruined).groupby([*SETTINGS, "family"])
    counts = groups.agg(seeds=("seed", "size"), ruined=("ruined", "sum"))
    quantiles = groups["neg_elbo"].quantile([0, 0.25, 0.5, 0.75, 1]).unstack()
    quantiles.columns = ["least", "25%", "median", "75%", "most"]
    return counts.join(quantiles.round(1))


def draw(found: pd.DataFrame, path: Path) -> None:
    """−ELBO of every run: a column of points for each family, a panel for each of the settings."""
    families = list(dict.fromkeys(found["family"]))
    protocols = list(found.groupby(["warmup", "batch_size"]))
    rates = sorted(found["learning_rate"].unique())
    size = (1 + 2.6 * len(rates), 1 + 2.2 * len(protocols))
    figure, grid = plt.subplots(len(protocols), len(rates), sharey=True, squeeze=False, figsize=size)
    for row, ((warmup, batch), group) in zip(grid, protocols, strict=True):
        for axis, rate in zip(row, rates, strict=True):
            runs = group[group["learning_rate"] == rate]
            if runs.empty:
                axis.set_axis_off()
                continue
            places = pd.Categorical(runs["family"], families).codes + (runs["seed"] % 20 - 9.5) / 30
            shown = (-runs["elbo"]).clip(upper=WORST_SHOWN)
            beyond = shown == WORST_SHOWN
            axis.plot(places[~beyond], shown[~beyond], ".", markersize=3)
            axis.plot(places[beyond], shown[beyond], "r^", markersize=5)
            axis.set_title(f"warm-up {warmup:g}, batch {batch}, rate {rate:g}", fontsize=9)
            axis.set(ylim=(30, WORST_SHOWN + 5), xlim=(-0.6, len(families) - 0.4))
            axis.set_xticks(range(len(families)), families, rotation=90, family="monospace")
    figure.supylabel("−ELBO, nats")
    figure.suptitle(f"A point is a run, a column a family of demo over seeds; a triangle is above {WORST_SHOWN} nats")
    figure.tight_layout()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()

"""Seconds of training until the validation −ELBO comes within 0.5, 1 and 2 nats of the value that the paper prints.

Each line of settings is tried with every seed; the seconds are those of training, without validation. Rows are appended
to the CSV file as runs end, and a run that has a row is not made again: call it again to go on. With --target no
number is taken from print, and the dataset may be any.

    python benchmarks/time_to_target.py time_to_target.csv --family=--- --try "" --try batch_size=128 --try average=0
"""

import argparse
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import torch
from machine import append, describe

from rdbench import data
from rdbench.analysis.paper import printed_points
from rdbench.config.run_config import RunConfig
from rdbench.config.sweep import load_sweep, parse_assignments
from rdbench.models import make_model
from rdbench.runs.provenance import git_commit
from rdbench.runs.splits import Splits
from rdbench.runs.totals import DivergedError
from rdbench.runs.training import Epoch, Training

WITHIN = (0.5, 1.0, 2.0)
"""Nats above the printed value that are reached, or are not."""

CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the CSV file of rows")
    parser.add_argument("--sweep", default="mnist-fast", help="whose settings each try changes")
    parser.add_argument("--family", action="append", help="signs of a family; by default --- and -+-")
    parser.add_argument("--seeds", type=int, default=3, help="0 shows what is there")
    parser.add_argument("--try", dest="tries", action="append", metavar="KEY=VALUE …", help="settings of a try")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of every try")
    parser.add_argument("--target", type=float, help="nats, in place of the printed −ELBO")
    options = parser.parse_args()
    done = set(pd.read_csv(options.out)["run_id"]) if options.out.exists() else set()
    shared = {"family": options.family or ["---", "-+-"], "beta": 1.0, "seed": list(range(options.seeds))}
    for words in options.tries or [""] if options.seeds else []:
        values = shared | parse_assignments([*options.set, *shlex.split(words)])
        for row in rows(load_sweep(options.sweep).with_values(values).runs(), words, options.target, done):
            append(options.out, row)
    print(table(pd.read_csv(options.out)).to_string(), describe(), sep="\n\n")


def rows(runs: Sequence[RunConfig], words: str, target: float | None, done: set[str]) -> Iterator[dict]:
    """A row for each run that has none yet; the run is counted as done then."""
    for run in runs:
        dataset = data.load(run.dataset, None, run.binarisation)
        run_id = run.run_id(dataset.sha256)
        if run_id in done:
            continue
        goal = printed(run) if target is None else target
        images = Splits.of(dataset, run, CPU)
        torch.manual_seed(run.seed)
        training = Training(make_model(run, dataset.side), images.train, images.valid, run)
        status = "ok"
        try:
            training.run()
        except DivergedError:
            status = "diverged"
        done.add(run_id)
        yield {
            "run_id": run_id,
            "family": run.family.signs,
            "tried": words or "as it is",
            "seed": run.seed,
            "target": goal,
            **reached(training.history, goal),
            "status": status,
            "threads": torch.get_num_threads(),
            "git_commit": git_commit(),
        }


def printed(run: RunConfig) -> float:
    """The −ELBO that the paper prints of a run's family and β, not annealed."""
    points = printed_points()
    mine = (points["dataset"] == run.dataset) & (points["family"] == run.family.words) & (points["beta"] == run.beta)
    found = points.loc[mine & ~points["annealed"], "neg_elbo"]
    if len(found) != 1:
        raise SystemExit(f"the paper prints no −ELBO of {run.dataset} {run.family.signs} at β {run.beta}; use --target")
    return float(found.iloc[0])


def reached(history: Sequence[Epoch], target: float) -> dict[str, float]:
    """The seconds of training at the end of the first epoch within each distance of the target, NaN for none."""
    seconds = torch.tensor([epoch.seconds for epoch in history], dtype=torch.float64).cumsum(0).tolist()
    bounds = [epoch.valid_rate + epoch.valid_distortion for epoch in history]
    row = {}
    for distance in WITHIN:
        at = [when for when, bound in zip(seconds, bounds, strict=True) if bound <= target + distance]
        row[f"within_{distance:g}"] = round(at[0], 3) if at else float("nan")
    best = min(bounds, default=float("nan"))
    return row | {"best_valid_neg_elbo": round(best, 3), "seconds": round(seconds[-1], 3) if seconds else 0.0}


def table(found: pd.DataFrame) -> pd.DataFrame:
    """By family and try: how many seeds came within each distance, and their median, least and most seconds."""
    groups = found.groupby(["family", "tried"], sort=False)
    shown = groups.agg(seeds=("seed", "size"), neg_elbo=("best_valid_neg_elbo", "mean"),
                       sd=("best_valid_neg_elbo", "std"), seconds=("seconds", "median"))  # fmt: skip
    for distance in WITHIN:
        name = f"within_{distance:g}"
        shown[name] = groups[name].apply(told)
    return shown.round(2)


def told(seconds: pd.Series) -> str:
    """How many seeds got there, and after how many seconds."""
    there = seconds.dropna()
    if there.empty:
        return f"0 of {len(seconds)}"
    return f"{len(there)} of {len(seconds)}: {there.median():.0f} ({there.min():.0f} to {there.max():.0f})"


if __name__ == "__main__":
    main()

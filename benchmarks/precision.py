"""−ELBO after the same steps in bfloat16 and in float32: the mean difference over seeds, and the seconds of each.

The runs are those of `rdbench sweep`, the same but for their precision; evaluation is in float32 for both.
"""

import argparse
import math
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from machine import describe

from rdbench.config.sweep import load_sweep
from rdbench.execute.runner import make_executor, run_sweep
from rdbench.execute.task import Resources
from rdbench.store.store import Store

COLUMNS = ["family", "seed", "precision", "rate", "elbo", "train_seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--sweep", default="demo")
    parser.add_argument("--family", action="append", help="signs of a family; by default --- and -+-")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, each in a process of its own")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="further settings")
    parser.add_argument("--bound", type=float, default=0.5, help="nats within which bfloat16 is held")
    parser.add_argument("--out", type=Path, help="write a row per run to this Parquet file")
    options = parser.parse_args()
    values: dict[str, Any] = {"beta": 1} | dict(setting.split("=", 1) for setting in options.set)
    values |= {
        "family": options.family or ["---", "-+-"],
        "seed": list(range(options.seeds)),
        "precision": ["float32", "bfloat16"],
    }
    with tempfile.TemporaryDirectory() as store:
        executor = make_executor("local", Resources(jobs=options.jobs))
        run_sweep(load_sweep(options.sweep).with_values(values), store, executor=executor)
        rows = Store(store).read("runs").frame[COLUMNS]
    rows = rows.assign(neg_elbo=-rows["elbo"])
    by_seed = rows.pivot(index=["family", "seed"], columns="precision", values="neg_elbo")
    change = (by_seed["bfloat16"] - by_seed["float32"]).groupby("family", sort=False)
    found = pd.DataFrame({"difference": change.mean(), "error": change.std() / math.sqrt(options.seeds)})
    print(by_seed.round(2), rows.groupby(["family", "precision"])["train_seconds"].median(), sep="\n\n")
    print(found.round(3).to_string(), describe(), sep="\n\n")
    if options.out:
        rows.assign(**describe()).to_parquet(options.out)
    if (found["difference"].abs() > options.bound).any():
        raise SystemExit(f"bfloat16 is more than {options.bound} nats from float32")


if __name__ == "__main__":
    main()

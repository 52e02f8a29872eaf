"""Images a second in training: rdbench, a plain float32 PyTorch loop over the same modules, and Pythae's trainer.

Each contender is a process of its own, and they take turns. The plain loop has a DataLoader of float images, Adam as
torch has it, and no normalised gradients. Pythae (``--pythae``, the Python of an environment with it) trains its VAE
on the same encoder and decoder networks; it can express ``---``. All count steps of training only.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch
from contest import contest, summary
from machine import describe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--family", action="append", help="signs of a family; by default all twelve")
    parser.add_argument("--pythae", help="the Python of an environment with Pythae")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=200 if torch.cuda.is_available() else 5, help="in a turn")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each contender")
    parser.add_argument("--out", type=Path, help="write a row per turn to this Parquet file")
    options = parser.parse_args()
    families = options.family or [e + d + m for e in "-+" for d in "-+" for m in "-+v"]
    rows = []
    for family in families:
        found = contest("train", family, options.batch, options.width, options.steps, options.repeats, options.pythae)
        print(summary(found), flush=True)
        rows += found
    print(summary(rows), describe(), sep="\n")
    if options.out:
        pd.DataFrame(rows).assign(**describe()).to_parquet(options.out)


if __name__ == "__main__":
    main()

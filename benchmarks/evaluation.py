"""IWAE-100 in draws of z a second: rdbench, the whole model run for each draw, and Pythae's ``get_nll``.

Each contender is a process of its own, and they take turns. rdbench gives rate and distortion as well.
"""

import argparse
from pathlib import Path

import pandas as pd
from contest import contest, summary
from machine import describe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--family", action="append", help="signs of a family; by default three")
    parser.add_argument("--pythae", help="the Python of an environment with Pythae")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--images", type=int, default=50, help="in a turn; a tenth of it with autoregressive decoders")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each contender")
    parser.add_argument("--out", type=Path, help="write a row per turn to this Parquet file")
    options = parser.parse_args()
    rows = []
    for family in options.family or ["---", "-+-", "++v"]:
        images = options.images if family[1] == "-" else max(1, options.images // 10)
        rows += contest("evaluate", family, images, options.width, images, options.repeats, options.pythae)
        print(summary(rows), flush=True)
    print(describe())
    if options.out:
        pd.DataFrame(rows).assign(**describe()).to_parquet(options.out)


if __name__ == "__main__":
    main()

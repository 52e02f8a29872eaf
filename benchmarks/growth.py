"""How time and memory grow with width, batch, k and the number of runs, with the exponents of the growth.

Each point is measured in a process of its own: seconds of a training step (width, batch), of IWAE-k of 20 images (k),
or of a report (runs); memory is the peak (Linux's VmHWM) above what the process held once everything was imported.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import contender
import numpy as np
import pandas as pd
from machine import describe

POINTS = {
    "width": [(family, width) for family in ("---", "-+-") for width in (1 / 8, 1 / 4, 1 / 2, 1.0)],
    "batch": [(family, batch) for family in ("---", "-+-") for batch in (8, 32, 128, 512)],
    "k": [("---", k) for k in (5, 50, 500, 5000)],
    "runs": [("", runs) for runs in (100, 1_000, 10_000)],
}
BATCH, WIDTH, IMAGES = 32, 0.25, 20
"""Where they are not what is varied."""


def held(what: str) -> float:
    """The megabytes of this process: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1000


def train(family: str, batch: int, width: float) -> Callable[[], None]:
    step = contender.rdbench("train", family, batch, width)
    return lambda: step(1)


def evaluate(family: str, k: int) -> Callable[[], None]:
    contender.DRAWS = k
    work = contender.rdbench("evaluate", family, BATCH, WIDTH)
    return lambda: work(IMAGES)


def invent(folder: Path, runs: int) -> None:
    from planning import fill, write_sweep

    from rdbench.store.store import Store

    store = Store(folder / "store")
    store.prepare()
    fill(store, write_sweep(2 * runs, folder / "sweep.toml"), np.random.default_rng(0))  # every other run is there


def report(runs: int) -> Callable[[], None]:
    from rdbench.analysis.report import FORMATS, assemble
    from rdbench.store.store import Store

    folder = Path(tempfile.mkdtemp())
    inventor = get_context("spawn").Process(target=invent, args=(folder, runs))  # whose memory must not count
    inventor.start()
    inventor.join()
    store = Store(folder / "store")
    return lambda: print(len(FORMATS["table"](assemble(store, [], [], None, None), "measures")), file=sys.stderr)


def measure(axis: str, family: str, value: float) -> dict[str, float]:
    """The median seconds of a few turns, and the peak of memory above that of the imports."""
    import rdbench.analysis.report
    import rdbench.measures.bounds
    import rdbench.runs.training  # noqa: F401

    before = held("VmRSS")
    turn = {
        "width": lambda: train(family, BATCH, value),
        "batch": lambda: train(family, int(value), WIDTH),
        "k": lambda: evaluate(family, int(value)),
        "runs": lambda: report(int(value)),
    }[axis]()
    if axis != "k":
        turn()  # the first of anything is slow
    seconds = []
    while len(seconds) < 3 or (sum(seconds) < 2 and len(seconds) < 20):
        started = time.perf_counter()
        turn()
        seconds.append(time.perf_counter() - started)
        if seconds[-1] > 10:
            break
    return {"seconds": median(seconds), "MB": held("VmHWM") - before}


def exponents(frame: pd.DataFrame) -> pd.DataFrame:
    """By axis and family, the slopes of log seconds and log megabytes over the log of what varies."""
    rows = []
    for (axis, family), points in frame.groupby(["axis", "family"], sort=False):
        slopes = {
            what: round(float(np.polyfit(np.log(points["value"]), np.log(points[what]), 1)[0]), 2)
            for what in ("seconds", "MB")
        }
        rows.append({"axis": axis, "family": family, **slopes})
    return pd.DataFrame(rows)


def draw(frame: pd.DataFrame, slopes: pd.DataFrame, path: Path) -> None:
    """Seconds above, megabytes below, each over what varies, on logarithmic axes."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    from rdbench.analysis.plots.style import STYLE

    with rc_context(STYLE):
        figure = Figure((11, 5.4))
        for place, axes in zip(
            [(what, axis) for what in ("seconds", "MB") for axis in POINTS], figure.subplots(2, 4).flat, strict=True
        ):
            what, axis = place
            for family, points in frame[frame["axis"] == axis].groupby("family", sort=False):
                slope = slopes.loc[(slopes["axis"] == axis) & (slopes["family"] == family), what].item()
                style = {"---": ("o", "#0072B2"), "-+-": ("^", "#E69F00"), "": ("D", "#009E73")}[family]
                label = f"{family or 'report'}: power {slope:.2f}"
                axes.loglog(points["value"], points[what], marker=style[0], color=style[1], label=label)
            axes.set(xlabel=axis, ylabel={"seconds": "seconds", "MB": "MB above imports"}[what])
            axes.set_ylim(points_limit(frame, axis, what))
            axes.yaxis.set_major_locator(LogLocator(numticks=6))
            axes.yaxis.set_minor_formatter(NullFormatter())
            values = sorted(set(frame.loc[frame["axis"] == axis, "value"]))
            axes.set_xticks(values, [f"{value:,g}" for value in values])
            axes.minorticks_off()
            axes.legend(loc="upper left")
        figure.savefig(path)


def points_limit(frame: pd.DataFrame, axis: str, what: str) -> tuple[float, float]:
    """Room above the points, for the legend."""
    values = frame.loc[frame["axis"] == axis, what]
    return values.min() / 1.6, values.max() * 6


def main() -> None:
    """Measure every point, in turn and several times; print medians and exponents; draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write a row per measurement to this Parquet file")
    parser.add_argument("--figure", type=Path, help="draw medians into this file")
    options = parser.parse_args()
    if options.one:
        axis, family, value = options.one
        print(json.dumps(measure(axis, family.removeprefix("family"), float(value))))
        return
    rows = []
    for repeat in range(options.repeats):
        for axis, points in POINTS.items():
            for family, value in points:
                command = [sys.executable, __file__, "--one", axis, f"family{family}", str(value)]
                told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
                rows.append({"axis": axis, "family": family, "value": value, "repeat": repeat, **told})
    frame = pd.DataFrame(rows)
    medians = frame.groupby(["axis", "family", "value"], sort=False)[["seconds", "MB"]].median().reset_index()
    slopes = exponents(medians)
    print(medians.round(4).to_string(), slopes.to_string(), describe(), sep="\n\n")
    if options.out:
        frame.assign(**describe()).to_parquet(options.out)
    if options.figure:
        draw(medians, slopes, options.figure)


if __name__ == "__main__":
    main()

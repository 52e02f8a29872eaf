"""Compare toy runs with an optimal model built by hand."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rdbench.analysis.report.cells import Cells
from rdbench.config.aims import aim
from rdbench.measures.exact import account, optimal
from rdbench.store.status import Status


def toy_table(runs: pd.DataFrame) -> Cells:
    """One row for each seed: its rate, its divergence from p*, and the information of z about the class."""
    best = account(optimal())
    lines = [["built by hand", "", *_numbers(best, best), ""]]
    ended = runs[runs["status"] == Status.OK].sort_values(["objective", "beta", "target_rate", "distortion"])
    for run in ended.to_dict("records"):
        name = f"{run['objective']}  {aim(run)}"
        lines.append([name, f"{run['seed']}", *_numbers(run, best), f"{run['effective_beta']:.3f}"])
    headers = ["objective", "seed", "R", "D", "R + D − H", "KL(p*‖model)", "I(Z;z*)", "of the best", "β"]
    title = "The toy, in nats, by objective and from the lowest distortion up"
    return Cells(title, headers, lines, left=frozenset({"objective"}))


def _numbers(run: Mapping[Any, Any], best: Mapping[str, float]) -> list[str]:
    share = run["class_information"] / best["class_information"]
    exact = [f"{run[name]:.4f}" for name in ("rate", "distortion")]
    small = [f"{abs(run[name]):.1e}" for name in ("elbo_gap", "likelihood_gap")]
    return [*exact, *small, f"{run['class_information']:.4f}", f"{share:.0%}"]

"""Every column of a good store is damaged in turn, and the gate sees it or says why it cannot.

One store holds a copy of a good run for each damage, under seeds of their own, so that a report judges all at once.
"""

import json
import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from damage import DAMAGES, damaged, why_passed

from rdbench.analysis.examples import summary
from rdbench.analysis.gate.claims import CLAIMS, UNJUDGED
from rdbench.analysis.gate.measured import Measured
from rdbench.analysis.gate.verdicts import verdicts
from rdbench.config.run_config import DESCRIPTION, make_run
from rdbench.data import load
from rdbench.runs.run import execute
from rdbench.store.columns import COLUMNS
from rdbench.store.row_checks import check_rows
from rdbench.store.store import Store

RESULTS = Path(__file__).parents[3] / "results"
GOOD = {
    "codes": (),
    "a diagonal Gaussian": ("demo", "gaussian-deconv-gaussian"),
    "a mixture for a marginal": ("demo", "iaf-pixelcnn-vamp"),
    "a decoder of labels": ("bottleneck", "gaussian-linear-gaussian"),
    "exact": ("toy", "discrete-discrete-discrete"),
}


@cache
def good(name):
    """The row of a good run and the rows of its images, with what `evaluate` adds later."""
    if name == "codes":
        return of_codes()
    store, family = GOOD[name]
    source = Store(RESULTS / store)
    runs = source.read("runs").frame
    row = runs[runs["family"] == family].iloc[0]
    images = source.read("examples", [row["run_id"]]).frame.dropna(axis="columns", how="all")
    row = row.dropna()
    if "iwae_50" in images:
        images["iwae_500"] = images["iwae_50"] + np.float32(0.25)
        row["independent_pixels"], row["image_side"] = 150.0, 28
        row["iwae_500"], row["iwae_500_se"] = row["iwae_50"] + 0.25, row["iwae_50_se"]
        for measure in ("rate", "distortion"):
            row[f"train_{measure}_se"] = row[f"{measure}_se"]
        row["train_elbo"], row["train_elbo_se"] = -(row["train_rate"] + row["train_distortion"]), row["elbo_se"]
        row["train_iwae_50"], row["train_iwae_50_se"] = row["train_elbo"] + 0.5, row["elbo_se"]
        with_other_splits(row)
        with_later_judges(row)
    return row, images


def with_other_splits(row):
    """Add what `evaluate --split valid` adds, and the columns of ``train_information``."""
    for name in ("rate", "distortion", "elbo", "iwae_50"):
        row[f"valid_{name}"], row[f"valid_{name}_se"] = row[name], row[f"{name}_se"]
    for name in ("mutual_information", "active_units", "rate_by_dimension"):
        if name in row:
            row[f"train_{name}"] = row[name]
    if "rate_by_dimension" in row:
        row["train_rate_by_dimension"] = row["rate_by_dimension"] * (row["train_rate"] / row["rate"])
    row["train_marginal_kl"] = row["train_rate"] - row["mutual_information"]
    for name in ("mutual_information", "marginal_kl"):
        row[f"train_{name}_se"] = row[f"{name}_se"]


@cache
def of_codes():
    """A run of codes, which no published store has: a tiny one."""
    run = {"dataset": "sprites", "encoder": "vq", "marginal": "uniform", "width": 0.02, "codes": 8, "grid": 4}
    few = {"epochs": 1, "batch_size": 16, "train_images": 64, "evaluation_images": 20, "allow_untrained": True}
    record = execute(make_run(run | few), "tiny", load("sprites"), torch.device("cpu"))
    return pd.Series(dict(record.row)).dropna(), pd.DataFrame(dict(record.examples))


def with_later_judges(row):
    """Add what annealing, a softened encoder and a probe find, as `evaluate` would."""
    row["ais_images"], row["ais_chains"] = 100, 8
    for suffix, value in {"": row["elbo"] + 2, "_upper": -5.0, "_gap": 2.0, "_less_iwae": 0.1}.items():
        row[f"ais_500{suffix}"], row[f"ais_500{suffix}_se"] = value, 0.5
    row["softened_iwae_50"], row["softened_iwae_50_se"], row["softened_iwae_50_tau"] = row["elbo"] + 0.2, 0.5, 0.1
    row["probe_entropy"], row["probe_error"], row["probe_error_se"] = np.log(4), 0.7, 0.01
    row["probe_information"], row["probe_information_se"] = 0.001, 0.01


def copy(row, seed):
    """The same run under another seed."""
    config = make_run(json.loads(row["config"]) | {"seed": seed})
    own = {"seed": seed, "config": config.model_dump_json(), "run_id": config.run_id(row["dataset_sha256"])}
    return row.to_dict() | own


def excused(column, damage):
    """Whether a list beside the claims says why this damage passes."""
    return why_passed(column, damage) is not None


def read(rows, images):
    """The rows that are a run's, and the means over their images."""
    frame = pd.DataFrame(rows)
    frame = frame.assign(**{name: np.nan for name in DESCRIPTION if name not in frame})
    kept, _ = check_rows(frame)
    return kept, summary(images).reindex(kept["run_id"]).assign(expected=1.0)


def caught(rows, images):
    """Which of the rows, by their place, the gate does not pass."""
    kept, means = read(rows, images)
    bad = {run_id for verdict in verdicts(kept, means) for run_id in (*verdict.broken, *verdict.missing)}
    passed = set(kept.loc[kept["status"] == "ok", "run_id"]) - bad
    return [row["run_id"] not in passed for row in rows]


def test_claims_read_the_columns_that_they_say():
    rows, images = zip(*map(good, GOOD), strict=True)
    rows = [copy(row, 1000) for row in rows]
    tables = [mine.assign(run_id=row["run_id"]) for row, mine in zip(rows, images, strict=True)]
    measured = Measured(*read(rows, pd.concat(tables)))
    for claim in CLAIMS:
        measured.read.clear()
        list(claim.rule(measured))
        for pattern in claim.reads.split():
            there = any(fnmatchcase(name, pattern) for name in measured.frame)  # no good run has labels or was annealed
            assert not there or any(fnmatchcase(name, pattern) for name in measured.read), (claim.words, pattern)
        for name in measured.read:
            assert any(fnmatchcase(name, pattern) for pattern in claim.reads.split()), (claim.words, name)


@pytest.mark.parametrize("name", GOOD)
def test_every_damage_to_a_row_is_seen_or_excused(name):
    row, images = good(name)
    rows, what = [copy(row, 1000)], [None]
    for column, value in row.items():
        for damage in DAMAGES:
            changed = damaged(value, damage)
            if changed is not None:
                rows.append(copy(row, 1001 + len(rows)) | {column: changed})
                what.append((column, damage))
    per_run = pd.concat([images.assign(run_id=each["run_id"]) for each in rows], ignore_index=True)
    seen = caught(rows, per_run)
    assert not seen[0], "the good run itself"
    unseen = [damage for damage, is_seen in zip(what[1:], seen[1:], strict=True) if not is_seen]
    assert [damage for damage in unseen if not excused(*damage[:2])] == []


@pytest.mark.parametrize("name", GOOD)
def test_every_damage_to_examples_is_seen_or_excused(name):
    row, images = good(name)
    rows, per_run, what = [copy(row, 1000)], [images.assign(run_id=copy(row, 1000)["run_id"])], [None]
    for column in images.columns.drop(["run_id"]):
        for damage in DAMAGES:
            for part in ("one image", "all images"):
                mine = copy(row, 1000 + len(rows))
                changed = images.assign(run_id=mine["run_id"])
                values = images[column].head(1) if part == "one image" else images[column]
                cells = [damaged(value, damage) for value in values]
                if cells[0] is None or (column == "index" and damage == "missing"):
                    continue
                changed[column] = changed[column].astype(object)
                changed.loc[changed.index[: len(cells)], column] = cells
                rows.append(mine)
                per_run.append(changed.infer_objects())
                what.append((f"examples.{column}", damage, part))
    twice = pd.concat([images, images.head(1)])
    for cut, damage in ((images.iloc[:0], "none"), (images.iloc[1:], "one less"), (twice, "one twice")):
        rows.append(copy(row, 1000 + len(rows)))
        per_run.append(cut.assign(run_id=rows[-1]["run_id"]))
        what.append(("examples", damage))
    seen = caught(rows, pd.concat(per_run, ignore_index=True))
    assert not seen[0], "the good run itself"
    unseen = [damage for damage, is_seen in zip(what[1:], seen[1:], strict=True) if not is_seen]
    assert [damage for damage in unseen if not excused(*damage[:2])] == []


def test_every_column_is_damaged_or_excused():
    """Of settings, those that another objective or dataset has; a row that has one of them is of another run."""
    rows, images = zip(*map(good, GOOD), strict=True)
    for table, frames in {"runs": rows, "examples": [image.T for image in images]}.items():
        there = {re.sub(r"_\d+(?=_|$)", "_{k}", name, count=1) for frame in frames for name in frame.index}
        declared = {name for column in COLUMNS[table] for name in column.names}
        assert [name for name in declared - there if not {name, f"{table}.{name}"} & set(UNJUDGED)] == []


def added(nats, *columns):
    """Damage that adds nats to columns."""
    return lambda row: {name: row[name] + nats for name in columns}


TOGETHER = {
    "D lower and the ELBO higher": lambda row: added(-60, "distortion")(row) | added(60, "elbo")(row),
    "every IWAE higher": added(60, "iwae_1", "iwae_5", "iwae_50"),
    "D below 0": lambda row: {"distortion": -50.0, "elbo": 50.0 - row["rate"]},
    "IWAE-1 below the ELBO": added(-3, "iwae_1", "iwae_1_gap"),
    "a later IWAE higher": added(100, "iwae_500"),
    "a later IWAE missing": lambda row: {"iwae_500": np.nan},
    "a later IWAE below the others": added(-20, "iwae_500"),
    "I(X;Z) above R": lambda row: {"mutual_information": row["rate"] + 1, "marginal_kl": -1.0},
    "I(X;Z) above log N": lambda row: {"mutual_information": 4.7, "marginal_kl": row["rate"] - 4.7},
    "E above G": added(60, "generative_e"),
    "more active units than dimensions": lambda row: {"active_units": row["latent_dim"] + 1},
    "every error huge": lambda row: {name: 1000 * row[name] for name in row if name.endswith("_se")},
    "no error of the ELBO": lambda row: {"elbo_se": np.nan},
    "more images than there are": lambda row: {"test_images": row["test_images"] + 1},
    "no entropy": lambda row: {"entropy": 0.0},
    "another id": lambda row: {"run_id": "0" * 16},
}


@pytest.mark.parametrize("with_examples", [True, False])
def test_numbers_damaged_together_are_seen(with_examples):
    row, images = good("a diagonal Gaussian")
    rows = [copy(row, 1000)] + [copy(row, 1001 + number) for number in range(len(TOGETHER))]
    rows[1:] = [mine | damage(mine) for mine, damage in zip(rows[1:], TOGETHER.values(), strict=True)]
    if with_examples:
        images = pd.concat([images.assign(run_id=mine["run_id"]) for mine in rows], ignore_index=True)
        seen = caught(rows, images)
    else:
        kept, _ = read(rows, images)
        bad = {run_id for verdict in verdicts(kept, pd.DataFrame()) for run_id in (*verdict.broken, *verdict.missing)}
        seen = [mine["run_id"] in bad for mine in rows]
    assert not seen[0]
    unseen = [name for name, is_seen in zip(TOGETHER, seen[1:], strict=True) if not is_seen]
    needs_examples = ["a later IWAE higher", "a later IWAE below the others"]  # else the errors of two means allow it
    assert unseen == ([] if with_examples else needs_examples)

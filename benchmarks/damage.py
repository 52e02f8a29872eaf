"""Damage each column of a run of a good store in turn, and see what `rdbench report --check` exits with.

Prints a Markdown table: the columns that answer alike stand in one row. The test of the gate uses the same damages.
"""

import argparse
import tempfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rdbench.analysis.gate.claims import PARTLY_JUDGED, UNJUDGED
from rdbench.analysis.gate.measured import ROUNDING
from rdbench.analysis.report import assemble
from rdbench.config.parts import all_settings
from rdbench.config.run_config import DESCRIPTION
from rdbench.errors import UserError
from rdbench.store.columns import Table
from rdbench.store.schema import serialized, with_column
from rdbench.store.store import Store

DAMAGES = ("missing", "60 more", "60 less", "1000 times", "other")

FILLED = {*DESCRIPTION, *all_settings(), "train_images", "valid_images", "precision"}
"""Where these are missing, what was asked for stands in their place, and a run's id is the hash of that."""

NEWER = {"independent_pixels", "image_side"}
"""Rows of earlier versions lack these."""


def damaged(value: Any, damage: str) -> Any:
    """A value damaged, NaN if it is to be missing; None where that is rounding, or nothing that the column can hold."""
    if damage == "missing":
        return np.nan
    if isinstance(value, bool | np.bool_):
        return not value if damage == "other" else None
    if isinstance(value, str):
        return "f" * len(value) if damage == "other" else None
    if isinstance(value, int | float | np.number | np.ndarray) and damage != "other":
        changed = {"60 more": value + 60, "60 less": value - 60, "1000 times": value * 1000}[damage]
        return None if np.allclose(changed, value, rtol=0, atol=ROUNDING) else changed
    return None


def why_passed(column: str, damage: str) -> str | None:
    """Why this damage may pass, None if it must not."""
    if damage == "missing" and column in FILLED:
        return "the description stands in its place"
    if damage == "missing" and column in NEWER:
        return "rows of earlier versions lack it"
    partly = [why for pattern, why in PARTLY_JUDGED.items() if fnmatchcase(column, pattern) and damage != "missing"]
    return UNJUDGED.get(column) or next(iter(partly), None)


def exit_code(tables: dict[Table, pa.Table]) -> int:
    """What the gate says of a store with these tables."""
    with tempfile.TemporaryDirectory() as folder:
        for table, rows in tables.items():
            (Path(folder) / table).mkdir()
            (Path(folder) / table / "compacted-0.parquet").write_bytes(serialized(rows))
        try:
            return int(assemble(Store(folder), [], [], None, None).exit_code)
        except UserError as error:
            return int(error.exit_code)


def answers(tables: dict[Table, pa.Table], table: Table) -> Iterator[tuple[str, str, list[str]]]:
    """Each column of a table with a value, why a damage may pass, and the exit code at each damage."""
    for name in tables[table].column_names:
        values = tables[table][name].to_pandas().dropna().tolist()
        if not values:
            continue
        codes, column = [], name if table == "runs" else f"{table}.{name}"
        for damage in DAMAGES:
            cells = [damaged(np.array(value) if isinstance(value, list) else value, damage) for value in values]
            if cells[0] is None:
                codes.append("")
                continue
            kind = tables[table][name].type
            changed = pa.array(cells, kind, from_pandas=True)
            codes.append(str(exit_code({**tables, table: with_column(tables[table], name, changed)})))
        passed = [damage for damage, code in zip(DAMAGES, codes, strict=True) if code == "0"]
        yield column, "; ".join(dict.fromkeys(why_passed(column, damage) or "NOT SEEN" for damage in passed)), codes


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--family", default="gaussian-deconv-gaussian")
    options = parser.parse_args()
    store = Store(options.store)
    runs = store.read("runs").frame
    run_id = runs.loc[runs["family"] == options.family, "run_id"].iloc[0]
    found = {table: store.arrow(table, [run_id]) for table in ("runs", "examples")}
    print(f"run {run_id} of {store} as it is: exit code {exit_code(found)}\n")
    alike: dict[tuple[str, ...], list[str]] = {}
    for table in found:
        for column, why, codes in answers(found, table):
            alike.setdefault((*codes, why), []).append(f"`{column}`")
    for row in (["columns", *DAMAGES, "why 0"], ["---"] * (len(DAMAGES) + 2)):
        print(f"| {' | '.join(row)} |")
    for key, columns in alike.items():
        print(f"| {' | '.join([', '.join(columns), *key])} |")


if __name__ == "__main__":
    main()

"""Conditions on runs, such as ``rate < 10 and family == iaf-deconv-maf``; they are parsed, never run as Python."""

import operator
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from rdbench.config.family import parse_family
from rdbench.errors import UserError, counted, unknown

OPERATORS = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
EQUAL = ("==", "=", "!=")
CONDITION = re.compile(r"""\s*(\w+)\s*(<=|>=|==|!=|<|>|=)\s*("[^"]*"|'[^']*'|[^\s"']\S*)\s*(and\s|$)""")
"""A column, an operator, and a value: one word, or anything in quotes."""

TRUTHS = {"true": True, "false": False}


def where(runs: pd.DataFrame, text: str) -> pd.DataFrame:
    """The runs that meet all conditions in ``text``, which are joined by ``and``.

    >>> where(pd.DataFrame({"rate": [1.0, 20.0]}), "rate < 10")
       rate
    0   1.0

    Raises:
        UserError: a condition is not ``column operator value``, or names no column.
    """
    for column, sign, value in _conditions(text):
        if column not in runs.columns:
            raise unknown("column", column, [str(name) for name in runs.columns])
        wanted = _like(runs[column], sign, value)
        runs = runs[OPERATORS[sign](runs[column], wanted)]
    return runs


def _conditions(text: str) -> Iterator[tuple[str, str, str]]:
    """The column, operator and value of each condition.

    >>> list(_conditions("rate<10 and dataset == 'black and white.npz'"))
    [('rate', '<', '10'), ('dataset', '==', 'black and white.npz')]
    """
    place = 0
    while True:
        match = CONDITION.match(text, place)
        if not match:
            found = text[place:].strip()
            raise UserError(f"--where: found {found!r}; expected conditions such as 'rate < 10 and beta == 1'")
        column, sign, value, ending = match.groups()
        yield column, sign, value[1:-1] if value[0] in "'\"" else value
        if not ending:
            return
        place = match.end()


def select(runs: pd.DataFrame, families: list[str], betas: list[float], condition: str | None) -> pd.DataFrame:
    """The runs of these families and β (all if none is given) that meet the condition.

    Raises:
        UserError: a family or the condition is invalid, or no run is left.
    """
    chosen = runs
    if families:
        here = set(runs["family"])  # a store may have families whose parts are not installed
        wanted = [family if family in here else parse_family(family).words for family in families]
        chosen = chosen[chosen["family"].isin(wanted)]
    if betas:
        chosen = chosen[chosen["beta"].isin(betas)]
    if condition:
        chosen = where(chosen, condition)
    if chosen.empty:
        raise UserError(f"none of {counted(len(runs), 'run')} has the families, β and conditions asked for")
    return chosen


def _like(column: pd.Series, sign: str, value: str) -> float | str | bool:
    """``value`` in the type of the column; a family may be given by its signs."""
    if column.map(lambda cell: isinstance(cell, np.ndarray)).any():
        raise UserError(f"--where: {column.name} has a list of numbers for each run; choose a column of single values")
    if column.map(lambda cell: isinstance(cell, bool)).any():
        if sign not in EQUAL or value.lower() not in TRUTHS:
            raise UserError(f"--where: found {column.name} {sign} {value}; expected {column.name} == true, or false")
        return TRUTHS[value.lower()]
    if not pd.api.types.is_numeric_dtype(column):
        if sign not in EQUAL:
            raise UserError(
                f"--where: found {column.name} {sign} {value}; {column.name} is text, compare it by == or !="
            )
        is_name = column.name == "family" and value not in set(column)
        return parse_family(value).words if is_name else value
    try:
        return float(value)
    except ValueError:
        raise UserError(f"--where: found {value!r}; expected a number for {column.name}") from None

"""Conditions on runs, such as ``rate < 10 and family == iaf-deconv-maf``: parsed here, never evaluated as Python."""

import operator
import re

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
CONDITION = re.compile(r"\s*(\w+)\s*(<=|>=|==|!=|<|>|=)\s*(\S+)\s*")


def where(runs: pd.DataFrame, text: str) -> pd.DataFrame:
    """The runs that meet every one of the conditions in ``text``, joined by ``and``.

    >>> where(pd.DataFrame({"rate": [1.0, 20.0]}), "rate < 10")
       rate
    0   1.0

    Raises:
        UserError: a condition is not ``column operator value``, or names no column.
    """
    for part in re.split(r"\band\b", text):
        match = CONDITION.fullmatch(part)
        if not match:
            raise UserError(f"--where: found {part.strip()!r}; expected conditions such as 'rate < 10 and beta == 1'")
        column, sign, value = match.groups()
        if column not in runs.columns:
            raise unknown("column", column, [str(name) for name in runs.columns])
        wanted = _like(runs[column], sign, value.strip("'\""))
        runs = runs[OPERATORS[sign](runs[column], wanted)]
    return runs


def select(runs: pd.DataFrame, families: list[str], betas: list[float], condition: str | None) -> pd.DataFrame:
    """The runs of these families and β, where any are given, that meet the condition.

    Raises:
        UserError: a family or the condition is refused, or no run is left.
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
        raise UserError(f"of {counted(len(runs), 'run')} none is of the families, β and conditions asked for")
    return chosen


def _like(column: pd.Series, sign: str, value: str) -> float | str:
    """``value`` in the column's kind; a family may be given by its signs."""
    if not pd.api.types.is_numeric_dtype(column):
        if sign not in ("==", "=", "!="):
            raise UserError(
                f"--where: found {column.name} {sign} {value}; {column.name} is text, compare it by == or !="
            )
        is_name = column.name == "family" and value not in set(column)
        return parse_family(value).words if is_name else value
    try:
        return float(value)
    except ValueError:
        raise UserError(f"--where: found {value!r}; expected a number for {column.name}") from None

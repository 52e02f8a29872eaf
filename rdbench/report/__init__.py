"""A store's runs as tables, verdicts and exit codes; no torch."""

from rdbench.report.assemble import Report, assemble
from rdbench.report.cells import COLUMNS
from rdbench.report.formats import FORMATS
from rdbench.report.where import select

__all__ = ["COLUMNS", "FORMATS", "Report", "assemble", "select"]

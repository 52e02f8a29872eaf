"""Reports of a store's runs: tables, verdicts and exit codes, without torch."""

from rdbench.analysis.report.assemble import Report, assemble
from rdbench.analysis.report.cells import COLUMNS
from rdbench.analysis.report.formats import FORMATS
from rdbench.analysis.where import select

__all__ = ["COLUMNS", "FORMATS", "Report", "assemble", "select"]

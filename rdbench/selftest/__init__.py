"""Checks of estimators and families against truths found in another way; they need no data and no network."""

from rdbench.selftest.check import Check
from rdbench.selftest.contract import check_contract
from rdbench.selftest.densities import check_family
from rdbench.selftest.estimators import check_estimators

__all__ = ["Check", "check_contract", "check_estimators", "check_family"]

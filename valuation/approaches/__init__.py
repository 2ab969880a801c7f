"""Approaches to value, one module each, all returning an `Estimate`."""

from valuation.approaches.accounts import Account, account, chart
from valuation.approaches.cost import CostInputs
from valuation.approaches.estimate import CURRENCY, Estimate, Limitation, Sensitivity, Step

__all__ = [
    "CURRENCY",
    "Account",
    "CostInputs",
    "Estimate",
    "Limitation",
    "Sensitivity",
    "Step",
    "account",
    "chart",
]

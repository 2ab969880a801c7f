"""Approaches to value, one module each, all returning an `Estimate`, and what makes one value of them."""

from valuation.approaches.accounts import Account, account, chart
from valuation.approaches.cost import CostInputs
from valuation.approaches.estimate import CURRENCY, Estimate, Limitation, Sensitivity, Step
from valuation.approaches.income import IncomeInputs
from valuation.approaches.market import Aggregate, Comparable, MarketInputs, Trade
from valuation.approaches.reconcile import WEIGHTS, Reconciliation, reconcile

__all__ = [
    "CURRENCY",
    "WEIGHTS",
    "Account",
    "Aggregate",
    "Comparable",
    "CostInputs",
    "Estimate",
    "IncomeInputs",
    "Limitation",
    "MarketInputs",
    "Reconciliation",
    "Sensitivity",
    "Step",
    "Trade",
    "account",
    "chart",
    "reconcile",
]

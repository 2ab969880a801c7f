"""Who contributed what: Shapley values of publishers in a bundle and of rows in a table, and payouts from them."""

from valuation.contribution.bundle import Bundle, Publisher, Shares, contributions
from valuation.contribution.models import MENU, Model, Samples
from valuation.contribution.neighbours import row_values
from valuation.contribution.payout import Payout, payouts
from valuation.contribution.shapley import MOST_EXACT, Allocation, exact, sampled

__all__ = [
    "MENU",
    "MOST_EXACT",
    "Allocation",
    "Bundle",
    "Model",
    "Payout",
    "Publisher",
    "Samples",
    "Shares",
    "contributions",
    "exact",
    "payouts",
    "row_values",
    "sampled",
]

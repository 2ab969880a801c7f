"""What is in a table: counts, distinct values, distributions, order of times, duplicates."""

from valuation.profile.model import (
    ColumnProfile,
    FormatCount,
    Histogram,
    Lengths,
    Profile,
    Quantiles,
    TimeProfile,
    TopValue,
)
from valuation.profile.run import Progress, profile

__all__ = [
    "ColumnProfile",
    "FormatCount",
    "Histogram",
    "Lengths",
    "Profile",
    "Progress",
    "Quantiles",
    "TimeProfile",
    "TopValue",
    "profile",
]

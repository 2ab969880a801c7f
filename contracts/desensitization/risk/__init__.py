"""How much a table still says about single rows, before it leaves: everything is computed from counts of groups.

groups    the counts, one GROUP BY in DuckDB with bounded memory
models    k-anonymity, l-diversity, t-closeness, delta-presence, re-identification risks
lattice   the least generalisation that keeps every group large enough, exactly
utility   what is lost on the way
attack    what an attacker who has the source finds in the result
purchases what one buyer holds together
report    the effect grade of GB/T 42460 and the figures behind it
"""

from contracts.desensitization.risk.attack import Attempt, attempt
from contracts.desensitization.risk.groups import Groups, count
from contracts.desensitization.risk.lattice import Hierarchy, Node, search
from contracts.desensitization.risk.models import (
    Risks,
    closeness,
    distinct_diversity,
    entropy_diversity,
    k_anonymity,
    presence,
    recursive_diversity,
    risks,
)
from contracts.desensitization.risk.purchases import held_together
from contracts.desensitization.risk.report import Report, assess, rare
from contracts.desensitization.risk.utility import Utility, compare

__all__ = [
    "Attempt",
    "Groups",
    "Hierarchy",
    "Node",
    "Report",
    "Risks",
    "Utility",
    "assess",
    "attempt",
    "closeness",
    "compare",
    "count",
    "distinct_diversity",
    "entropy_diversity",
    "held_together",
    "k_anonymity",
    "presence",
    "rare",
    "recursive_diversity",
    "risks",
    "search",
]

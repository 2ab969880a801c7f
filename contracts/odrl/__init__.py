"""Usage policies in ODRL 2.2: read, decide, describe, and build from templates.

policy = parse(document)
decision = evaluate(policy, Request("use", buyer, dataset, "research", at=now), World(counts={"use": 3}))
describe(policy, "zh")
templates.build("n-times", count=5)
"""

from contracts.odrl import templates
from contracts.odrl.compiler import unknowns
from contracts.odrl.conflicts import conflicts
from contracts.odrl.decision import Decision, Deny, Obligation, Permit, Reason, Request, World
from contracts.odrl.describe import describe
from contracts.odrl.evaluate import evaluate
from contracts.odrl.inheritance import inherit
from contracts.odrl.jsonld import parse
from contracts.odrl.model import (
    Action,
    Collection,
    Constraint,
    Duty,
    LogicalConstraint,
    Other,
    Permission,
    Policy,
    Prohibition,
    Value,
)
from contracts.odrl.simulate import simulate
from contracts.odrl.vocabulary import PURPOSES

__all__ = [
    "PURPOSES",
    "Action",
    "Collection",
    "Constraint",
    "Decision",
    "Deny",
    "Duty",
    "LogicalConstraint",
    "Obligation",
    "Other",
    "Permission",
    "Permit",
    "Policy",
    "Prohibition",
    "Reason",
    "Request",
    "Value",
    "World",
    "conflicts",
    "describe",
    "evaluate",
    "inherit",
    "parse",
    "simulate",
    "templates",
    "unknowns",
]

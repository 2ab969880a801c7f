"""The terms of a policy as a graph holds them, shared by the way in and the way out."""

from __future__ import annotations

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

RULES = ("permission", "prohibition", "obligation")
# Properties whose value is a part of the policy, described in its own right.
PARTS = frozenset(
    {*RULES, "duty", "remedy", "consequence", "constraint", "refinement", "and", "or", "xone", "andSequence"}
)
MEMBERS = frozenset({"target", "assigner", "assignee"})
TERMS = frozenset({"leftOperand", "operator", "conflict", "dataType"})

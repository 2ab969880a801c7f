"""The JSON-LD context of ODRL 2.2 and of the Dataspace Protocol, as far as policies need it.

Source: https://www.w3.org/ns/odrl.jsonld and https://w3id.org/dspace/2025/1/context.jsonld. Both give the terms of a
policy the same meaning, so one context stands for either. Two slips of the first are mended here: it makes `neq` and
`industry` terms that ODRL does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from contracts.odrl.vocabulary import CONFLICTS, INCLUDED_IN, LOGICAL, OPERATORS, PARTY_FUNCTIONS, PREFIXES, TYPES

_LEFT_OPERANDS = [
    "absolutePosition",
    "absoluteSize",
    "absoluteSpatialPosition",
    "absoluteTemporalPosition",
    "count",
    "dateTime",
    "delayPeriod",
    "deliveryChannel",
    "elapsedTime",
    "event",
    "fileFormat",
    "industry",
    "language",
    "media",
    "meteredTime",
    "payAmount",
    "percentage",
    "product",
    "purpose",
    "recipient",
    "relativePosition",
    "relativeSize",
    "relativeSpatialPosition",
    "relativeTemporalPosition",
    "resolution",
    "spatial",
    "spatialCoordinates",
    "systemDevice",
    "timeInterval",
    "unitOfCount",
    "version",
    "virtualLocation",
]
_CLASSES = [
    "Action",
    "Asset",
    "AssetCollection",
    "AtomicConstraint",
    "Constraint",
    "Duty",
    "LogicalConstraint",
    "Party",
    "PartyCollection",
    "Permission",
    "Policy",
    "Prohibition",
    "Rule",
    "Assertion",
    "Privacy",
    "Request",
    "Ticket",
]
_LINKS = [
    "assignee",
    "assigner",
    "consequence",
    "constraint",
    "duty",
    "failure",
    "inheritFrom",
    "obligation",
    "partOf",
    "permission",
    "profile",
    "prohibition",
    "refinement",
    "relation",
    "remedy",
    "rightOperandReference",
    "source",
    "target",
]
_VOCABULARY = ("action", "conflict", "function", "leftOperand", "operator")

# A name that no context defines would be dropped without a word, and a constraint with it. Under this base it stays, as a
# name that is not understood.
UNDEFINED = "urn:x-undefined:"


def _link(name: str, kind: str = "@id", **more: str) -> dict[str, str]:
    return {"@id": f"odrl:{name}", "@type": kind, **more}


CONTEXT: Mapping[str, Any] = MappingProxyType(
    {
        **PREFIXES,
        "uid": "@id",
        "type": "@type",
        **{name: f"odrl:{name}" for name in (*TYPES, *_CLASSES, *CONFLICTS, *INCLUDED_IN, *OPERATORS, *_LEFT_OPERANDS)},
        **{name: _link(name) for name in (*_LINKS, *sorted(PARTY_FUNCTIONS))},
        **{name: _link(name, "@vocab") for name in _VOCABULARY},
        **{name: _link(name) for name in LOGICAL if name != "andSequence"},
        "andSequence": _link("andSequence", **{"@container": "@list"}),
        "rightOperand": "odrl:rightOperand",
        "dataType": _link("dataType", "@vocab"),
        "status": "odrl:status",
        "unit": "odrl:unit",
        "timestamp": "dspace:timestamp",
    }
)

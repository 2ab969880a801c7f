"""From the nodes of an RDF graph to the JSON of a policy. The library is handed in; see `contracts.odrl.rdf`."""

from __future__ import annotations

import json
from typing import Any

from contracts.odrl.document import fail
from contracts.odrl.jsonld import MAX_DEPTH, MAX_PARTS
from contracts.odrl.rdf_terms import MEMBERS, PARTS, RDF, RULES, TERMS
from contracts.odrl.vocabulary import ODRL, TYPES, XSD, shorten

_SUPERCLASSES = frozenset({"Policy", "Rule"})


class GraphReader:
    """Turns the nodes of a graph into the JSON of a policy."""

    def __init__(self, rdf: Any, graph: Any, base: str) -> None:
        self.rdf = rdf
        self.graph = graph
        self.base = base
        self.type = self.rdf.URIRef(f"{RDF}type")
        self.parts = 0
        self.reached: set[Any] = set()

    def policies(self) -> list[Any]:
        """Every node that is a policy by its type or because it holds rules."""
        kinds = {
            self.rdf.URIRef(ODRL + name) for name in (*TYPES, "Policy", "Assertion", "Privacy", "Request", "Ticket")
        }
        found = {node for node, kind in self.graph.subject_objects(self.type) if kind in kinds}
        for name in RULES:
            found |= set(self.graph.subjects(self.rdf.URIRef(ODRL + name)))
        return sorted(found, key=str)

    def require_all_reached(self) -> None:
        """Refuse a rule that belongs to no policy: it may be a prohibition whose link is misspelt."""
        for name in ("Permission", "Prohibition", "Duty"):
            for node in sorted(
                set(self.graph.subjects(self.type, self.rdf.URIRef(ODRL + name))) - self.reached, key=str
            ):
                fail(
                    f"<{node}>",
                    f"this {name} belongs to no policy",
                    f"该 {name} 不属于任何策略",
                    "Link it from a policy, or leave it out",
                    "请从策略中引用，或将其删除",
                )

    def policy(self, node: Any) -> dict[str, Any]:
        document = self.node(node, 0)
        uids = document.pop("uid", None)
        if isinstance(node, self.rdf.BNode):
            document["@id"] = uids
        elif uids is not None and uids != str(node):
            fail(
                "$.uid",
                f"the uid “{uids}” is not the node “{node}”",
                f"uid“{uids}”与节点“{node}”不一致",
                "Keep one of them",
                "请只保留一个",
            )
        return document

    def node(self, node: Any, depth: int) -> dict[str, Any]:
        """A node with everything that is said about it."""
        self.parts += 1
        if depth > MAX_DEPTH or self.parts > MAX_PARTS:
            fail(
                f"<{node}>",
                f"the graph has more than {MAX_PARTS} parts or {MAX_DEPTH} levels, or a circle",
                f"图超过 {MAX_PARTS} 个部分或 {MAX_DEPTH} 层，或存在环",
                "Split it into several policies",
                "请拆分为多个策略",
            )
        self.reached.add(node)
        self.require_whole(str(node))
        document: dict[str, Any] = {} if isinstance(node, self.rdf.BNode) else {"@id": str(node)}
        for predicate in sorted(set(self.graph.predicates(node)), key=str):
            key = _key(str(predicate))
            values = self.values(node, predicate, key, depth)
            document[key] = values[0] if len(values) == 1 and key not in PARTS else values
        kinds = document.get("@type")
        if isinstance(kinds, list):
            kinds = [kind for kind in kinds if kind not in _SUPERCLASSES]
            document["@type"] = kinds[0] if len(kinds) == 1 else kinds
        return document

    def values(self, node: Any, predicate: Any, key: str, depth: int) -> list[Any]:
        found: list[Any] = []
        listed = False
        for value in self.graph.objects(node, predicate):
            if (value, self.rdf.RDF.first, None) in self.graph or value == self.rdf.RDF.nil:
                listed = True
                found += [self.value(key, item, depth) for item in self.listed(value)]
            else:
                found.append(self.value(key, value, depth))
        if not listed:
            found.sort(key=lambda item: json.dumps(item, sort_keys=True, ensure_ascii=False))
        return found

    def listed(self, head: Any) -> list[Any]:
        """The members of an RDF list."""
        try:
            return list(self.rdf.collection.Collection(self.graph, head))
        except ValueError:
            fail("$", "a list runs in a circle", "列表存在环", "Give it an end", "请为列表设置结尾")

    def value(self, key: str, value: Any, depth: int) -> Any:
        if isinstance(value, self.rdf.Literal):
            return str(value) if key == "rightOperandReference" else _literal(value)
        if isinstance(value, self.rdf.BNode) or self.is_described(key, value):
            return self.node(value, depth + 1)
        address = self.require_whole(str(value))
        if key == "rightOperand":
            return {"@id": address}
        return shorten(address) if key in {"@type", "action", "rdf:value", "unit", *TERMS} else address

    def require_whole(self, address: str) -> str:
        """The address as it is; one without a scheme means nothing outside its document, so it is refused."""
        if address.startswith(self.base):
            name = address.removeprefix(self.base).lstrip("/")
            fail(
                f"<{name}>",
                f"the address “{name}” is relative",
                f"地址“{name}”是相对地址",
                "Write it whole, as urn:… or https://…",
                "请写成 urn:… 或 https://… 的完整形式",
            )
        return address

    def is_described(self, key: str, value: Any) -> bool:
        """Whether a named value is described here, as a part, a refined action or a group, and not only named."""
        if key == "action":
            return bool({"rdf:value", "refinement"} & self.said(value))
        return key in PARTS or (key in MEMBERS and self.is_group(value))

    def said(self, node: Any) -> set[str]:
        return {_key(str(predicate)) for predicate in self.graph.predicates(node)}

    def is_group(self, node: Any) -> bool:
        kinds = {_key(str(kind)) for kind in self.graph.objects(node, self.type)}
        return bool(kinds & {"AssetCollection", "PartyCollection"}) or bool({"source", "refinement"} & self.said(node))


def _key(address: str) -> str:
    """The name under which the JSON of a policy holds a property."""
    if address == f"{RDF}type":
        return "@type"
    if address == f"{RDF}value":
        return "rdf:value"
    return shorten(address)


def _literal(value: Any) -> Any:
    if value.language is not None:
        return {"@value": str(value), "@language": value.language}
    if value.datatype is None or str(value.datatype) == f"{XSD}string":
        return str(value)
    return {"@value": str(value), "@type": shorten(str(value.datatype))}

"""From the JSON of a policy to the nodes of an RDF graph. The library is handed in; see `contracts.odrl.rdf`."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from contracts.odrl.document import fail, reference
from contracts.odrl.rdf_terms import MEMBERS, PARTS, RDF, TERMS
from contracts.odrl.vocabulary import DSPACE, ODRL, PREFIXES, XSD

_ADDRESSES = MEMBERS | {"profile", "inheritFrom", "source", "rightOperandReference"}
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]*", re.ASCII)
_SHORT = re.compile(r"[A-Za-z][A-Za-z0-9_-]*", re.ASCII)


class GraphWriter:
    """Turns the JSON of a policy into the nodes of a graph."""

    def __init__(self, rdf: Any) -> None:
        self.rdf = rdf
        self.graph = rdf.Graph()
        self.written: dict[str, dict[str, Any]] = {}
        for prefix, address in (("odrl", ODRL), ("xsd", XSD), ("dct", PREFIXES["dct"]), ("ex", PREFIXES["ex"])):
            self.graph.bind(prefix, address, override=True)
        self.graph.bind("dspace", DSPACE, override=True)

    def policy(self, document: dict[str, Any]) -> None:
        node = self.node({key: value for key, value in document.items() if key != "@context"}, "$")
        self.graph.add((node, self.rdf.URIRef(f"{ODRL}uid"), node))

    def node(self, document: dict[str, Any], path: str) -> Any:
        uid = document.get("@id")
        if uid is None:
            node = self.rdf.BNode()
        else:
            node = self.address(uid, f"{path}['@id']")
            if self.written.setdefault(uid, document) != document:
                fail(
                    path,
                    f"the identifier “{uid}” is used for two things",
                    f"标识符“{uid}”被用于两处不同内容",
                    "Give each its own",
                    "请分别使用不同的标识符",
                )
        for key, value in document.items():
            if key != "@id":
                self.property(node, key, value, f"{path}.{key}")
        return node

    def property(self, node: Any, key: str, value: Any, path: str) -> None:
        predicate = self.predicate(key, path)
        items = value if isinstance(value, list) else [value]
        objects = [self.object(key, item, path) for item in items]
        if key == "andSequence":
            head = self.rdf.BNode()
            self.rdf.collection.Collection(self.graph, head, objects)
            objects = [head]
        if key == "xone" and len(set(objects)) < len(objects):
            fail(path, "one constraint stands here twice", "同一约束出现两次", "Leave one out", "请删除其中之一")
        for each in objects:
            self.graph.add((node, predicate, each))

    def predicate(self, key: str, path: str) -> Any:
        special = {"@type": f"{RDF}type", "rdf:value": f"{RDF}value", "timestamp": f"{DSPACE}timestamp"}
        return self.rdf.URIRef(special[key]) if key in special else self.term(key, path)

    def object(self, key: str, value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return self.described(key, value, path)
        if isinstance(value, bool):
            return self.rdf.Literal(str(value).lower(), datatype=self.term("xsd:boolean", path), normalize=False)
        if not isinstance(value, str):
            _no_place(path)
        short = key == "profile" and _SHORT.fullmatch(value)
        if short or key in {"@type", "action", "rdf:value", *TERMS} or (key == "unit" and ":" in value):
            return self.term(value, path)
        if key in _ADDRESSES or key.endswith("Party"):
            return self.address(value, path)
        return self.rdf.Literal(value, normalize=False)

    def described(self, key: str, value: dict[str, Any], path: str) -> Any:
        """A part with properties of its own, or a typed value."""
        if key == "action":
            refined = {name: item for name, item in value.items() if name != "@id"}
            return self.node({"rdf:value": value["@id"]} | refined, path)
        return self.node(value, path) if key in PARTS or key in MEMBERS else self.typed(value, path)

    def typed(self, value: dict[str, Any], path: str) -> Any:
        word = reference(value)
        if word is not None:
            return self.address(word, path)
        text, kind, language = value.get("@value"), value.get("@type"), value.get("@language")
        if isinstance(text, str) and set(value) == {"@value", "@type"} and isinstance(kind, str):
            return self.rdf.Literal(text, datatype=self.term(kind, path), normalize=False)
        if isinstance(text, str) and set(value) == {"@value", "@language"}:
            try:
                return self.rdf.Literal(text, lang=language)
            except ValueError:
                _no_place(path)
        _no_place(path)

    def term(self, name: str, path: str) -> Any:
        """The address of a term: of ODRL when it is short, else of its prefix, else as it is."""
        if _SHORT.fullmatch(name):
            return self.rdf.URIRef(ODRL + name)
        prefix, colon, rest = name.partition(":")
        if colon and prefix in PREFIXES:
            return self.address(PREFIXES[prefix] + rest, path)
        return self.address(name, path)

    def address(self, text: str, path: str) -> Any:
        if not _ADDRESS.fullmatch(text):
            fail(
                path,
                f"“{text}” is no address",
                f"“{text}”不是地址",
                "Write it as urn:… or https://…",
                "请写成 urn:… 或 https://… 的形式",
            )
        return self.rdf.URIRef(text)


def _no_place(path: str) -> NoReturn:
    fail(
        path,
        "this has no place in RDF",
        "此内容无法用 RDF 表达",
        "Write it as a string, a typed value or an address",
        "请写成字符串、带类型的值或地址",
    )

"""Policies in Turtle and in any JSON-LD, in and out. The one module that uses rdflib, which is optional.

A graph is turned into the JSON that `contracts.odrl.jsonld` reads, so that both ways in have one meaning and one set of
refusals; a policy goes out by way of the JSON that `contracts.odrl.dump` writes. A graph has no order, so rules and
constraints come sorted by their content; paths in reasons count in this order.

Nothing is fetched: a context is known here, stands in the document, or is refused.
"""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from contracts.errors import ContractsError
from contracts.odrl.context import CONTEXT, UNDEFINED
from contracts.odrl.document import fail
from contracts.odrl.jsonld import parse
from contracts.odrl.model import Policy
from contracts.odrl.rdf_reader import GraphReader
from contracts.odrl.rdf_writer import GraphWriter
from contracts.odrl.vocabulary import CONTEXTS

MAX_CHARACTERS = 4_000_000

# What an address that was written without a scheme begins with after reading.
_BASE = "https://relative.invalid/"

# rdflib rewrites literals as it reads them, and a date loses its zone; the switch for it is the module's own.
_switch = threading.Lock()


def from_turtle(text: str, *, uid: str | None = None, any_action: bool = False) -> Policy:
    """The policy in a Turtle document: the one named `uid`, or the only one there is.

    Raises PolicyError for what is no Turtle, for no policy or several, and for what has not the shape of a policy.
    """
    return _chosen(_graph(text, "turtle"), uid, any_action)


def all_from_turtle(text: str) -> dict[str, Policy]:
    """Every policy in a Turtle document by its identifier. Raises PolicyError as `from_turtle` does."""
    graph = _graph(text, "turtle")
    reader = GraphReader(_library(), graph, _BASE)
    documents = [reader.policy(node) for node in reader.policies()]
    reader.require_all_reached()
    return {policy.uid: policy for policy in (parse(document) for document in documents)}


def from_jsonld(document: Mapping[str, Any] | str, *, uid: str | None = None) -> Policy:
    """The policy in a JSON-LD document of any form: compact, expanded, with `@graph` and contexts of its own.

    Raises PolicyError as `from_turtle` does, and for a context that is neither known nor in the document.
    """
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except (ValueError, RecursionError):
            fail("$", "this is no JSON", "此处不是 JSON", "Write plain JSON", "请使用 JSON")
    try:
        text = json.dumps(_rooted(_with_contexts(document, "$")))
    except (TypeError, ValueError, RecursionError):
        fail("$", "this is no JSON", "此处不是 JSON", "Write plain JSON", "请使用 JSON")
    return _chosen(_graph(text, "json-ld"), uid, False)


def to_turtle(policy: Policy) -> str:
    """The policy in Turtle. Raises PolicyError for what has no place in RDF, such as a name that is no address."""
    writer = GraphWriter(_library())
    writer.policy(policy.to_json())
    text: str = writer.graph.serialize(format="turtle")
    return text


def _library() -> Any:
    try:
        import rdflib
    except ImportError as error:
        raise ContractsError(
            "Turtle and full JSON-LD need the package rdflib, which is not installed.",
            "读写 Turtle 与完整 JSON-LD 需要 rdflib，目前未安装。",
            mend_en="Install industrial-data-exchange[rdf], or give the policy as the JSON of the Dataspace Protocol.",
            mend_zh="请安装 industrial-data-exchange[rdf]，或以数据空间协议的 JSON 形式提供策略。",
        ) from error
    return rdflib


@contextmanager
def _literals_as_written(rdflib: Any) -> Iterator[None]:
    with _switch:
        before, rdflib.NORMALIZE_LITERALS = rdflib.NORMALIZE_LITERALS, False
        try:
            yield
        finally:
            rdflib.NORMALIZE_LITERALS = before


def _graph(text: str, form: str) -> Any:
    rdflib = _library()
    if len(text) > MAX_CHARACTERS:
        fail(
            "$",
            f"the document has more than {MAX_CHARACTERS} characters",
            f"文档超过 {MAX_CHARACTERS} 个字符",
            "Split it into several policies",
            "请拆分为多个策略",
        )
    graph = rdflib.Graph()
    with _literals_as_written(rdflib):
        try:
            if form == "turtle":
                graph.parse(data=text, format="turtle", publicID=_BASE)
            else:
                # Into one graph, so that the named graphs of a document are read as one.
                to_rdf = importlib.import_module("rdflib.plugins.parsers.jsonld").to_rdf
                to_rdf(json.loads(text), graph, base=_BASE)
        except Exception as error:  # rdflib raises many kinds, down to plain Exception, for text that it cannot read.
            reason = " ".join(str(error).split())[:160] or type(error).__name__
            name = "Turtle" if form == "turtle" else "JSON-LD"
            fail("$", f"this is no {name}: {reason}", f"此处不是 {name}：{reason}", "Mend it there", "请修正该处")
    return graph


def _with_contexts(value: Any, path: str) -> Any:
    """The document with every known context written out; a context that would have to be fetched is refused."""
    if isinstance(value, list):
        return [_with_contexts(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    whole = {}
    for key, item in value.items():
        where = f"{path}['{key}']"
        if key == "@import":
            _refuse_context(where, str(item))
        whole[key] = _context(item, where) if key == "@context" else _with_contexts(item, where)
    return whole


def _rooted(document: Any) -> Any:
    """The document under a base for names that it does not define, so that none is dropped."""
    base = {"@vocab": UNDEFINED}
    if not isinstance(document, dict):
        return {"@context": base, "@graph": document}
    stated = document.get("@context", [])
    return document | {"@context": [base, *(stated if isinstance(stated, list) else [stated])]}


def _context(value: Any, path: str) -> Any:
    if value is None:
        fail(path, "a context is taken back", "此处撤销了上下文", "Leave it out", "请将其删除")
    if isinstance(value, dict):
        for name, meaning in value.items():
            if meaning is None or (isinstance(meaning, dict) and meaning.get("@id", "") is None):
                where = f"{path}['{name}']"
                fail(where, "a name is taken out of the policy", "此处使一个属性失效", "Leave it out", "请将其删除")
    if isinstance(value, list):
        return [_context(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, str):
        if value not in CONTEXTS:
            _refuse_context(path, value)
        return dict(CONTEXT)
    return _with_contexts(value, path)


def _refuse_context(path: str, name: str) -> None:
    fail(
        path,
        f"the context “{name}” is not known here, and nothing is fetched",
        f"上下文“{name}”未知，且不从网络获取",
        f"Write it into the document, or use one of: {', '.join(sorted(CONTEXTS))}",
        f"请将其写入文档，或使用：{'、'.join(sorted(CONTEXTS))}",
    )


def _chosen(graph: Any, uid: str | None, any_action: bool) -> Policy:
    reader = GraphReader(_library(), graph, _BASE)
    nodes = reader.policies()
    documents = {str(node): reader.policy(node) for node in nodes}
    reader.require_all_reached()
    if uid is None and len(documents) == 1:
        return parse(next(iter(documents.values())), any_action=any_action)
    if uid in documents:
        return parse(documents[uid], any_action=any_action)
    named = ", ".join(sorted(documents)) or "none"
    fail(
        "$",
        f"one policy is expected, found: {named}",
        f"应恰好有一个策略，实际为：{named}",
        "Give one policy, or name the one that is meant",
        "请只提供一个策略，或指明所需的策略",
    )

"""Compliance reports: all 68 cases of the FORCE suite, and the states of duties, remedies and consequences."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.odrl import Deny, Request, World, evaluate, parse
from contracts.odrl.compliance import report
from contracts.odrl.rdf import from_turtle
from contracts.odrl.vocabulary import shorten

REPORT = "https://w3id.org/force/compliance-report#"
ODRL = "http://www.w3.org/ns/odrl/2/"
NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def suite(vectors: Path):
    """The suite: the text of each policy, and the graphs of requests, worlds and cases by the nodes in them."""
    rdflib = pytest.importorskip("rdflib")
    folder = vectors / "odrl-force"
    source = rdflib.Namespace("http://purl.org/dc/terms/").source
    texts, requests, worlds = {}, {}, {}
    for path in folder.glob("policies/*.ttl"):
        text = path.read_text(encoding="utf-8")
        texts[str(next(rdflib.Graph().parse(data=text).subjects(source)))] = text
    for path in folder.glob("requests/*.ttl"):
        graph = rdflib.Graph().parse(path)
        requests[str(next(graph.subjects(rdflib.URIRef(ODRL + "uid"))))] = graph
    for path in folder.glob("sotw/*.ttl"):
        graph = rdflib.Graph().parse(path)
        worlds[str(next(graph.subjects(rdflib.RDF.type, rdflib.URIRef("http://example.org/Sotw"))))] = graph
    cases = [rdflib.Graph().parse(path) for path in sorted(folder.glob("test_cases/*.ttl"))]
    return texts, requests, worlds, cases


def _one(graph, subject, predicate):
    from rdflib import URIRef

    return next(graph.objects(subject, URIRef(predicate)), None)


def _name(node):
    return str(node).rpartition("#")[2]


def _question(request_graph, world_graph):
    """The request and the world of a case. Its world is closed: who is not said to belong to a group does not."""
    from rdflib import URIRef

    rule = _one(request_graph, None, ODRL + "permission")
    action, assignee, target = (
        str(_one(request_graph, rule, ODRL + name)) for name in ("action", "assignee", "target")
    )
    at = str(_one(world_graph, URIRef("http://example.com/request/currentTime"), "http://purl.org/dc/terms/issued"))
    broader = {
        name: [str(group) for group in world_graph.objects(URIRef(name), URIRef(ODRL + "partOf"))]
        for name in (assignee, target)
    }
    states = world_graph.subject_objects(URIRef(REPORT + "performanceState"))
    performed = {
        str(_one(world_graph, node, REPORT + "rule")): _name(state) == "Performed"
        for node, state in states
        if _name(state) != "Unknown"
    }
    request = Request(shorten(action), assignee, target, at=datetime.fromisoformat(at))
    return request, World(broader=broader, performed=performed)


def _constraints(premises):
    for premise in premises:
        if premise.kind == "Constraint":
            yield premise
            yield from _constraints(premise.parts)


def _moment(text):
    return None if text is None else datetime.fromisoformat(str(text))


def _expected(case):
    """What a case expects: of the one rule its states, its premises, its constraints and the states of its duties."""
    from rdflib import RDF, URIRef

    rule = _one(case, None, REPORT + "ruleReport")
    # In the last four cases the rule's links to these reports have other names than the reports themselves.
    premises = sorted(
        (kind, _name(_one(case, node, REPORT + "satisfactionState")))
        for kind in ("Target", "Party", "Action")
        for node in case.subjects(RDF.type, URIRef(f"{REPORT}{kind}Report"))
    )
    constraints = {
        str(name): (
            _name(_one(case, node, REPORT + "satisfactionState")),
            _moment(_one(case, node, REPORT + "constraintLeftOperand")),
        )
        for node, name in case.subject_objects(URIRef(REPORT + "constraint"))
    }
    return (
        str(_one(case, rule, REPORT + "rule")),
        _name(_one(case, rule, str(RDF.type))).removesuffix("Report"),
        _name(_one(case, rule, REPORT + "attemptState")),
        _name(_one(case, rule, REPORT + "activationState")),
        premises,
        constraints,
    )


def _reported(found, expected):
    """The same of a report. Where a case leaves out what a constraint found, it is not compared."""
    [rule] = found.rules
    constraints = {
        premise.uid: (premise.satisfaction, _moment(premise.actual) if expected[-1][premise.uid][1] else None)
        for premise in _constraints(rule.premises)
    }
    premises = sorted((premise.kind, premise.satisfaction) for premise in rule.premises if premise.kind != "Constraint")
    return rule.uid, rule.kind, rule.attempt, rule.activation, premises, constraints


def test_all_68_cases_of_the_force_suite_are_reported_as_expected(suite):
    texts, requests, worlds, cases = suite
    policies = {uid: from_turtle(text, any_action=True) for uid, text in texts.items()}
    passed = 0
    for case in cases:
        named = [str(_one(case, None, f"http://example.org/{name}")) for name in ("policy", "request", "sotw")]
        request, world = _question(requests[named[1]], worlds[named[2]])
        found = report(policies[named[0]], request, world)
        assert found.policy == named[0]
        expected = _expected(case)
        assert _reported(found, expected) == expected, named
        passed += 1
    assert passed == len(cases) == 68


def test_the_duties_of_the_suite_have_the_states_that_the_world_tells(suite):
    texts, requests, worlds, cases = suite
    states = []
    for case in cases[58:61]:
        named = [str(_one(case, None, f"http://example.org/{name}")) for name in ("policy", "request", "sotw")]
        request, world = _question(requests[named[1]], worlds[named[2]])
        [rule] = report(from_turtle(texts[named[0]]), request, world).rules
        [duty] = rule.conditions
        told = worlds[named[2]]
        assert duty.performance == _name(_one(told, None, REPORT + "performanceState"))
        assert duty.deontic == _name(_one(told, None, REPORT + "deonticState"))
        states.append((duty.deontic, rule.activation))
    assert states == [("NonSet", "Active"), ("Fulfilled", "Active"), ("Violated", "Inactive")]


def test_a_rule_without_action_is_reported_and_never_decided(suite):
    texts, *_ = suite
    bare = [text for text in texts.values() if "odrl:action" not in text]
    assert len(bare) == 2
    for text in bare:
        decision = evaluate(from_turtle(text, any_action=True), Request("use", "b", "d", at=NOW), World())
        assert isinstance(decision, Deny)
        assert decision.reasons[0].code == "unknown"


DUTY = {"action": "inform", "@id": "urn:x:duty", "consequence": [{"action": "delete", "@id": "urn:x:consequence"}]}


@pytest.mark.parametrize(
    ("performed", "permitted", "active"),
    [
        ({}, True, "Active"),
        ({"urn:x:duty": True}, True, "Active"),
        ({"urn:x:duty": False}, False, "Inactive"),
        ({"$.permission[0].duty[0]": False}, False, "Inactive"),
        ({"urn:x:duty": False, "urn:x:consequence": False}, False, "Inactive"),
        ({"urn:x:duty": False, "urn:x:consequence": True}, True, "Active"),
    ],
)
def test_a_broken_duty_ends_the_permission_until_its_consequence_is_done(offer, ask, performed, permitted, active):
    policy = offer(rule={"duty": [DUTY]})
    world = World(performed=performed)
    assert ask(policy, world=world).permitted is permitted
    [rule] = report(policy, Request("use", "urn:x:buyer", "urn:x:data", at=NOW), world).rules
    assert rule.activation == active
    [duty] = rule.conditions
    [consequence] = duty.conditions
    assert consequence.activation == ("Active" if duty.deontic == "Violated" else "Inactive")


def test_a_broken_prohibition_makes_its_remedy_due():
    policy = parse(
        {"@id": "urn:x", "prohibition": [{"action": "distribute", "@id": "urn:x:no", "remedy": [{"action": "delete"}]}]}
    )
    request = Request("distribute", "urn:x:buyer", "urn:x:data", at=NOW)
    states = []
    for performed in ({}, {"urn:x:no": False}, {"urn:x:no": True}):
        [rule] = report(policy, request, World(performed=performed)).rules
        states.append((rule.activation, rule.deontic, rule.conditions[0].activation))
    assert states == [
        ("Active", "NonSet", "Inactive"),
        ("Active", "Fulfilled", "Inactive"),
        ("Active", "Violated", "Active"),
    ]


def test_what_is_not_known_leaves_a_permission_inactive_and_a_prohibition_active():
    rule = {"action": "use", "constraint": [{"leftOperand": "spatial", "operator": "eq", "rightOperand": "CN"}]}
    policy = parse({"@id": "urn:x", "permission": [rule], "prohibition": [rule], "obligation": [{"action": "ex:log"}]})
    found = report(policy, Request("use", "urn:x:buyer", "urn:x:data", at=NOW), World())
    assert [item.activation for item in found.rules] == ["Inactive", "Active", "Active"]
    document = found.to_json()
    assert document["rules"][0]["premises"][1]["satisfactionState"] == "Unknown"
    assert document["rules"][0]["premises"][1]["actual"] is None
    assert document["created"] == "2026-06-15T12:00:00Z"

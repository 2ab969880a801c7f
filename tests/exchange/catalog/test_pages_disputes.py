"""The operator's page of disputes: freeze with a reason, see what is frozen, end the freeze."""

from __future__ import annotations

from typing import Any

CSV = b"code,value\n001,1.5\n"


def test_the_operator_freezes_a_dataset_and_ends_the_freeze(embedded: Any, visitor: Any) -> None:
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CSV, title="Lathe")
    embedded.offer(firm, dataset)
    operator, owner = visitor(embedded.exchange, embedded.exchange.staff("operator")), visitor(embedded.exchange, firm)
    assert f"/disputes?dataset={dataset.replace(':', '%3A')}" in operator.get(f"/datasets/{dataset}").replace("urn:uuid:", "urn%3Auuid%3A")  # fmt: skip
    why = "A supplier shows the contract that forbids it."
    assert "Nothing is frozen" in operator.get("/disputes")
    operator.send("/disputes", "/disputes", dataset=dataset, reason=why)
    page = operator.get("/disputes")
    assert why in page
    assert "Lathe" in page
    assert why in owner.get(f"/datasets/{dataset}/manage")
    visitor(embedded.exchange).get(f"/datasets/{dataset}", 404)
    operator.send("/disputes", f"/datasets/{dataset}/unfreeze", reason=" ")
    assert why in operator.get("/disputes")
    operator.send("/disputes", f"/datasets/{dataset}/unfreeze", reason="The contract was withdrawn.")
    assert "Nothing is frozen" in operator.get("/disputes")
    visitor(embedded.exchange).get(f"/datasets/{dataset}")


def test_a_wrong_identifier_or_a_second_freeze_is_refused_beside_the_field(embedded: Any, visitor: Any) -> None:
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CSV)
    operator = visitor(embedded.exchange, embedded.exchange.staff("operator"))
    assert "dataset-error" in operator.send("/disputes", "/disputes", 422, dataset="urn:uuid:0", reason="Because.").text
    assert "reason-error" in operator.send("/disputes", "/disputes", 422, dataset=dataset, reason="").text
    operator.send("/disputes", "/disputes", dataset=dataset, reason="Because.")
    again = operator.send("/disputes", "/disputes", 422, dataset=dataset, reason="Because.").text
    assert "This dataset is frozen already." in again


def test_each_look_is_recorded_and_only_the_operator_looks(embedded: Any, visitor: Any) -> None:
    log = embedded.exchange.operations.services.log
    operator = visitor(embedded.exchange, embedded.exchange.staff("operator"))
    before = log.size()
    operator.get("/disputes")
    assert [entry.kind for entry in log.entries(before, log.size())] == ["audit.read"]
    for actor in (embedded.exchange.firm("Maker"), embedded.exchange.staff("auditor")):
        reader = visitor(embedded.exchange, actor)
        reader.get("/disputes", 403)
        assert 'href="/disputes"' not in reader.get("/")

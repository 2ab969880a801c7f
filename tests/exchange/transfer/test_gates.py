"""Two gates stand in front of data, the permission and the policy: both must pass, and both are told in the log."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from exchange.access import Permission

_WAYS = {
    "use": ("POST", "/api/v1/agreements/{agreement}/transfers"),
    "token": ("POST", "/api/v1/transfers/{transfer}/token"),
    "artefact": ("GET", "/api/v1/transfers/{transfer}/artefact"),
    "content": ("GET", "/api/v1/transfers/{transfer}/content"),
    "page": ("GET", "/transfers/{transfer}/download"),
}


@pytest.fixture(scope="module")
def there(shared_embedded: Any, make_trade: Any) -> Any:
    """An agreement that permits, and one whose only use is taken and whose transfer is suspended."""
    trade = make_trade(shared_embedded)
    trade.open = trade.agreement()
    trade.open_transfer = trade.started(trade.open)
    trade.closed = trade.agreement(template="n-times", parameters={"count": 1})
    trade.closed_transfer = trade.started(trade.closed)
    trade.run(trade.provider, "transfer.suspend", transfer=trade.closed_transfer, reason="Maintenance")
    return trade


def reach(trade: Any, way: str, *, may: bool, permitted: bool) -> tuple[int, list[dict[str, Any]], str, str]:
    """Return status, the gates' log lines, everything logged as text, and the API token that was used."""
    method, path = _WAYS[way]
    scopes = None if may else [str(Permission.TRANSFER_READ)]
    secret = trade.exchange.token(trade.consumer, scopes)
    address = path.format(
        agreement=trade.open if permitted else trade.closed,
        transfer=trade.open_transfer if permitted else trade.closed_transfer,
    )
    with structlog.testing.capture_logs() as logged:
        answer = trade.client().open(
            address, method=method, headers={"Authorization": f"Bearer {secret}"}, json={} if method == "POST" else None
        )
    return answer.status_code, [line for line in logged if line["event"] == "gate"], str(logged), secret


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize(("may", "permitted"), [(True, True), (True, False), (False, True), (False, False)])
def test_both_gates_must_pass_and_both_are_told(there: Any, way: str, may: bool, permitted: bool) -> None:
    status, gates, everything, secret = reach(there, way, may=may, permitted=permitted)
    told = [(line["gate"], line["outcome"]) for line in gates]
    if not may:
        # Who may not is not even told what the policy says.
        assert status == 403
        assert told == [("permission", "refused")]
    elif not permitted:
        assert status in {403, 409}
        assert told == [("permission", "passed"), ("policy", "refused")]
        assert gates[1]["code"]
    else:
        assert status in {200, 202}
        assert told == [("permission", "passed"), ("policy", "passed")]
    assert all(line["user"] == there.consumer.user and line["log_level"] == "info" for line in gates)
    assert secret not in everything
    assert not any(part in everything for part in secret.split("_") if len(part) > 20)
    assert there.consumer.name not in everything


@pytest.mark.parametrize("end", ["none", "policy", "permission"])
def test_an_access_token_passes_both_gates_as_well(embedded: Any, end: str) -> None:
    buyer = embedded.exchange.person(embedded.consumer, "buyer")
    transfer = embedded.started()
    token = embedded.client(buyer).post(f"/api/v1/transfers/{transfer}/token").json["access_token"]
    if end == "policy":
        embedded.run(embedded.provider, "transfer.suspend", transfer=transfer, reason="Maintenance")
    if end == "permission":
        embedded.run(embedded.consumer, "participants.set_roles", user=buyer.user, roles=["finance"])
    with structlog.testing.capture_logs() as logged:
        embedded.client().get(f"/api/v1/transfers/{transfer}/artefact", headers={"Authorization": f"Bearer {token}"})
    told = [(line["gate"], line["outcome"]) for line in logged if line["event"] == "gate"]
    assert (
        told
        == {
            "none": [("permission", "passed"), ("policy", "passed")],
            "policy": [("permission", "passed"), ("policy", "refused")],
            "permission": [("permission", "refused")],
        }[end]
    )
    assert not any(part in str(logged) for part in token.split("."))


def test_a_caveat_is_a_part_of_the_first_gate(there: Any) -> None:
    made = there.exchange.operations.run(
        there.consumer, "participants.create_token", name="narrow", caveats={"agreements": [there.closed]}
    )
    headers = {"Authorization": f"Bearer {made.result['token']}"}
    with structlog.testing.capture_logs() as logged:
        answer = there.client().get(f"/api/v1/transfers/{there.open_transfer}/artefact", headers=headers)
    assert answer.status_code == 403
    line = next(line for line in logged if line["event"] == "gate")
    assert (line["gate"], line["outcome"], line["code"]) == ("permission", "refused", "outside-caveats")
    assert line["token"] == made.result["id"]

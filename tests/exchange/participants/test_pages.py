"""The pages of joining and of an organisation's people."""

from __future__ import annotations

import re
from typing import Any

import pytest

from exchange.errors import AwaitingSignatureError
from exchange.participants import passwords


def test_a_refused_person_leaves_the_steps_that_wait_for_the_key_in_sight(
    sqlite_exchange: Any, visitor: Any, self_held: Any
) -> None:
    owner = self_held(sqlite_exchange)
    with pytest.raises(AwaitingSignatureError) as waiting:
        sqlite_exchange.operations.run(owner, "participants.join")
    page = "/organisation"
    reader = visitor(sqlite_exchange, owner)
    assert waiting.value.request_id in reader.get(page)
    refused = reader.send(
        page, "/organisation/people", 422, name="", email="a@firm.example", password="x", roles="buyer"
    )
    assert waiting.value.request_id in refused.text


@pytest.mark.parametrize(("language", "index"), [("en", 0), ("zh", 1)])
def test_the_rule_of_passwords_is_shown_before_it_is_broken_in_the_words_of_its_refusal(
    sqlite_exchange: Any, visitor: Any, language: str, index: int
) -> None:
    owner = sqlite_exchange.firm("Maker")
    for actor, page in ((None, "/register"), (owner, "/organisation")):
        shown = visitor(sqlite_exchange, actor, language).get(page)
        assert re.search(rf'id="password-hint">{re.escape(passwords.RULE[index])}<', shown), page
    person = {"name": "Ada", "email": "ada@firm.example", "roles": "buyer", "password": "aaaaaaaaaaaa"}
    refused = visitor(sqlite_exchange, owner, language).send("/organisation", "/organisation/people", 422, **person)
    assert refused.text.count(passwords.RULE[index]) > 1


def test_the_operator_refuses_a_registration_with_a_reason_that_its_people_read(
    sqlite_exchange: Any, visitor: Any
) -> None:
    newcomer = sqlite_exchange.firm("Newcomer", verified=False)
    operator = visitor(sqlite_exchange, sqlite_exchange.staff("operator"))
    page = f"/participants/{newcomer.participant}/verify"
    reject = f"/participants/{newcomer.participant}/reject"
    operator.send(page, reject, reason=" ")
    assert "Give a reason of 2 to 2,000 characters" in operator.get("/participants")
    assert "Pending verification" in operator.get(page)
    operator.send(page, reject, reason="The register does not know this entry.")
    assert "The register does not know this entry." in operator.get("/participants")
    owner = visitor(sqlite_exchange, newcomer)
    for shown in ("/", "/organisation", "/organisation/declaration"):
        assert "The register does not know this entry." in owner.get(shown), shown
    form = "/organisation/declaration"
    sent = {
        "name": "Newcomer",
        "country": "CN",
        "industry": "C34",
        "contact": "",
        "evidence": "Extract number 42 of 2026.",
    }
    owner.send(form, form, **sent)
    assert "Waiting for verification" in owner.get("/organisation")
    operator.send(page, page, note="Seen.", **{name: sent[name] for name in ("industry", "country")})
    assert "An operator checks your evidence" not in owner.get("/organisation")


def test_the_operator_suspends_and_lifts_the_suspension_and_the_firm_reads_why(
    sqlite_exchange: Any, visitor: Any
) -> None:
    firm = sqlite_exchange.firm("Maker")
    operator, owner = visitor(sqlite_exchange, sqlite_exchange.staff("operator")), visitor(sqlite_exchange, firm)
    page = f"/participants/{firm.participant}/verify"
    operator.send(page, f"/participants/{firm.participant}/suspend", reason="Complaints are looked into.")
    assert "Complaints are looked into." in owner.get("/")
    owner.get("/datasets/new", 403)
    operator.send(page, f"/participants/{firm.participant}/reinstate", reason="Settled.")
    owner.get("/datasets/new")
    assert "Complaints are looked into." not in owner.get("/organisation")


def test_what_a_firm_declares_anew_is_verified_as_it_was_looked_at(sqlite_exchange: Any, visitor: Any) -> None:
    firm = sqlite_exchange.firm("Maker")
    operator, owner = visitor(sqlite_exchange, sqlite_exchange.staff("operator")), visitor(sqlite_exchange, firm)
    form, page = "/organisation/declaration", f"/participants/{firm.participant}/verify"
    assert 'name="name"' not in owner.get(form), "the name of a verified firm is part of its agreements"
    owner.send(form, form, country="CN", industry="C34", contact="", evidence="Extract number 42 of 2026.")
    assert "Check evidence" in operator.get("/participants")
    refused = operator.send(page, page, 422, note="", country="CN", industry="C35").text
    assert "The organisation has changed its declaration." in refused
    operator.send(page, page, note="", country="CN", industry="C34")


def test_an_owner_changes_roles_and_shuts_people_out_and_the_last_owner_stays(
    sqlite_exchange: Any, visitor: Any
) -> None:
    firm = sqlite_exchange.firm("Maker")
    buyer = sqlite_exchange.person(firm, "buyer")
    owner = visitor(sqlite_exchange, firm)
    page = f"/organisation/people/{buyer.user}"
    owner.send(page, page, roles=["publisher", "finance"])
    assert {str(role) for role in sqlite_exchange.actor(buyer.user).roles} == {"publisher", "finance"}
    assert "Choose at least one role." in owner.send(page, page, 422).text
    owner.send(page, f"{page}/disable")
    assert "shut out" in owner.get("/organisation")
    owner.send(page, f"{page}/enable")
    assert "shut out" not in owner.get("/organisation").replace("is shut out;", "")
    own = f"/organisation/people/{firm.user}"
    assert "/disable" not in owner.get(own)
    assert "owner" in owner.send(own, own, 422, roles=["buyer"]).text
    stranger = visitor(sqlite_exchange, sqlite_exchange.firm("Other"))
    stranger.get(page, 404)
    visitor(sqlite_exchange, buyer).get(page, 403)


def test_a_lost_password_is_set_anew_with_a_code_that_is_shown_once(sqlite_exchange: Any, visitor: Any) -> None:
    firm = sqlite_exchange.firm("Maker")
    buyer = sqlite_exchange.person(firm, "buyer")
    owner, nobody = visitor(sqlite_exchange, firm), visitor(sqlite_exchange)
    shown = owner.send(f"/organisation/people/{buyer.user}", f"/organisation/people/{buyer.user}/reset", 200).text
    code = re.search(r"<code>([A-Z2-7-]{20,})</code>", shown)
    assert code
    new = {"password": "a sentence that I know", "repeated": "a sentence that I know"}
    nobody.send("/password", "/password", 422, code="WRONG", **new)
    assert "The two passwords differ." in nobody.send("/password", "/password", 422, code=code[1], **{**new, "repeated": "x"}).text  # fmt: skip
    nobody.send("/password", "/password", code=code[1], **new)
    nobody.send("/password", "/password", 422, code=code[1], **new)


def test_a_person_changes_the_own_password_knowing_the_present_one(sqlite_exchange: Any, visitor: Any) -> None:
    reader = visitor(sqlite_exchange, sqlite_exchange.firm("Maker"))
    new = {"password": "a sentence that I know", "repeated": "a sentence that I know"}
    wrong = reader.send("/account", "/account/password", 422, current_password="not it", **new)
    assert "This is not your present password." in wrong.text
    short = reader.send("/account", "/account/password", 422, current_password="x", password="short", repeated="short")
    assert passwords.RULE[0] in short.text
    reader.send("/account", "/account/password", current_password="correct horse battery", **new)


def test_the_operator_recovers_the_last_owner_after_naming_the_address(sqlite_exchange: Any, visitor: Any) -> None:
    firm = sqlite_exchange.firm("Maker")
    operator = visitor(sqlite_exchange, sqlite_exchange.staff("operator"))
    page = f"/participants/{firm.participant}/verify"
    operator.send(page, f"/participants/{firm.participant}/recovery", 422, email="somebody@else.example")
    shown = operator.send(page, f"/participants/{firm.participant}/recovery", 200, email="owner1@firm.example").text
    assert re.search(r"<code>[A-Z2-7-]{20,}</code>", shown)


@pytest.mark.parametrize("act", ["reject", "suspend", "reinstate", "recovery", "verify"])
def test_nobody_but_the_operator_decides_about_an_organisation(sqlite_exchange: Any, visitor: Any, act: str) -> None:
    firm, other = sqlite_exchange.firm("Maker"), sqlite_exchange.firm("Other")
    path = f"/participants/{firm.participant}/{act}"
    for actor in (other, sqlite_exchange.staff("auditor"), sqlite_exchange.staff("supervisor")):
        visitor(sqlite_exchange, actor).send("/account", path, 403, reason="Because.", email="a@b.example")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_that_is_wrong_with_a_registration_is_said_at_once_in_our_own_words(
    sqlite_exchange: Any, visitor: Any, language: str
) -> None:
    wrong = {
        "name": "x", "credit_code": "123", "industry": "gears", "evidence": "short", "custody": "self-held",
        "signing_public_key": "", "encryption_public_key": "AAAA", "owner_name": "", "email": "nobody", "password": "x",
        "repeated": "y",
    }  # fmt: skip
    page = visitor(sqlite_exchange, None, language).send("/register", "/register", 422, **wrong).text
    for field in wrong.keys() - {"custody"}:
        assert f'id="{field}-error"' in page, field
    for words in ("This field is required", "Field must be", "该字段是必填", "This is not a valid"):
        assert words not in page

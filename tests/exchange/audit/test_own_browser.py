"""Anybody verifies what they bring in the own browser: receipts and bundles, true and forged, under keys and policies of their own."""

from __future__ import annotations

import base64
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ledger import checkpoint
from ledger.bundle import verify_bundle
from ledger.canonical import decode, encode
from ledger.cosignature import Cosigner
from ledger.note import ML_DSA_44_COSIGNATURE
from ledger.receipt import format_proof, parse_proof
from ledger.signatures import SigningKey

pytestmark = pytest.mark.browser


def test_a_true_receipt_holds_in_every_form_without_login(site: Any, page: Any) -> None:
    entry, receipt = site.receipt()
    whole = site.trade.client().get(f"/api/v1/ledger/entries/{entry.index}").text
    answer = json.dumps({"transfer": "x", "receipts": [{"proof": "another"}, receipt.to_json()]})
    for text in (receipt.proof, json.dumps(receipt.to_json()), whole, answer, receipt.proof.replace("\n", "\r\n")):
        found, checks = site.told(page, text)
        assert found == "good", (text, checks)
        assert checks.pop("stated", "good") == "good"
        assert checks == {"signature": "good", "bytes": "good", "inclusion": "good", "today": "good"}
        assert page.get_by_text("It holds: your browser has checked it").first.is_visible()


def _other_place(proof: str, index: int) -> str:
    return proof.replace(f"index {index}\n", f"index {index - 1}\n")


def _other_hash(proof: str, _: int) -> str:
    lines = proof.split("\n")
    raw = bytearray(base64.b64decode(lines[2]))
    raw[3] ^= 1
    return "\n".join([*lines[:2], base64.b64encode(raw).decode(), *lines[3:]])


def _one_hash_less(proof: str, _: int) -> str:
    lines = proof.split("\n")
    return "\n".join([*lines[:2], *lines[3:]])


def _other_root(proof: str, _: int) -> str:
    head, note = proof.split("\n\n", 1)
    lines = note.split("\n")
    return head + "\n\n" + "\n".join([*lines[:2], base64.b64encode(bytes(32)).decode(), *lines[3:]])


def _other_size(proof: str, _: int) -> str:
    head, note = proof.split("\n\n", 1)
    lines = note.split("\n")
    return head + "\n\n" + "\n".join([lines[0], str(int(lines[1]) + 1), *lines[2:]])


def _other_signer(proof: str, _: int) -> str:
    parts = parse_proof(proof)
    found = checkpoint.unsafe_parse(parts.checkpoint)
    return proof.replace(parts.checkpoint, checkpoint.sign(found.origin, found.size, found.root, SigningKey.generate()))


def _bent_signature(proof: str, _: int) -> str:
    head, _, signature = proof.rpartition(" ")
    raw = bytearray(base64.b64decode(signature.strip()))
    raw[-1] ^= 1
    return f"{head} {base64.b64encode(raw).decode()}\n"


@pytest.mark.parametrize(
    ("tamper", "blamed"),
    [
        (_other_place, {"inclusion", "bytes"}),
        (_other_hash, {"inclusion"}),
        (_one_hash_less, {"inclusion"}),
        (_other_root, {"signature"}),
        (_other_size, {"signature"}),
        (_other_signer, {"signature"}),
        (_bent_signature, {"signature"}),
    ],
    ids=lambda value: value.__name__.strip("_").replace("_", " ") if callable(value) else "",
)
def test_a_tampered_receipt_does_not_hold_and_the_check_that_fails_is_named(
    site: Any, page: Any, tamper: Any, blamed: set[str]
) -> None:
    entry, receipt = site.receipt()
    found, checks = site.told(page, tamper(receipt.proof, receipt.index), entry=entry.body.decode())
    assert found == "bad"
    assert {name for name, tone in checks.items() if tone == "bad"} & blamed
    assert page.get_by_text("It does not hold").first.is_visible()


def test_another_entrys_bytes_or_a_changed_byte_are_found(site: Any, page: Any) -> None:
    entry, receipt = site.receipt()
    for body in (entry.body.decode().replace('"v":1}', '"v":2}'), site.receipt("escrow.held")[0].body.decode()):
        found, checks = site.told(page, receipt.proof, entry=body)
        assert (found, checks["inclusion"]) == ("bad", "bad")


def test_what_a_receipt_states_beside_its_proof_must_be_so(site: Any, page: Any) -> None:
    entry, receipt = site.receipt()
    for name in ("index", "size", "leaf_hash", "statement_id"):
        other = receipt.to_json()[name][:-1] + ("0" if receipt.to_json()[name][-1] != "0" else "1")
        found, checks = site.told(page, json.dumps(receipt.to_json() | {name: other}), entry=entry.body.decode())
        assert (found, checks["stated"]) == ("bad", "bad"), name


def test_a_key_of_ones_own_decides(site: Any, page: Any) -> None:
    _, receipt = site.receipt()
    assert site.told(page, receipt.proof, trust=site.log.vkey)[0] == "good"
    other = checkpoint.vkey(site.log.origin, SigningKey.generate().public)
    assert site.told(page, receipt.proof, trust=other)[1]["signature"] == "bad"
    assert site.told(page, receipt.proof, trust="no key")[1] == {"trust": "bad"}


def test_a_policy_of_ones_own_demands_its_witnesses(site: Any, page: Any) -> None:
    _, receipt = site.receipt()
    people = [Cosigner(f"{name}.example/w", bytes([place]) * 32) for place, name in enumerate(("alice", "bob"), 1)]
    people.append(Cosigner("carol.example/w", bytes([3]) * 32, ML_DSA_44_COSIGNATURE))
    lines = [f"log {site.log.vkey}", *(f"witness {item.name[:3]} {item.verifier.to_vkey()}" for item in people)]
    policy = "\n".join([*lines, "group two 2 ali bob car", "quorum two"]) + "\n"
    note = parse_proof(receipt.proof).checkpoint
    body = note.partition("\n\n")[0] + "\n"
    signed = [item.cosign(body, 1_790_000_000) for item in people]
    for given, expected in (([0, 1], "good"), ([0], "bad"), ([], "bad"), ([0, 2], "none"), ([2], "bad")):
        proof = receipt.proof + "".join(signed[place] + "\n" for place in given)
        found, checks = site.told(page, proof, trust=policy)
        assert checks["signature"] == "good", checks
        assert (found if given == [0, 2] else checks["witnesses"]) == expected, given
        # Today's log has no witnesses, which is no fault of the log.
        assert checks["today"] == "good"
    # A cosignature that does not hold is an attack, not an absence.
    raw = bytearray(base64.b64decode(signed[0].rpartition(" ")[2]))
    raw[-1] ^= 1
    forged = signed[0].rpartition(" ")[0] + " " + base64.b64encode(raw).decode()
    assert site.told(page, receipt.proof + forged + "\n", trust=policy)[1]["signature"] == "bad"
    for broken in (
        "quorum none",
        policy.replace("two 2", "two 4"),
        policy.replace("two 2", "two constructor"),
        policy.replace("quorum two", "quorum three"),
        policy + "quorum two\n",
    ):
        assert site.told(page, receipt.proof, trust=broken)[1] == {"trust": "bad"}, broken


def test_a_pinned_key_is_used_on_every_page_until_it_is_let_go(site: Any) -> None:
    other = checkpoint.vkey(site.log.origin, SigningKey.generate().public)
    page = site.page("/audit/verify")
    page.locator("summary", has_text="a key, a policy").click()
    page.locator("[data-field=trust]").fill(other)
    page.get_by_role("button", name="Keep it in this browser").click()
    page.locator("[data-trust-note]", has_text="kept in this browser since").wait_for()
    page.goto(site.url + "/audit")
    assert site.verdict(page, "[data-verify-head]")[1]["signature"] == "bad"
    page.goto(site.url + "/audit/entries/1")
    assert site.verdict(page, "[data-verify-entry]")[1]["signature"] == "bad"
    page.goto(site.url + "/audit/verify?index=1")
    assert site.verdict(page)[1]["signature"] == "bad"
    page.locator("summary", has_text="a key, a policy").click()
    page.get_by_role("button", name="Back to the key of this page").click()
    page.wait_for_function("() => document.querySelector('[data-verify-receipt]').dataset.verdict === 'good'")
    page.goto(site.url + "/audit")
    assert site.verdict(page, "[data-verify-head]")[0] == "good"
    assert page.faults == []
    page.context.close()


def test_a_kept_checkpoint_must_be_extended_by_todays_log(site: Any, page: Any) -> None:
    _, receipt = site.receipt()
    kept = site.log.checkpoint()
    site.trade.exchange.firm("Later Works")
    found, checks = site.told(page, receipt.proof, kept=kept)
    assert (found, checks["kept"]) == ("good", "good")
    found, checks = site.told(page, receipt.proof, kept=site.fork(checkpoint.unsafe_parse(kept).size))
    assert (found, checks["kept"]) == ("bad", "bad")
    assert "together they prove a fork" in page.locator('[data-check="kept"]').inner_text()
    # A slip of the hand is no fork.
    found, checks = site.told(page, receipt.proof, kept=kept.partition("\n\n")[0])
    assert (found, checks["kept"]) == ("bad", "bad")
    assert "not a signed checkpoint" in page.locator('[data-check="kept"]').inner_text()


def test_a_bundle_is_dropped_and_all_its_receipts_and_values_are_judged(site: Any, page: Any, tmp_path: Path) -> None:
    whole = site.trade.client(site.trade.consumer).get("/api/v1/ledger/bundles/participant").data
    found, checks = site.dropped(page, "evidence.zip", whole)
    assert (found, checks) == (
        "good",
        {"signature": "good", "bundle": "good", "bundle-openings": "good", "today": "good"},
    )

    def with_change(name: str, old: bytes, new: bytes) -> dict[str, str]:
        """Return what is found when one file of the bundle is changed."""
        (tmp_path / "whole.zip").write_bytes(whole)
        with (
            zipfile.ZipFile(tmp_path / "whole.zip") as source,
            zipfile.ZipFile(tmp_path / "changed.zip", "w", zipfile.ZIP_DEFLATED) as changed,
        ):
            assert source.read(name).count(old) == 1
            for item in source.namelist():
                data = source.read(item)
                changed.writestr(item, data.replace(old, new) if item == name else data)
        return site.dropped(page, "changed.zip", (tmp_path / "changed.zip").read_bytes())[1]

    theirs = site.trade.consumer.participant_name
    index = next(
        found.index
        for found in site.log.entries(0, site.log.size())
        if found.kind == "participant.joined" and site.log.openings(found.statement_id)["name"].value == theirs
    )
    kind = b'"kind":"participant.joined"'
    assert with_change(f"entries/{index}.json", kind, b'"kind":"participant.banned"')["bundle"] == "bad"
    assert page.locator("[data-verify-receipt]").get_by_text(f"these do not hold: {index}.").is_visible()
    name = theirs.encode()
    assert with_change(f"openings/{index}.json", name, name + b" AG")["bundle-openings"] == "bad"
    for damaged in (whole[:-30], whole[: len(whole) // 2], b"PK\3\4" + b"x" * 100):
        assert site.dropped(page, "b.zip", damaged)[1] == {"receipt": "bad"}
    # A receipt that is brought afterwards is judged by itself again.
    assert site.dropped(page, "step.tlog-proof", site.receipt()[1].proof.encode())[0] == "good"
    assert site.dropped(page, "large.txt", b"x" * 1_000_001)[1] == {"receipt": "bad"}


def test_the_browser_refuses_a_bundle_wherever_the_library_does(site: Any, page: Any, tmp_path: Path) -> None:
    whole = tmp_path / "whole.zip"
    whole.write_bytes(site.trade.client(site.trade.consumer).get("/api/v1/ledger/bundles/participant").data)
    with zipfile.ZipFile(whole) as source:
        files = {name: source.read(name) for name in source.namelist()}
    index = max(int(name[8:-5]) for name in files if name.startswith("entries/"))
    size = checkpoint.unsafe_parse(files["checkpoint"].decode()).size - 1
    earlier = format_proof(index, site.log.inclusion_proof(index, size), site.signed(size, site.log.root(size)))
    opened = decode(files[f"openings/{index}.json"])
    values = opened["openings"]
    signer = b'"signer":' + encode(values["signer"])
    proof, told = f"proofs/{index}.tlog-proof", f"openings/{index}.json"
    text = files[told]
    # Each holds by itself; together they could show one value or one witnessed tree, and prove another.
    for name, changed, check in (
        (proof, earlier.encode(), "bundle"),
        (told, encode(opened | {"openings": {key: values[key] for key in values if key != "signer"}}), "bundle-openings"),
        (told, encode(opened | {"openings": values | {"constructor": {"erased": True, "by": "x"}}}), "bundle-openings"),
        (told, encode(opened | {"statement_id": "urn:uuid:" + "0" * 36}), "bundle-openings"),
        (told, text.replace(signer, b'"signer":{"salt":"","value":"another"},' + signer), "bundle-openings"),
        (told, text + b"\n", "bundle-openings"),
    ):  # fmt: skip
        assert changed != text
        with zipfile.ZipFile(tmp_path / "changed.zip", "w") as target:
            for item, data in files.items():
                target.writestr(item, changed if item == name else data)
        named = {item.name for item in verify_bundle(tmp_path / "changed.zip", site.log.vkey).problems}
        assert named & {"inclusion", "opening"}, changed
        found, checks = site.dropped(page, "b.zip", (tmp_path / "changed.zip").read_bytes())
        assert (found, checks[check]) == ("bad", "bad"), changed


def test_a_log_that_cannot_be_asked_is_not_accused(site: Any) -> None:
    _, receipt = site.receipt()
    page = site.page("/audit/verify")
    page.route("**/checkpoint*", lambda route: route.fulfill(status=503, body=""))
    found, checks = site.told(page, receipt.proof)
    assert (found, checks["today"], checks["inclusion"]) == ("none", "none", "good")
    page.unroute("**/checkpoint*")
    # A log that refuses to prove its past is another matter.
    page.route("**/checkpoint?old=*", lambda route: route.fulfill(status=422, body=""))
    assert site.told(page, receipt.proof)[1]["today"] == "bad"
    page.context.close()


def test_without_javascript_the_server_verifies_and_says_whom_one_trusts(site: Any) -> None:
    _, receipt = site.receipt()
    for locale, button, honest in (
        ("en", "Let the exchange verify it", "you trust the exchange with this result"),
        ("zh-CN", "由平台验证", "采信它即是信任平台"),
    ):
        page = site.page("/audit/verify", locale=locale, script=False)
        assert not page.locator("[data-field=trust]").is_visible()
        assert page.locator("p.no-script").is_visible()
        page.locator("[name=receipt]").fill(json.dumps(receipt.to_json()))
        page.get_by_role("button", name=button).click()
        assert page.get_by_text(honest).first.is_visible()
        assert not page.locator("[data-verify-receipt]").is_visible()
        page.context.close()


def test_a_receipts_file_is_dropped_and_judged(site: Any, tmp_path: Path) -> None:
    _, receipt = site.receipt()
    path = tmp_path / "step.tlog-proof"
    path.write_text(receipt.proof)
    page = site.page("/audit/verify")
    page.locator("#file").set_input_files(str(path))
    assert site.verdict(page)[0] == "good"
    page.context.close()


def test_an_empty_file_is_said_to_be_empty(site: Any, page: Any) -> None:
    assert site.dropped(page, "receipt.json", b"") == ("bad", {"receipt": "bad"})
    assert "The file is empty." in page.locator('[data-check="receipt"]').inner_text()


def test_what_is_no_receipt_is_told_and_breaks_nothing(site: Any, page: Any) -> None:
    for text in (
        "hello",
        "{",
        '{"proof": 5}',
        "c2sp.org/tlog-proof@v1\nindex -1\n\nx",
        "<img src=x onerror=alert(1)>",
        "[]",
        "c2sp.org/tlog-proof@v1\n",
    ):
        found, checks = site.told(page, text)
        assert (found, checks) == ("bad", {"receipt": "bad"}), text

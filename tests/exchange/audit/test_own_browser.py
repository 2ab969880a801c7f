"""Anybody verifies evidence in the own browser: the script against the published probes, and the pages with receipts true and forged."""

from __future__ import annotations

import base64
import json
import re
import shutil
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from exchange.audit.verification import verify_receipt
from exchange.errors import InvalidInputError
from exchange.keystore import LOG
from ledger import checkpoint, signatures
from ledger.canonical import encode
from ledger.cosignature import Cosigner
from ledger.errors import SignatureError
from ledger.note import ML_DSA_44_COSIGNATURE
from ledger.receipt import parse_proof
from ledger.signatures import SigningKey

pytestmark = pytest.mark.browser
_LIMIT = 15_000
_WIDE, _PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@dataclass
class Site:
    """A served exchange with a trade on it, and a browser."""

    trade: Any
    url: str
    browser: Any

    @property
    def log(self) -> Any:
        return self.trade.exchange.operations.services.log

    def page(self, path: str, locale: str = "en", init: str = "", actor: Any = None, script: bool = True) -> Any:
        """Return a fresh visitor's page; errors of the console and of the policy fail the test at its end."""
        context = self.browser.new_context(locale=locale, viewport=_WIDE, java_script_enabled=script)
        if actor is not None:
            context.set_extra_http_headers({"Authorization": f"Bearer {self.trade.exchange.token(actor)}"})
        page = context.new_page()
        page.set_default_timeout(_LIMIT)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda message: page.faults.append(message.text) if message.type == "error" else None)
        if init:
            page.add_init_script(init)
        page.goto(self.url + path)
        return page

    def fork(self, size: int) -> str:
        """Return a checkpoint that the same key has signed over another history of the same size."""
        key = SigningKey.from_seed(self.trade.exchange.operations.services.keystore.secret(LOG))
        return checkpoint.sign(self.log.origin, size, b"\7" * 32, key)

    def receipt(self, kind: str = "transfer.started") -> tuple[Any, Any]:
        """Return (entry, receipt) of the first entry of a kind."""
        entry = next(entry for entry in self.log.entries(0, self.log.size()) if entry.kind == kind)
        return entry, self.log.receipt(entry.statement_id)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine (on Debian: apt install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def site(browser: Any, open_exchange: Any, make_trade: Any) -> Iterator[Site]:
    trade = make_trade(open_exchange())
    transfer = trade.started(price_fen=500)
    trade.run(trade.provider, "transfer.terminate", transfer=transfer, reason="Zhang San asked for it.")
    server = make_server("127.0.0.1", 0, trade.exchange.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Site(trade, f"http://127.0.0.1:{server.server_port}", browser)
    server.shutdown()
    thread.join(timeout=10)
    server.server_close()


def verdict(page: Any, place: str = "[data-verify-receipt]") -> tuple[str, dict[str, str]]:
    """Return the verdict that the page shows and each check's tone, once it stands there."""
    panel = page.locator(place)
    panel.wait_for(state="visible")
    page.wait_for_function("place => document.querySelector(place).dataset.verdict", arg=place)
    checks = {
        item.get_attribute("data-check"): item.get_attribute("class").removeprefix("check check-")
        for item in panel.locator("[data-check]").all()
    }
    return str(panel.get_attribute("data-verdict")), checks


_BRING = """
(given) => {
  document.querySelector("[data-verify-receipt]").dataset.verdict = "";
  for (const [name, value] of Object.entries(given)) document.querySelector(`[data-field=${name}]`).value = value;
  document.querySelector("[data-field=receipt]").dispatchEvent(new Event("input", { bubbles: true }));
}
"""


def told(page: Any, text: str, *, entry: str = "", trust: str = "", kept: str = "") -> tuple[str, dict[str, str]]:
    """Bring a receipt to the page, with a key and a checkpoint of one's own, and return its verdict."""
    own = trust or page.locator("[data-verifier]").get_attribute("data-vkey")
    page.evaluate(_BRING, {"receipt": text, "entry": entry, "trust": own, "kept": kept})
    return verdict(page)


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[Any]:
    """One visitor's page of verification, brought one thing after the other."""
    opened = site.page("/audit/verify")
    yield opened
    assert opened.faults == []
    opened.context.close()


PROBES = """
async (probes) => {
  const V = ledgerVerify, hashes = (items) => (items || []).map((item) => V.fromBase64(item)), one = (item) => V.fromBase64(item || "");
  const judged = [];
  for (const [kind, probe] of probes) {
    try {
      if (kind === "inclusion") {
        await V.verifyInclusion(BigInt(probe.leafIdx), BigInt(probe.treeSize), one(probe.leafHash), hashes(probe.proof), one(probe.root));
      } else {
        await V.verifyConsistency(BigInt(probe.size1), BigInt(probe.size2), hashes(probe.proof), one(probe.root1), one(probe.root2));
      }
      judged.push(true);
    } catch { judged.push(false); }
  }
  return judged;
}
"""


def test_the_script_judges_the_published_probes_as_published(page: Any, vectors: Path) -> None:
    folder = vectors / "merkle-rfc6962"
    paths = [(kind, path) for kind in ("inclusion", "consistency") for path in sorted((folder / kind).rglob("*.json"))]
    probes = [(kind, json.loads(path.read_text())) for kind, path in paths]
    judged = page.evaluate(PROBES, probes)
    assert len(judged) == 196
    wrong = [
        str(path) for (_, path), (_, probe), ok in zip(paths, probes, judged, strict=True) if ok is probe["wantErr"]
    ]
    assert not wrong


SIGNATURES = """
async (items) => Promise.all(items.map((item) => {
  const [key, message, signature] = item.map((text) => ledgerVerify.fromHex(text));
  return ledgerVerify.verifyEd25519(key, message, signature).catch(() => false);
}))
"""


def test_the_script_judges_signatures_as_the_library_does(page: Any, vectors: Path) -> None:
    groups = json.loads((vectors / "wycheproof" / "ed25519_test.json").read_text())["testGroups"]
    items = [(group["publicKey"]["pk"], test["msg"], test["sig"]) for group in groups for test in group["tests"]]
    # Keys and points of small order, under which one signature holds for every message, and encodings beyond the prime.
    weak = ["00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f", "ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "00" * 31 + "80"]  # fmt: skip
    items += [(key, "6869", point + "00" * 32) for key in weak for point in weak]

    def holds(key: str, message: str, signature: str) -> bool:
        try:
            signatures.verify_bytes(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature))
        except SignatureError:
            return False
        return True

    assert page.evaluate(SIGNATURES, items) == [holds(*item) for item in items]


def test_the_script_writes_canonical_json_as_the_library_does(page: Any, vectors: Path) -> None:
    for path in sorted((vectors / "jcs" / "input").glob("*.json")):
        text = path.read_text(encoding="utf-8")
        assert (
            page.evaluate("text => ledgerVerify.canonical(JSON.parse(text))", text) == encode(json.loads(text)).decode()
        )


JUDGE = """
async ([key, cases]) => {
  const policy = await ledgerTrust.parseTrust(key), judged = [];
  for (const [text, body] of cases) {
    try {
      const { checks } = await ledgerTrust.judgeReceipt(ledgerVerify.readReceipt(text), body, policy);
      judged.push(checks.every((check) => check.ok));
    } catch { judged.push(false); }
  }
  return judged;
}
"""


def flips(text: str, *bits: int) -> list[str]:
    """Return the text with one bit flipped, for every byte and each of these bits, as far as it stays text."""
    found, raw = [], text.encode()
    for place in range(len(raw)):
        for bit in bits:
            changed = bytearray(raw)
            changed[place] ^= 1 << bit
            try:
                found.append(changed.decode())
            except UnicodeDecodeError:
                continue
    return found


def test_after_a_flipped_bit_anywhere_the_browser_and_the_library_judge_alike(site: Site, page: Any) -> None:
    entry, receipt = site.receipt()
    body, stated = entry.body.decode(), json.dumps(receipt.to_json())
    cases = [(receipt.proof, body), (stated, body)]
    cases += [(text, body) for text in flips(receipt.proof, 0, 5)]
    proofs = len(cases)
    cases += [(text, body) for text in flips(stated, 1)] + [(receipt.proof, text) for text in flips(body, 0, 5)]

    def library(text: str, entry: str) -> bool:
        try:
            return all(check.ok for check in verify_receipt(site.log, text, entry))
        except InvalidInputError:
            return False

    expected = [library(*case) for case in cases]
    judged = page.evaluate(JUDGE, [site.log.vkey, cases])
    differing = [(case, ours) for case, theirs, ours in zip(cases, judged, expected, strict=True) if theirs is not ours]
    assert not differing, differing[:3]
    assert judged[:2] == [True, True]
    # Of a proof nothing but white space at its end may change; a name beside the proof that nobody knows is not looked at.
    assert [
        text
        for (text, _), ok in zip(cases[2:proofs], judged[2:proofs], strict=True)
        if ok and text.strip() != receipt.proof.strip()
    ] == []
    assert sum(judged) < len(cases) // 20


def test_a_true_receipt_holds_in_every_form_without_login(site: Site, page: Any) -> None:
    entry, receipt = site.receipt()
    whole = site.trade.client().get(f"/api/v1/ledger/entries/{entry.index}").text
    answer = json.dumps({"transfer": "x", "receipts": [{"proof": "another"}, receipt.to_json()]})
    for text in (receipt.proof, json.dumps(receipt.to_json()), whole, answer, receipt.proof.replace("\n", "\r\n")):
        found, checks = told(page, text)
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
    site: Site, page: Any, tamper: Any, blamed: set[str]
) -> None:
    entry, receipt = site.receipt()
    found, checks = told(page, tamper(receipt.proof, receipt.index), entry=entry.body.decode())
    assert found == "bad"
    assert {name for name, tone in checks.items() if tone == "bad"} & blamed
    assert page.get_by_text("It does not hold").first.is_visible()


def test_another_entrys_bytes_or_a_changed_byte_are_found(site: Site, page: Any) -> None:
    entry, receipt = site.receipt()
    for body in (entry.body.decode().replace('"v":1}', '"v":2}'), site.receipt("escrow.held")[0].body.decode()):
        found, checks = told(page, receipt.proof, entry=body)
        assert (found, checks["inclusion"]) == ("bad", "bad")


def test_what_a_receipt_states_beside_its_proof_must_be_so(site: Site, page: Any) -> None:
    entry, receipt = site.receipt()
    for name in ("index", "size", "leaf_hash", "statement_id"):
        other = receipt.to_json()[name][:-1] + ("0" if receipt.to_json()[name][-1] != "0" else "1")
        found, checks = told(page, json.dumps(receipt.to_json() | {name: other}), entry=entry.body.decode())
        assert (found, checks["stated"]) == ("bad", "bad"), name


def test_a_key_of_ones_own_decides(site: Site, page: Any) -> None:
    _, receipt = site.receipt()
    assert told(page, receipt.proof, trust=site.log.vkey)[0] == "good"
    other = checkpoint.vkey(site.log.origin, SigningKey.generate().public)
    assert told(page, receipt.proof, trust=other)[1]["signature"] == "bad"
    assert told(page, receipt.proof, trust="no key")[1] == {"trust": "bad"}


def test_a_policy_of_ones_own_demands_its_witnesses(site: Site, page: Any) -> None:
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
        found, checks = told(page, proof, trust=policy)
        assert checks["signature"] == "good", checks
        assert (found if given == [0, 2] else checks["witnesses"]) == expected, given
        # Today's log has no witnesses, which is no fault of the log.
        assert checks["today"] == "good"
    # A cosignature that does not hold is an attack, not an absence.
    raw = bytearray(base64.b64decode(signed[0].rpartition(" ")[2]))
    raw[-1] ^= 1
    forged = signed[0].rpartition(" ")[0] + " " + base64.b64encode(raw).decode()
    assert told(page, receipt.proof + forged + "\n", trust=policy)[1]["signature"] == "bad"
    for broken in (
        "quorum none",
        policy.replace("two 2", "two 4"),
        policy.replace("quorum two", "quorum three"),
        policy + "quorum two\n",
    ):
        assert told(page, receipt.proof, trust=broken)[1] == {"trust": "bad"}, broken


def test_a_pinned_key_is_used_on_every_page_until_it_is_let_go(site: Site) -> None:
    other = checkpoint.vkey(site.log.origin, SigningKey.generate().public)
    page = site.page("/audit/verify")
    page.locator("summary", has_text="a key, a policy").click()
    page.locator("[data-field=trust]").fill(other)
    page.get_by_role("button", name="Keep it in this browser").click()
    page.locator("[data-trust-note]", has_text="kept in this browser since").wait_for()
    page.goto(site.url + "/audit")
    assert verdict(page, "[data-verify-head]")[1]["signature"] == "bad"
    page.goto(site.url + "/audit/entries/1")
    assert verdict(page, "[data-verify-entry]")[1]["signature"] == "bad"
    page.goto(site.url + "/audit/verify?index=1")
    assert verdict(page)[1]["signature"] == "bad"
    page.locator("summary", has_text="a key, a policy").click()
    page.get_by_role("button", name="Back to the key of this page").click()
    page.wait_for_function("() => document.querySelector('[data-verify-receipt]').dataset.verdict === 'good'")
    page.goto(site.url + "/audit")
    assert verdict(page, "[data-verify-head]")[0] == "good"
    assert page.faults == []
    page.context.close()


def test_a_kept_checkpoint_must_be_extended_by_todays_log(site: Site, page: Any) -> None:
    _, receipt = site.receipt()
    kept = site.log.checkpoint()
    site.trade.exchange.firm("Later Works")
    found, checks = told(page, receipt.proof, kept=kept)
    assert (found, checks["kept"]) == ("good", "good")
    found, checks = told(page, receipt.proof, kept=site.fork(checkpoint.unsafe_parse(kept).size))
    assert (found, checks["kept"]) == ("bad", "bad")


def test_the_browser_remembers_what_it_saw_and_finds_a_rewritten_log(site: Site) -> None:
    page = site.page("/audit")
    assert verdict(page, "[data-verify-head]") == ("good", {"signature": "good", "memory": "good"})
    assert page.get_by_text("Nothing yet").first.is_visible()
    site.trade.exchange.firm("Grown Works")
    page.reload()
    assert verdict(page, "[data-verify-head]")[0] == "good"
    assert page.get_by_text("nothing before was changed").first.is_visible()
    # As if this browser had seen another log of the same name, key and size.
    forked = site.fork(site.log.size())
    page.evaluate(
        "([origin, note]) => localStorage.setItem(`ledger/${origin}`, JSON.stringify({note, at: '2026-11-20T08:00:00Z'}))",
        [site.log.origin, forked],
    )
    page.reload()
    assert verdict(page, "[data-verify-head]") == ("bad", {"signature": "good", "memory": "bad"})
    kept = page.evaluate("origin => JSON.parse(localStorage.getItem(`ledger/${origin}`)).note", site.log.origin)
    assert kept == forked, "what proves the fork must not be overwritten"
    page.context.close()


def test_the_page_of_an_entry_is_verified_as_it_opens_with_chain_and_path_drawn(site: Site) -> None:
    entry, _ = site.receipt()
    page = site.page(f"/audit/entries/{entry.index}")
    found, checks = verdict(page, "[data-verify-entry]")
    assert found == "good"
    assert checks == {"signature": "good", "bytes": "good", "inclusion": "good", "chain": "good"}
    assert page.locator("figure.chart svg").count() == 2
    assert page.faults == []
    first = site.page("/audit/entries/0")
    assert "chain" not in verdict(first, "[data-verify-entry]")[1]
    for opened in (page, first):
        opened.context.close()


def test_a_party_sees_that_the_values_shown_are_those_committed_to_and_what_was_erased(site: Site) -> None:
    trade = site.trade
    entry = site.receipt("transfer.terminated")[0]
    page = site.page(f"/audit/entries/{entry.index}", actor=trade.consumer)
    assert verdict(page, "[data-verify-entry]")[1]["openings"] == "good"
    assert page.get_by_text("Erased: 0.").first.is_visible()
    # A page that shows another value, or another person's signature, is found out by the reader's own browser.
    changed = page.evaluate(
        """async () => {
          const place = document.querySelector("[data-verify-entry]"), entry = ledgerVerify.parseEntry(place.dataset.body);
          const judge = async (change) => {
            const given = JSON.parse(place.dataset.openings);
            change(given);
            const opened = Object.fromEntries(Object.entries(given).map(([name, item]) => [name, item && { salt: ledgerVerify.fromHex(item.salt), value: item.value }]));
            try { await ledgerVerify.verifyOpenings(entry, opened); return true; } catch { return false; }
          };
          return [
            await judge(() => {}), await judge((given) => { given.reason.value += "!"; }),
            await judge((given) => { given.reason.salt = "00".repeat(32); }), await judge((given) => { given.more = given.reason; }),
            await judge((given) => { given.reason = given.transfer; }),
          ];
        }"""
    )
    assert changed == [True, False, False, False, False]
    client = trade.client(trade.exchange.staff("operator"))
    answer = client.post(
        f"/api/v1/ledger/entries/{entry.index}/erasure", json={"fields": ["reason"], "reason": "Request of the person."}
    )
    assert answer.status_code == 200, answer.text
    page.reload()
    found, checks = verdict(page, "[data-verify-entry]")
    assert (found, checks["openings"]) == ("good", "good")
    assert page.get_by_text("Erased: 1.").first.is_visible()
    assert page.faults == []
    page.context.close()
    stranger = site.page(f"/audit/entries/{entry.index}")
    assert "openings" not in verdict(stranger, "[data-verify-entry]")[1]
    stranger.context.close()


def test_a_browser_without_ed25519_says_so_and_claims_nothing(site: Site) -> None:
    _, receipt = site.receipt()
    without = """
      const original = crypto.subtle.importKey.bind(crypto.subtle);
      SubtleCrypto.prototype.importKey = function (format, key, algorithm, ...rest) {
        if ((algorithm.name || algorithm) === "Ed25519") return Promise.reject(new DOMException("no", "NotSupportedError"));
        return original(format, key, algorithm, ...rest);
      };
    """
    page = site.page("/audit/verify", init=without)
    found, checks = told(page, receipt.proof)
    assert (found, checks) == ("none", {"browser": "none"})
    assert page.get_by_text("It has no Ed25519 in WebCrypto").first.is_visible()
    page.context.close()


def test_a_page_without_https_says_so(site: Site) -> None:
    page = site.page("/audit", init="Object.defineProperty(globalThis, 'isSecureContext', { value: false });")
    assert verdict(page, "[data-verify-head]") == ("none", {"browser": "none"})
    assert page.get_by_text("Cryptography is open to pages over HTTPS alone").first.is_visible()
    page.context.close()


DROP = """
([name, text]) => {
  const data = new DataTransfer(), bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  data.items.add(new File([bytes], name));
  document.querySelector("[data-verify-receipt]").dataset.verdict = "";
  document.querySelector("[data-drop]").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}
"""


def dropped(page: Any, name: str, data: bytes) -> tuple[str, dict[str, str]]:
    """Drop a file on the page as it is when it opens, and return its verdict."""
    told(page, "nothing yet")
    page.evaluate(DROP, [name, base64.b64encode(data).decode()])
    return verdict(page)


def test_a_bundle_is_dropped_and_all_its_receipts_and_values_are_judged(site: Site, page: Any, tmp_path: Path) -> None:
    whole = site.trade.client(site.trade.consumer).get("/api/v1/ledger/bundles/participant").data
    found, checks = dropped(page, "evidence.zip", whole)
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
        return dropped(page, "changed.zip", (tmp_path / "changed.zip").read_bytes())[1]

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
        assert dropped(page, "b.zip", damaged)[1] == {"receipt": "bad"}
    # A receipt that is brought afterwards is judged by itself again.
    assert dropped(page, "step.tlog-proof", site.receipt()[1].proof.encode())[0] == "good"
    assert dropped(page, "large.txt", b"x" * 1_000_001)[1] == {"receipt": "bad"}


def test_a_log_that_cannot_be_asked_is_not_accused(site: Site) -> None:
    _, receipt = site.receipt()
    page = site.page("/audit/verify")
    page.route("**/checkpoint*", lambda route: route.fulfill(status=503, body=""))
    found, checks = told(page, receipt.proof)
    assert (found, checks["today"], checks["inclusion"]) == ("none", "none", "good")
    page.unroute("**/checkpoint*")
    # A log that refuses to prove its past is another matter.
    page.route("**/checkpoint?old=*", lambda route: route.fulfill(status=422, body=""))
    assert told(page, receipt.proof)[1]["today"] == "bad"
    page.context.close()


def test_without_javascript_the_server_verifies_and_says_whom_one_trusts(site: Site) -> None:
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


def test_a_receipts_file_is_dropped_and_judged(site: Site, tmp_path: Path) -> None:
    _, receipt = site.receipt()
    path = tmp_path / "step.tlog-proof"
    path.write_text(receipt.proof)
    page = site.page("/audit/verify")
    page.locator("#file").set_input_files(str(path))
    assert verdict(page)[0] == "good"
    page.context.close()


def test_what_is_no_receipt_is_told_and_breaks_nothing(page: Any) -> None:
    for text in (
        "hello",
        "{",
        '{"proof": 5}',
        "c2sp.org/tlog-proof@v1\nindex -1\n\nx",
        "<img src=x onerror=alert(1)>",
        "[]",
        "c2sp.org/tlog-proof@v1\n",
    ):
        found, checks = told(page, text)
        assert (found, checks) == ("bad", {"receipt": "bad"}), text


def test_a_reader_of_chinese_reads_the_verdict_in_chinese(site: Site) -> None:
    _, receipt = site.receipt()
    page = site.page("/audit/verify", locale="zh-CN")
    page.locator("[data-field=receipt]").fill(receipt.proof)
    verdict(page)
    text = page.locator("[data-verify-receipt]").inner_text()
    assert "成立：已由您的浏览器验证" in text
    assert not re.search(r"[A-Za-z]{3,} [a-z]{2,} [a-z]{2,}", text), text
    page.context.close()


SEEN = """() => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!element.closest("code, pre, script, textarea, [lang=en]") && element.checkVisibility()) found.push(walker.currentNode.data);
  }
  return found;
}"""


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_the_audit_pages_are_for_everybody_in_light_and_dark_wide_and_on_a_phone(site: Site, locale: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.base").AXE_SCRIPT
    entry = site.receipt("transfer.terminated")[0].index
    faults: list[str] = []
    for path, place, who in (
        ("/audit?kind=escrow.held&from=2020-13-01&to=2020-01-01", "[data-verify-head]", None),
        ("/audit?mine=1", "[data-verify-head]", site.trade.consumer),
        (f"/audit/entries/{entry}", "[data-verify-entry]", site.trade.consumer),
        (f"/audit/verify?index={entry}", "[data-verify-receipt]", None),
    ):
        page = site.page(path, locale=locale, actor=who)
        verdict(page, place)
        page.evaluate("document.querySelectorAll('main details').forEach((item) => { item.open = true; })")
        page.evaluate(axe)
        for scheme, size in (("light", _WIDE), ("dark", _PHONE)):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size(size)
            excess = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            faults += [f"{path} {scheme}: {excess} pixels wider than the window"] if excess > 0 else []
            found = page.evaluate("axe.run({resultTypes: ['violations']}).then((result) => result.violations)")
            faults += [
                f"{path} {scheme}: {item['id']}: {node['target']} {node['failureSummary']}"
                for item in found if item["impact"] in {"serious", "critical"} for node in item["nodes"]
            ]  # fmt: skip
        if locale != "en":
            sentence = re.compile(r"[A-Za-z]+(?:[ ,]+[a-z]{2,}){4}")
            faults += [f"{path}: {text.strip()}" for text in page.evaluate(SEEN) if sentence.search(text)]
        faults += page.faults
        page.context.close()
    assert not faults, "\n".join(faults)


def test_the_page_of_verification_is_worked_by_the_keyboard_alone(site: Site) -> None:
    _, receipt = site.receipt()
    page = site.page("/audit/verify")
    page.locator("[data-field=receipt]").focus()
    page.keyboard.insert_text(receipt.proof)
    assert verdict(page)[0] == "good"
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.dataset.field || document.activeElement.textContent.trim()")
        reached.append(name)
        if name.startswith("Use a key"):
            page.keyboard.press("Enter")
    assert {"trust", "kept", "Keep it in this browser"} <= set(reached), reached
    page.context.close()

"""The ledger's pages in a real browser: what they verify as they open, what they remember, and that they are for everybody."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ledger import checkpoint
from ledger.signatures import SigningKey

pytestmark = pytest.mark.browser
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def test_the_browser_remembers_what_it_saw_and_finds_a_rewritten_log(site: Any) -> None:
    page = site.page("/audit")
    assert site.verdict(page, "[data-verify-head]") == ("good", {"signature": "good", "memory": "good"})
    assert page.get_by_text("Nothing yet").first.is_visible()
    site.trade.exchange.firm("Grown Works")
    page.reload()
    assert site.verdict(page, "[data-verify-head]")[0] == "good"
    assert page.get_by_text("nothing before was changed").first.is_visible()
    # Its time stands in the zone of all others on the pages, not in that of the browser.
    assert "UTC+8" in page.locator('[data-check="memory"]').inner_text()
    # As if this browser had seen another log of the same name, key and size.
    forked = site.fork(site.log.size())
    page.evaluate(
        "note => localStorage.setItem('ledger-seen', JSON.stringify({note, at: '2026-11-20T08:00:00Z'}))", forked
    )
    page.reload()
    assert site.verdict(page, "[data-verify-head]") == ("bad", {"signature": "good", "memory": "bad"})
    kept = page.evaluate("JSON.parse(localStorage.getItem('ledger-seen')).note")
    assert kept == forked, "what proves the fork must not be overwritten"
    page.context.close()


def test_a_log_that_begins_anew_under_another_name_and_key_is_noticed(site: Any) -> None:
    page = site.page("/audit")
    assert site.verdict(page, "[data-verify-head]")[0] == "good"
    # From now on the exchange shows a log of its own making, with the key that fits it.
    key, root = SigningKey.generate(), site.log.root(5)
    vkey, note = checkpoint.vkey("anew.example/log", key.public), checkpoint.sign("anew.example/log", 5, root, key)
    shown = page.request.get(site.url + "/audit").text().replace(site.log.vkey, vkey)
    page.route("**/audit", lambda route: route.fulfill(body=shown, content_type="text/html; charset=utf-8"))
    page.route("**/checkpoint*", lambda route: route.fulfill(body=note, content_type="text/plain"))
    page.reload()
    assert site.verdict(page, "[data-verify-head]") == ("bad", {"signature": "good", "memory": "bad"})
    assert page.get_by_text("forked, rewritten or replaced").first.is_visible()
    page.context.close()


def test_a_key_that_has_changed_is_told_from_a_log_that_was_rewritten(site: Any) -> None:
    page, former, size = site.page("/audit"), SigningKey.generate(), site.log.size()
    assert site.verdict(page, "[data-verify-head]")[0] == "good"
    for root, expected in ((site.log.root(size), "none"), (b"\7" * 32, "bad")):
        seen = checkpoint.sign(site.log.origin, size, root, former)
        trust = checkpoint.vkey(site.log.origin, former.public)
        page.evaluate("seen => localStorage.setItem('ledger-seen', JSON.stringify(seen))",
                      {"note": seen, "trust": trust, "at": "2026-11-20T08:00:00Z"})  # fmt: skip
        page.reload()
        assert site.verdict(page, "[data-verify-head]") == (expected, {"signature": "good", "memory": expected})
        assert page.evaluate("JSON.parse(localStorage.getItem('ledger-seen')).note") == seen
    page.context.close()


def test_the_page_of_an_entry_is_verified_as_it_opens_with_chain_and_path_drawn(site: Any) -> None:
    entry, _ = site.receipt()
    page = site.page(f"/audit/entries/{entry.index}")
    found, checks = site.verdict(page, "[data-verify-entry]")
    assert found == "good"
    assert checks == {"signature": "good", "bytes": "good", "inclusion": "good", "chain": "good"}
    assert page.locator("figure.chart svg").count() == 2
    assert page.faults == []
    first = site.page("/audit/entries/0")
    assert "chain" not in site.verdict(first, "[data-verify-entry]")[1]
    for opened in (page, first):
        opened.context.close()


def test_a_party_sees_that_the_values_shown_are_those_committed_to_and_what_was_erased(site: Any) -> None:
    trade = site.trade
    entry = site.receipt("transfer.terminated")[0]
    page = site.page(f"/audit/entries/{entry.index}", actor=trade.consumer)
    assert site.verdict(page, "[data-verify-entry]")[1]["openings"] == "good"
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
    found, checks = site.verdict(page, "[data-verify-entry]")
    assert (found, checks["openings"]) == ("good", "good")
    assert page.get_by_text("Erased: 1.").first.is_visible()
    assert page.faults == []
    page.context.close()
    stranger = site.page(f"/audit/entries/{entry.index}")
    assert "openings" not in site.verdict(stranger, "[data-verify-entry]")[1]
    stranger.context.close()


def test_a_browser_without_ed25519_says_so_and_claims_nothing(site: Any) -> None:
    _, receipt = site.receipt()
    without = """
      const original = crypto.subtle.importKey.bind(crypto.subtle);
      SubtleCrypto.prototype.importKey = function (format, key, algorithm, ...rest) {
        if ((algorithm.name || algorithm) === "Ed25519") return Promise.reject(new DOMException("no", "NotSupportedError"));
        return original(format, key, algorithm, ...rest);
      };
    """
    page = site.page("/audit/verify", init=without)
    found, checks = site.told(page, receipt.proof)
    assert (found, checks) == ("none", {"browser": "none"})
    assert page.get_by_text("It has no Ed25519 in WebCrypto").first.is_visible()
    page.context.close()


def test_a_page_without_https_says_so(site: Any) -> None:
    page = site.page("/audit", init="Object.defineProperty(globalThis, 'isSecureContext', { value: false });")
    assert site.verdict(page, "[data-verify-head]") == ("none", {"browser": "none"})
    assert page.get_by_text("Cryptography is open to pages over HTTPS alone").first.is_visible()
    page.context.close()


def test_a_reader_of_chinese_reads_the_verdict_in_chinese(site: Any) -> None:
    _, receipt = site.receipt()
    page = site.page("/audit/verify", locale="zh-CN")
    page.locator("[data-field=receipt]").fill(receipt.proof)
    site.verdict(page)
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
def test_the_audit_pages_are_for_everybody_in_light_and_dark_wide_and_on_a_phone(site: Any, locale: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.base").AXE_SCRIPT
    entry = site.receipt("transfer.terminated")[0].index
    faults: list[str] = []
    for path, place, who in (
        ("/audit?kind=escrow.held&from=2020-13-01&to=2020-01-01", "[data-verify-head]", None),
        ("/audit/outside", "[data-verify-head]", None),
        ("/audit?mine=1", "[data-verify-head]", site.trade.consumer),
        (f"/audit/entries/{entry}", "[data-verify-entry]", site.trade.consumer),
        (f"/audit/verify?index={entry}", "[data-verify-receipt]", None),
    ):
        page = site.page(path, locale=locale, actor=who)
        site.verdict(page, place)
        page.evaluate("document.querySelectorAll('main details').forEach((item) => { item.open = true; })")
        page.evaluate(axe)
        for scheme, size in (("light", WIDE), ("dark", PHONE)):
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


def test_the_page_of_verification_is_worked_by_the_keyboard_alone(site: Any) -> None:
    _, receipt = site.receipt()
    page = site.page("/audit/verify")
    page.locator("[data-field=receipt]").focus()
    page.keyboard.insert_text(receipt.proof)
    assert site.verdict(page)[0] == "good"
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.dataset.field || document.activeElement.textContent.trim()")
        reached.append(name)
        if name.startswith("Use a key"):
            page.keyboard.press("Enter")
    assert {"trust", "kept", "Keep it in this browser"} <= set(reached), reached
    page.context.close()

"""A real browser before a served exchange, for the tests of what visitors verify in their own browser."""

from __future__ import annotations

import base64
import contextlib
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.serving import make_server

from exchange.keystore import LOG
from ledger import checkpoint
from ledger.signatures import SigningKey

_LIMIT = 15_000
_BRING = """
(given) => {
  document.querySelector("[data-verify-receipt]").dataset.verdict = "";
  for (const [name, value] of Object.entries(given)) document.querySelector(`[data-field=${name}]`).value = value;
  document.querySelector("[data-field=receipt]").dispatchEvent(new Event("input", { bubbles: true }));
}
"""
_DROP = """
([name, text]) => {
  const data = new DataTransfer(), bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  data.items.add(new File([bytes], name));
  document.querySelector("[data-verify-receipt]").dataset.verdict = "";
  document.querySelector("[data-drop]").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}
"""


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
        context = self.browser.new_context(
            locale=locale, viewport={"width": 1280, "height": 900}, java_script_enabled=script
        )
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
        return self.signed(size, b"\7" * 32)

    def signed(self, size: int, root: bytes) -> str:
        """Return a checkpoint of the log's key."""
        key = SigningKey.from_seed(self.trade.exchange.operations.services.keystore.secret(LOG))
        return checkpoint.sign(self.log.origin, size, root, key)

    def receipt(self, kind: str = "transfer.started") -> tuple[Any, Any]:
        """Return (entry, receipt) of the first entry of a kind."""
        entry = next(entry for entry in self.log.entries(0, self.log.size()) if entry.kind == kind)
        return entry, self.log.receipt(entry.statement_id)

    @staticmethod
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

    @staticmethod
    def told(page: Any, text: str, *, entry: str = "", trust: str = "", kept: str = "") -> tuple[str, dict[str, str]]:
        """Bring a receipt to the page, with a key and a checkpoint of one's own, and return its verdict."""
        own = trust or page.locator("[data-verifier]").get_attribute("data-vkey")
        page.evaluate(_BRING, {"receipt": text, "entry": entry, "trust": own, "kept": kept})
        return Site.verdict(page)

    @staticmethod
    def dropped(page: Any, name: str, data: bytes) -> tuple[str, dict[str, str]]:
        """Drop a file on the page as it is when it opens, and return its verdict."""
        Site.told(page, "nothing yet")
        page.evaluate(_DROP, [name, base64.b64encode(data).decode()])
        return Site.verdict(page)


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


def _whole(application: Any) -> Any:
    """Give answers as a whole: Werkzeug's server leaves one open where a browser that goes away resets its connection."""

    def answer(environ: Any, start_response: Any) -> list[bytes]:
        with contextlib.closing(application(environ, start_response)) as parts:
            return list(parts)

    return answer


@pytest.fixture(scope="module")
def site(browser: Any, open_exchange: Any, make_trade: Any) -> Iterator[Site]:
    trade = make_trade(open_exchange())
    transfer = trade.started(price_fen=500)
    trade.run(trade.provider, "transfer.terminate", transfer=transfer, reason="Zhang San asked for it.")
    server = make_server("127.0.0.1", 0, _whole(trade.exchange.app), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Site(trade, f"http://127.0.0.1:{server.server_port}", browser)
    server.shutdown()
    thread.join(timeout=10)
    server.server_close()


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[Any]:
    """One visitor's page of verification, brought one thing after the other."""
    opened = site.page("/audit/verify")
    yield opened
    assert opened.faults == []
    opened.context.close()

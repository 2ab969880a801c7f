"""What the browser's journey stands on: a real server in a process of its own, and windows of a real browser."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

SCREENSHOTS = Path(__file__).resolve().parents[2] / "screenshots"
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
# Five words in a row of which all but the first are in lower case: an English sentence, no name of a firm or a standard.
_SENTENCE = re.compile(r"[A-Za-z]+(?:[ ,]+[a-z]{2,}){4}")
_SEEN_TEXT = """() => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!element.closest("code, pre, script, textarea, [lang=en]") && element.checkVisibility()) found.push(walker.currentNode.data);
  }
  return found;
}"""


# Tests are no package, so the server's helper is taken from its file.
_SPEC = importlib.util.spec_from_file_location("journey_server", Path(__file__).with_name("server.py"))
_SERVER = importlib.util.module_from_spec(_SPEC)  # type: ignore[arg-type]
sys.modules["journey_server"] = _SERVER
_SPEC.loader.exec_module(_SERVER)  # type: ignore[union-attr]


@dataclass
class Site:
    """A running exchange: its address, and the passwords of its operator and its auditor."""

    url: str
    passwords: dict[str, str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve a fresh exchange with an operator and an auditor."""
    server = _SERVER.prepare(tmp_path_factory.mktemp("site"))
    server.run(
        "exchange.cli", "staff", "--name", "Auditor", "--email", "auditor@exchange.example", "--role", "auditor",
        EXCHANGE_STAFF_PASSWORD=server.password,
    )  # fmt: skip
    server.start()
    yield Site(server.url, {"operator": server.password, "auditor": server.password})
    server.stop()


@dataclass
class Album:
    """What was seen in the browser: the pages that were looked at, and everything that was wrong with them."""

    folder: Path
    axe: str
    pages: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    accessibility: list[str] = field(default_factory=list)
    layout: list[str] = field(default_factory=list)
    english: list[str] = field(default_factory=list)


class Window:
    """One person's browser window: it acts by what a person sees, labels and buttons, never by addresses of forms."""

    def __init__(self, browser: Any, url: str, album: Album) -> None:
        self.album = album
        self.context = browser.new_context(base_url=url, viewport=WIDE, locale="en-US", reduced_motion="reduce")
        self.context.set_default_timeout(30_000)
        self.page = self.context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: album.console.append(f"{self.page.url}: {error}"))

    def _heard(self, message: Any) -> None:
        # Chromium reports a page's own status of 400 and above as an error; the steps demand each status themselves.
        own = "Failed to load resource" in message.text and message.location.get("url") == self.page.url
        if message.type in {"error", "warning"} and not own:
            self.album.console.append(f"{self.page.url}: {message.type}: {message.text}")

    def visit(self, path: str, status: int = 200) -> None:
        """Open a page and demand its status."""
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.status == status, f"{path} answered {answer.status}"

    def fill(self, label: str, text: str, *, exact: bool = False) -> None:
        """Write into the field of that label."""
        self.page.get_by_label(label, exact=exact).first.fill(text)

    def pick(self, label: str, option: str) -> None:
        """Choose an option of a select by its label."""
        self.page.get_by_label(label).first.select_option(label=option)

    def tick(self, label: str) -> None:
        """Tick a check box or a radio button."""
        self.page.get_by_label(label).first.check()

    def press(self, name: str, status: int = 200) -> None:
        """Press a button that sends a form, and demand the status of the page that follows."""
        with self.page.expect_navigation() as following:
            self.page.get_by_role("button", name=name).first.click()
        answer = following.value
        assert answer is None or answer.status == status, f"{name}: {answer.status}"

    def follow(self, name: str) -> None:
        """Follow a link."""
        with self.page.expect_navigation():
            self.page.get_by_role("link", name=name).first.click()

    def open(self, name: str) -> None:
        """Open what is folded."""
        self.page.locator("summary", has_text=name).first.click()

    def confirm(self, name: str, act: str) -> None:
        """Open the panel of a weighty act and press its button."""
        self.open(name)
        self.press(act)

    def sees(self, text: str, timeout: float | None = None) -> None:
        """Wait until the text stands on the page."""
        self.page.get_by_text(text).first.wait_for(timeout=timeout)

    def sign_in(self, email: str, password: str) -> None:
        self.visit("/login")
        self.fill("E-mail address", email)
        self.fill("Password", password)
        self.press("Sign in")

    def download(self, name: str, folder: Path) -> Path:
        """Follow a link that gives a file, and return the file."""
        with self.page.expect_download() as coming:
            self.page.get_by_role("link", name=name).first.click()
        path = folder / str(coming.value.suggested_filename)
        coming.value.save_as(path)
        return path

    def choose_language(self, code: str) -> None:
        self.context.add_cookies([{"name": "locale", "value": code, "url": urljoin(self.page.url, "/")}])

    def look(self, name: str) -> None:
        """Look at the page wide and light, then on a phone and dark; note what is wrong and keep the pictures."""
        self.album.pages.append(name)
        self._picture(name, "light", WIDE)
        self._picture(name, "dark", PHONE)
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(WIDE)

    def look_in_chinese(self, name: str) -> None:
        """Look at the page wide and dark, then on a phone and light, and note every English sentence."""
        self.album.pages.append(name)
        texts = [text for text in self.page.evaluate(_SEEN_TEXT) if _SENTENCE.search(text)]
        self.album.english += [f"{self.page.url}: {' '.join(text.split())}" for text in texts]
        self._picture(name, "dark", WIDE)
        # Light on a phone has the colours and the order of what was examined already.
        self._picture(name, "light", PHONE, examine=False)
        self.page.set_viewport_size(WIDE)

    def _picture(self, name: str, theme: str, size: dict[str, int], *, examine: bool = True) -> None:
        self.page.set_viewport_size(size)
        self.page.emulate_media(color_scheme=theme)
        # The header sticks to the window, so that a page that was scrolled would have it in its middle.
        self.page.evaluate("scrollTo(0, 0)")
        label = f"{len(self.album.pages):02d}-{name}-{theme}-{size['width']}"
        excess = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if excess > 0:
            self.album.layout.append(f"{label}: {excess} pixels wider than the window")
        if examine:
            self.album.accessibility += [f"{label}: {fault}" for fault in self._barriers()]
        self.page.screenshot(path=self.album.folder / f"{label}.png", full_page=True)

    def _barriers(self) -> list[str]:
        """Return what axe finds serious or critical on the page."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(self.album.axe)
        found = self.page.evaluate("axe.run({resultTypes: ['violations']}).then((result) => result.violations)")
        return [
            f"{item['impact']} {item['id']}: {node['target']} {node['failureSummary']}"
            for item in found
            if item["impact"] in {"serious", "critical"}
            for node in item["nodes"]
        ]


@pytest.fixture(scope="module")
def album() -> Album:
    """An empty album; the pictures of an earlier run are removed."""
    axe = pytest.importorskip("axe_playwright_python.base").AXE_SCRIPT
    SCREENSHOTS.mkdir(exist_ok=True)
    for old in SCREENSHOTS.glob("*.png"):
        old.unlink()
    return Album(SCREENSHOTS, axe)


@pytest.fixture(scope="module")
def desk(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Window]]:
    """Return the browser window of a person, opened at its first use; skips where there is no Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine (on Debian: apt install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    site, album = request.getfixturevalue("site"), request.getfixturevalue("album")
    windows: dict[str, Window] = {}
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )

        def of(person: str) -> Window:
            if person not in windows:
                windows[person] = Window(browser, site.url, album)
            return windows[person]

        yield of
        browser.close()

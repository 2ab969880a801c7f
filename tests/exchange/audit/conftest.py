"""The two firms of the transfer's tests, for what is recorded of their trade."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

# Tests are no package, so the other folder's fixtures are taken from its file.
_PATH = Path(__file__).parent.parent / "transfer" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("transfer_fixtures", _PATH)
_MODULE = importlib.util.module_from_spec(_SPEC)  # type: ignore[arg-type]
sys.modules["transfer_fixtures"] = _MODULE
_SPEC.loader.exec_module(_MODULE)  # type: ignore[union-attr]

open_exchange, shared_exchange, shared_embedded = (
    _MODULE.open_exchange,
    _MODULE.shared_exchange,
    _MODULE.shared_embedded,
)
make_trade, trade, embedded, refused = _MODULE.make_trade, _MODULE.trade, _MODULE.embedded, _MODULE.refused

# A browser before a served exchange, for those tests that ask for one.
_BROWSING = importlib.util.spec_from_file_location("browsing", Path(__file__).with_name("browsing.py"))
_BROWSER = importlib.util.module_from_spec(_BROWSING)  # type: ignore[arg-type]
sys.modules["browsing"] = _BROWSER
_BROWSING.loader.exec_module(_BROWSER)  # type: ignore[union-attr]

browser, site, page = _BROWSER.browser, _BROWSER.site, _BROWSER.page

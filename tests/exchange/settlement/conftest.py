"""The market of the negotiation's tests, for what is paid in it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

# Tests are no package, so the other folder's fixtures are taken from its file.
_PATH = Path(__file__).parent.parent / "negotiation" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("negotiation_market", _PATH)
_MODULE = importlib.util.module_from_spec(_SPEC)  # type: ignore[arg-type]
sys.modules["negotiation_market"] = _MODULE
_SPEC.loader.exec_module(_MODULE)  # type: ignore[union-attr]

make_market, market, sqlite_market, visit = _MODULE.make_market, _MODULE.market, _MODULE.sqlite_market, _MODULE.visit

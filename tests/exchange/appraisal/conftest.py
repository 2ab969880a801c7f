"""Appraisal starts where listing ends, so it shares the catalogue's fixtures."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location(
    "catalog_fixtures", Path(__file__).resolve().parent.parent / "catalog" / "conftest.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
_FIXTURES = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = _FIXTURES
_SPEC.loader.exec_module(_FIXTURES)

market = _FIXTURES.market
embedded = _FIXTURES.embedded
nothing = _FIXTURES.nothing

"""Write docs/statements.md anew: `python -m exchange.audit.statements`."""

from __future__ import annotations

from pathlib import Path

from exchange.audit.statements.table import markdown

if __name__ == "__main__":
    page = Path(__file__).parents[3] / "docs" / "statements.md"
    page.write_text(markdown(), encoding="utf-8")

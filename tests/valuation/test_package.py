"""What the package needs at run time lies in its packages, where an installation takes it along."""

from __future__ import annotations

from pathlib import Path

import valuation

ROOT = Path(valuation.__file__).parent


def test_every_data_file_lies_directly_in_a_package() -> None:
    files = list(ROOT.rglob("*.json"))
    assert len(files) == 6
    assert all((path.parent / "__init__.py").is_file() for path in files)


def test_the_package_is_marked_as_typed() -> None:
    assert (ROOT / "py.typed").is_file()

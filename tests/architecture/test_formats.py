"""The table of a bundle's files in the docs is that of the code, neither more nor less."""

from __future__ import annotations

import re
from pathlib import Path

from ledger.bundle import layout


def test_the_docs_list_every_file_of_a_bundle_and_no_other(repository: Path) -> None:
    text = (repository / "docs" / "formats.md").read_text(encoding="utf-8")
    section = text.split("## Evidence bundle\n")[1].split("\n## ")[0]
    told = {re.sub("N", "7", name).replace("SIZE", "9") for name in re.findall(r"^\| `([^`]+)` \|", section, re.M)}
    told = {name.replace("documents/…", "documents/x").replace("REA7ME", "README") for name in told}
    told = {name.replace("README.txt", layout.README) for name in told}
    known = {
        *layout.FIXED,
        layout.entry_name(7), layout.proof_name(7), layout.openings_name(7), layout.succession_name(7),
        *(layout.attested_name(9, kind) for kind in layout.ATTESTED),
        "documents/x",
    }  # fmt: skip
    assert told == known
    assert all(layout.NAME.fullmatch(name) for name in told)
    # A kind of file that the pattern takes and that is not above.
    plain = re.sub(r"\(0\|[^)]*\)", "7", layout.NAME.pattern)
    assert plain.count("|") == len(known) - 1

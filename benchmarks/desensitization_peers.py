"""Peers of the desensitization library, timed by an interpreter that has them; prints one JSON object of seconds.

`python benchmarks/desensitization_peers.py FOLDER`, where FOLDER has `groups.parquet` (k and l), `close.parquet` (t) and
`wide.parquet` (read and written untouched). A peer that is not installed, or that fails, is named with null.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path


def _seconds(work: Callable[[], object]) -> float | None:
    try:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started
    except Exception as error:
        print(f"{type(error).__name__}: {error}"[:200], file=sys.stderr)
        return None


def _pycanon(folder: Path) -> dict[str, float | None]:
    import pandas
    from pycanon import anonymity

    groups, close = (pandas.read_parquet(folder / name) for name in ("groups.parquet", "close.parquet"))
    quasi = ["a", "b", "c"]
    return {
        "pycanon k": _seconds(lambda: anonymity.k_anonymity(groups, quasi)),
        "pycanon l": _seconds(lambda: anonymity.l_diversity(groups, quasi, ["s"])),
        "pycanon t": _seconds(lambda: anonymity.t_closeness(close, quasi, ["s"])),
    }


def _ff3(_folder: Path) -> dict[str, float | None]:
    from ff3 import FF3Cipher

    cipher = FF3Cipher("EF4359D8D580AA4F7F036D6F04FC6A94", "D8E7920AFA330A73")
    return {"ff3 10000": _seconds(lambda: [cipher.encrypt(f"{n:011d}") for n in range(10_000)])}


def _presidio(folder: Path) -> dict[str, float | None]:
    import pandas
    from presidio_anonymizer.entities import OperatorConfig
    from presidio_structured import StructuredEngine
    from presidio_structured.config import StructuredAnalysis
    from presidio_structured.data import PandasDataProcessor

    frame = pandas.read_parquet(folder / "wide.parquet", columns=["phone", "identity"]).head(40_000)
    engine = StructuredEngine(PandasDataProcessor())
    analysis = StructuredAnalysis({"phone": "PHONE_NUMBER", "identity": "ID"})
    mask = OperatorConfig("mask", {"masking_char": "*", "chars_to_mask": 4, "from_end": False})
    return {"presidio 80000": _seconds(lambda: engine.anonymize(frame, analysis, {"DEFAULT": mask}))}


def _polars(folder: Path) -> dict[str, float | None]:
    import polars

    def copy() -> None:
        polars.scan_parquet(folder / "wide.parquet").sink_parquet(folder / "polars.parquet", compression="zstd")

    return {"polars copy": _seconds(copy)}


def main() -> None:
    """Time every peer that is there."""
    folder, found = Path(sys.argv[1]), {}
    for peer in (_polars, _pycanon, _ff3, _presidio):
        try:
            found |= peer(folder)
        except ImportError as error:
            print(f"missing: {error}", file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""What the tests of file reading share: a desk to write files on, read them from, and see them refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from exchange.catalog.reading import Detected, ReadingError, Table, inspect, to_parquet

Upload = tuple[Path, str]


@dataclass
class Desk:
    """A folder for uploads and one for the tables made of them."""

    root: Path

    @property
    def target(self) -> Path:
        return self.root / "table"

    def file(self, name: str, content: bytes | str, encoding: str = "utf-8") -> Upload:
        path = self.root / name
        path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
        return path, name

    def read(self, *uploads: Upload, **options: Any) -> tuple[Table, pa.Table]:
        """Return what was said about the table and its rows, read again from the written files."""
        table = to_parquet(uploads, self.target, **options)
        parts = [pq.read_table(file.path) for file in table.files]
        return table, pa.concat_tables(parts)

    def look(self, upload: Upload, **options: Any) -> Detected:
        return inspect(*upload, **options)

    def refuse(self, *uploads: Upload, **options: Any) -> ReadingError:
        """Return the error, having seen that it speaks both languages and left nothing behind."""
        target = self.root / "refused"
        target.mkdir(exist_ok=True)
        with pytest.raises(ReadingError) as caught:
            to_parquet(uploads, target, **options)
        assert list(target.iterdir()) == []
        error = caught.value
        assert error.reason_en
        assert error.mend_en
        assert any("\u4e00" <= character <= "\u9fff" for character in error.reason_zh)
        assert any("\u4e00" <= character <= "\u9fff" for character in error.mend_zh)
        return error


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def codes() -> Any:
    """Return what lists the codes of a table's warnings."""
    return lambda found: [warning.code for warning in found.warnings]

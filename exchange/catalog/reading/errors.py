"""The one exception of file reading, and the remarks that do not stop it.

ReadingError      the file cannot be read as a table, or is no table at all
ReadingWarning    a value, not an exception: something the publisher should look at

Both speak English and Chinese, since they are shown to the person who uploads.
"""

from __future__ import annotations

from dataclasses import dataclass

Bilingual = tuple[str, str]

NOT_A_TABLE = "not-a-table"


class ReadingError(Exception):
    """Say what is wrong with a file: a stable `code`, the `field` (file, column, row or sheet), reason and mend.

    `code` is `NOT_A_TABLE` where the file is no table at all, so that a caller may keep it as an opaque file.
    """

    def __init__(self, code: str, *, field: str | None, reason: Bilingual, mend: Bilingual) -> None:
        self.code = code
        self.field = field
        self.reason_en, self.reason_zh = reason
        self.mend_en, self.mend_zh = mend
        super().__init__(" ".join(part for part in (field and f"{field}:", self.reason_en, self.mend_en) if part))

    def text(self, locale: str) -> Bilingual:
        """Return (reason, mend) in `locale` ("zh…" or anything else for English)."""
        if locale.startswith("zh"):
            return self.reason_zh, self.mend_zh
        return self.reason_en, self.mend_en


@dataclass(frozen=True)
class ReadingWarning:
    """A remark on a file that was read: a stable `code`, the `field` concerned, the number of cells or rows, the text."""

    code: str
    field: str | None
    text_en: str
    text_zh: str
    count: int = 1

    def text(self, locale: str) -> str:
        """Return the remark in `locale` ("zh…" or anything else for English)."""
        return self.text_zh if locale.startswith("zh") else self.text_en


def shorten(value: str, length: int = 40) -> str:
    """Return `value` fit for a message: printable, on one line, at most `length` characters."""
    line = "".join(character if character.isprintable() else "·" for character in value[: length + 1])
    return line if len(line) <= length else line[: length - 1] + "…"

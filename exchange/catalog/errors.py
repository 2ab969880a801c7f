"""Errors of the catalog that are none of the exchange's general ones.

ExchangeError
└── UploadCutShortError   fewer bytes arrived than were announced: 400, nothing is kept
"""

from __future__ import annotations

from exchange.errors import ExchangeError


class UploadCutShortError(ExchangeError):
    code = "upload-cut-short"

    def __init__(self, received: int, announced: int) -> None:
        super().__init__(
            (
                f"The upload was cut short: {received} of {announced} bytes arrived.",
                f"上传中断：共 {announced} 字节，仅收到 {received} 字节。",
            ),
            ("Send it again; nothing was kept.", "请重新上传；未保留任何内容。"),
            field="content",
        )

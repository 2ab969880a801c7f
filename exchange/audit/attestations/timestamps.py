"""Time stamps over checkpoints by the authority that the operator named, under the certificate that the operator pinned."""

from __future__ import annotations

from exchange.config import Settings
from exchange.egress import Egress
from exchange.errors import SettingsError, UnreachableError
from ledger import note
from ledger.anchors import rfc3161
from ledger.anchors.rfc3161 import Timestamp
from ledger.errors import TimestampError
from ledger.storage import StoredCheckpoint

NAME = "timestamps"
_TIMEOUT_SECONDS = 15.0


def authorities(settings: Settings) -> list[bytes]:
    """Return the pinned certificates. Raises SettingsError where the file cannot be read."""
    try:
        return [settings.timestamp_ca.read_bytes()]
    except OSError as error:
        raise SettingsError(
            (f"The authority's certificate cannot be read: {error.strerror}.", f"无法读取时间戳机构的证书：{error.strerror}。"),
            ("Set timestamp_ca to the file of the certificate above the authority's.", "请将 timestamp_ca 设为该机构上级证书的文件。"),
            field="timestamp_ca",
        ) from error  # fmt: skip


def require(settings: Settings) -> None:
    """Check that stamping could work. Raises SettingsError with the mend where it could not."""
    try:
        rfc3161.load_certificates(authorities(settings))
        rfc3161.request(b"?")
    except TimestampError as error:
        raise SettingsError(
            (f"Time stamps cannot be had: {error}.", f"无法获取时间戳：{error}。"),
            (
                "Mend timestamp_ca, or install the extra `timestamps`.",
                "请修正 timestamp_ca，或安装附加组件 `timestamps`。",
            ),
            field="timestamp_ca",
        ) from error


def stamp(egress: Egress, settings: Settings, newest: StoredCheckpoint) -> tuple[bytes, Timestamp]:
    """Return the authority's verified reply over a checkpoint, and what it says.

    Raises ExchangeError when the authority may not be called or does not answer, TimestampError when its reply does not hold.
    """

    def post(url: str, query: bytes, content_type: str) -> bytes:
        reply = egress.request(
            "POST", url, body=query, headers={"Content-Type": content_type, "Accept": rfc3161.REPLY_TYPE},
            timeout=_TIMEOUT_SECONDS, limit=rfc3161.MAX_REPLY_BYTES,
        )  # fmt: skip
        if reply.status != 200:
            raise UnreachableError(
                (f"The time-stamping authority answers {reply.status}.", f"时间戳机构返回状态 {reply.status}。"),
                ("Ask its operator, or name another with timestamp_authority.", "请咨询其运营方，或用 timestamp_authority 更换。"),
            )  # fmt: skip
        return reply.body

    body = note.split(newest.note)[0]
    return rfc3161.stamp(post, settings.timestamp_authority, body.encode(), authorities(settings))

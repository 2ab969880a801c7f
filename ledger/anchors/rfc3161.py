"""Trusted time (RFC 3161): an authority signs that it saw a checkpoint at a moment, and anyone checks it offline.

The token is over the checkpoint's body, the text that the log signed, by its SHA-256; everything below the
checkpoint existed by then. It needs the package `rfc3161-client` (the extra `timestamps`), imported where it
is used. The transport is passed in.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ledger.errors import TimestampError

REQUEST_TYPE = "application/timestamp-query"
REPLY_TYPE = "application/timestamp-reply"
MAX_REPLY_BYTES = 64 * 1024
_SHA256 = "2.16.840.1.101.3.4.2.1"

Post = Callable[[str, bytes, str], bytes]
"""POST bytes of a content type to an address; return the body of a 200, of at most MAX_REPLY_BYTES."""


@dataclass(frozen=True)
class Timestamp:
    """A verified time stamp: the stamped bytes existed at `time`, give or take `accuracy`."""

    time: datetime
    accuracy: timedelta
    serial: int
    authority: str
    """The subject of the certificate that signed, as RFC 4514 writes it."""

    @property
    def latest(self) -> datetime:
        """The moment by which the bytes existed at the latest."""
        return self.time + self.accuracy


def request(body: bytes) -> tuple[bytes, int]:
    """Return a query for a time stamp over these bytes, DER, and the nonce that the reply must repeat."""
    client = _client()
    query = client.TimestampRequestBuilder().data(body).hash_algorithm(client.HashAlgorithm.SHA256).build()
    return bytes(query.as_bytes()), int(query.nonce)


def stamp(post: Post, url: str, body: bytes, authorities: Sequence[bytes]) -> tuple[bytes, Timestamp]:
    """Return an authority's reply over these bytes, verified, and what it says.

    Raises TimestampError when the reply does not hold, and what `post` raises.
    """
    query, nonce = request(body)
    reply = post(url, query, REQUEST_TYPE)
    return reply, verify(reply, body, authorities, nonce=nonce)


def verify(reply: bytes, body: bytes, authorities: Sequence[bytes], *, nonce: int | None = None) -> Timestamp:
    """Check a time-stamp reply, DER, over these bytes.

    `authorities` are certificates, PEM or DER, of which one must stand above the signer; a PEM file may hold
    several. They must have been valid at the stamped time, not now. `nonce` is what the query asked with;
    without it a reply to somebody else's query over the same bytes is as good. Raises TimestampError.
    """
    client = _client()
    roots = load_certificates(authorities)
    if len(reply) > MAX_REPLY_BYTES:
        raise TimestampError("the time-stamp reply is too large")
    try:
        response = client.decode_timestamp_response(reply)
        if response.status != 0:
            raise TimestampError(f"the authority refused: status {response.status} {' '.join(response.status_string)}")
        info = response.tst_info
        imprint = info.message_imprint
        if imprint.hash_algorithm.dotted_string != _SHA256:
            raise TimestampError("the time stamp is not over a SHA-256")
        if imprint.message != hashlib.sha256(body).digest():
            raise TimestampError("the time stamp is of other bytes")
        builder = client.VerifierBuilder(roots=roots)
        if nonce is not None:
            builder = builder.nonce(nonce)
        builder.build().verify_message(response, body)
        moment = info.gen_time.astimezone(UTC)
        return Timestamp(moment, _span(info.accuracy), int(info.serial_number), _signer(response))
    except (ValueError, OverflowError, client.VerificationError) as error:
        raise TimestampError(f"the time stamp does not hold: {error}") from error


def _span(accuracy: Any) -> timedelta:
    if accuracy is None:
        return timedelta()
    return timedelta(
        seconds=accuracy.seconds or 0, milliseconds=accuracy.millis or 0, microseconds=accuracy.micros or 0
    )


def load_certificates(authorities: Sequence[bytes]) -> list[Any]:
    """Return the certificates in some files, PEM or DER. Raises TimestampError when there is none, or not one."""
    found = [certificate for data in authorities for certificate in _certificates(data)]
    if not found:
        raise TimestampError("no certificate of a time-stamping authority is given")
    return found


def check_authorities(authorities: Sequence[bytes]) -> None:
    """Raise TimestampError where time stamps cannot be judged by these: no certificate, or a package is missing."""
    _client()
    load_certificates(authorities)


def _signer(response: Any) -> str:
    from cryptography import x509

    (signer,) = response.signed_data.signer_infos
    for data in response.signed_data.certificates:
        certificate = x509.load_der_x509_certificate(data)
        if (certificate.issuer, certificate.serial_number) == (signer.issuer, signer.serial_number):
            return certificate.subject.rfc4514_string()
    return ""


def _certificates(data: bytes) -> list[Any]:
    from cryptography import x509

    try:
        if b"-----BEGIN" in data:
            return list(x509.load_pem_x509_certificates(data))
        return [x509.load_der_x509_certificate(data)]
    except ValueError as error:
        raise TimestampError(f"not a certificate of a time-stamping authority: {error}") from error


def _client() -> Any:
    try:
        import rfc3161_client
    except ImportError as error:
        raise TimestampError(
            "time stamps need the package rfc3161-client: pip install 'industrial-data-exchange[timestamps]'"
        ) from error
    return rfc3161_client

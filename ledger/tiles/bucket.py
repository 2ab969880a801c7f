"""A bucket of an S3 server as the place of a log's static files; the bucket itself, or a cache before it, serves them.

A PUT is durable, and visible as a whole, when it is answered. Nothing locks a bucket, so the checkpoint is put in
place only where the one is still there that was read before: of two exports at once one gives up.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ledger.errors import LedgerError, LedgerUnavailableError
from ledger.tiles.layout import CHECKPOINT

SCHEME = "s3://"
FOR_EVER = "public, max-age=31536000, immutable"
# The checkpoint changes with every step; so many seconds of age keep a cache busy and nobody behind.
BRIEFLY = "public, max-age=2"
CHECKPOINT_TYPE, TILE_TYPE = "text/plain; charset=utf-8", "application/octet-stream"
_NOT_FOUND, _CONFLICT = 404, (409, 412)


class BucketTarget:
    """What `s3://bucket/prefix` names, through a client of boto3."""

    def __init__(self, client: Any, address: str) -> None:
        bucket, _, prefix = address.removeprefix(SCHEME).partition("/")
        if not address.startswith(SCHEME) or not bucket:
            raise LedgerError(f"{address} is no address of a bucket such as s3://bucket/prefix")
        self._client, self._bucket = client, bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._tag: str | None = None

    def read(self, path: str) -> bytes | None:
        with self._answering():
            found = self._ask(self._client.get_object, path)
            if found is None:
                return None
            if path == CHECKPOINT:
                # Not every server takes it back in quotes.
                self._tag = found["ETag"].strip('"')
            data: bytes = found["Body"].read()
            return data

    def write(self, path: str, data: bytes) -> bool:
        with self._answering():
            if path == CHECKPOINT:
                return self._replace_checkpoint(data)
            if self._holds(path, data):
                return False
            self._put(path, data, ContentType=TILE_TYPE, CacheControl=FOR_EVER)
            return True

    def remove(self, prefix: str) -> None:
        with self._answering():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                for item in page.get("Contents", ()):
                    self._client.delete_object(Bucket=self._bucket, Key=item["Key"])

    def _replace_checkpoint(self, data: bytes) -> bool:
        condition = {"IfNoneMatch": "*"} if self._tag is None else {"IfMatch": self._tag}
        from botocore.exceptions import ClientError

        try:
            self._put(CHECKPOINT, data, ContentType=CHECKPOINT_TYPE, CacheControl=BRIEFLY, **condition)
        except ClientError as error:
            # A repeated request finds what the first one has written, whose answer was lost.
            if _status(error) in _CONFLICT and self.read(CHECKPOINT) != data:
                raise LedgerError("another export has put a checkpoint in place meanwhile; export again") from error
            if _status(error) not in _CONFLICT:
                raise
        return True

    def _holds(self, path: str, data: bytes) -> bool:
        """Say whether an export before has written these bytes; where the server's tag says less, they are written again."""
        found = self._ask(self._client.head_object, path)
        tag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return found is not None and found["ContentLength"] == len(data) and found["ETag"].strip('"') == tag

    def _put(self, path: str, data: bytes, **options: str) -> None:
        self._client.put_object(Bucket=self._bucket, Key=self._prefix + path, Body=data, **options)

    def _ask(self, question: Any, path: str) -> Any:
        from botocore.exceptions import ClientError

        try:
            return question(Bucket=self._bucket, Key=self._prefix + path)
        except ClientError as error:
            if _status(error) == _NOT_FOUND and error.response.get("Error", {}).get("Code") != "NoSuchBucket":
                return None
            raise

    @contextmanager
    def _answering(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            told = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
            reason = told or type(error).__name__
            raise LedgerUnavailableError(f"{SCHEME}{self._bucket} does not answer, or refuses: {reason}") from error


def _status(error: Any) -> int | None:
    status: int | None = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status

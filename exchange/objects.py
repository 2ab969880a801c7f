"""The object store: immutable bytes under their own SHA-256, in a local folder or behind the S3 API.

Both stores keep one contract: `put` is durable when it returns and write-once (the same bytes again are accepted, an object is never replaced);
`open` gives a seekable binary stream; what is missing raises NotFoundError, what cannot be stored raises StorageError and leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from exchange.config import Settings
from exchange.errors import NotFoundError, SettingsError, StorageError
from exchange.files import sync_folder

_BLOCK = 1024 * 1024


class ObjectStore(Protocol):
    """Write-once, content-addressed bytes. All methods are safe to call from several threads and processes."""

    def put(self, path: Path) -> str:
        """Store the file at `path` and return its SHA-256 in hex; durable on return."""

    def open(self, digest: str) -> BinaryIO:
        """Return a seekable stream of the object. Raises NotFoundError."""

    def size(self, digest: str) -> int:
        """Return the object's length in bytes. Raises NotFoundError."""

    def delete(self, digest: str) -> None:
        """Remove the object; nothing happens where it is gone already."""

    def digests(self) -> Iterator[str]:
        """Yield the digest of every stored object."""

    def discard_incomplete(self, before: datetime) -> int:
        """Remove what puts that were killed before then left half-written; return how many pieces."""


def make_object_store(settings: Settings) -> ObjectStore:
    """Return the store that `settings.object_store` names: a folder, or s3://bucket/prefix. Raises SettingsError without boto3."""
    if settings.object_store.startswith("s3://"):
        return S3Store(settings)
    return FolderStore(Path(settings.object_store))


def s3_client(settings: Settings) -> Any:
    """Return a client of the S3 server that the settings name. Raises SettingsError without boto3."""
    if importlib.util.find_spec("boto3") is None:
        raise SettingsError(
            ("The S3 store needs the package boto3, which is not installed.", "S3 存储需要 boto3 软件包，但尚未安装。"),
            ("Install the extra: pip install 'industrial-data-exchange[s3]'.", "请安装附加组件：pip install 'industrial-data-exchange[s3]'。"),
            field="object_store",
        )  # fmt: skip
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint or None,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key or None,
        aws_secret_access_key=settings.s3_secret_key or None,
        config=Config(
            connect_timeout=10,
            retries={"max_attempts": 4, "mode": "standard"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"} if settings.s3_endpoint else {},
        ),
    )


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FolderStore:
    """Objects as files `ab/cdef…` below one folder; a rename makes each visible at once, whole and synced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest[2:]

    def put(self, path: Path) -> str:
        digest = file_digest(path)
        target = self._path(digest)
        if target.exists():
            return digest
        try:
            target.parent.mkdir(exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=".incoming-")
            try:
                with os.fdopen(handle, "wb") as copy, path.open("rb") as source:
                    while block := source.read(_BLOCK):
                        copy.write(block)
                    copy.flush()
                    os.fsync(copy.fileno())
                Path(name).rename(target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            for folder in (target.parent, self._folder):
                sync_folder(folder)
        except OSError as error:
            raise _cannot_store(error) from error
        return digest

    def open(self, digest: str) -> BinaryIO:
        try:
            return self._path(digest).open("rb")
        except FileNotFoundError as error:
            raise NotFoundError(_MISSING) from error

    def size(self, digest: str) -> int:
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError as error:
            raise NotFoundError(_MISSING) from error

    def delete(self, digest: str) -> None:
        self._path(digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        for path in self._folder.glob("??/*"):
            if not path.name.startswith("."):
                yield path.parent.name + path.name

    def discard_incomplete(self, before: datetime) -> int:
        removed = 0
        for path in self._folder.glob("??/.incoming-*"):
            # A put that ends at this moment renames its file away.
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before.timestamp():
                    path.unlink()
                    removed += 1
        return removed


class S3Store:
    """Objects in one bucket of an S3-compatible server, written with If-None-Match so that none is replaced."""

    def __init__(self, settings: Settings) -> None:
        bucket, _, prefix = settings.object_store.removeprefix("s3://").partition("/")
        self._bucket, self._prefix = bucket, prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._client = s3_client(settings)

    def _key(self, digest: str) -> str:
        return f"{self._prefix}{digest[:2]}/{digest[2:]}"

    def put(self, path: Path) -> str:
        from boto3.s3.transfer import TransferConfig
        from botocore.exceptions import BotoCoreError, ClientError

        digest = file_digest(path)
        key = self._key(digest)
        try:
            if self._head(digest) is not None:
                return digest
            if path.stat().st_size <= 64 * _BLOCK:
                with path.open("rb") as body:
                    self._client.put_object(Bucket=self._bucket, Key=key, Body=body, IfNoneMatch="*")
            else:
                self._client.upload_file(
                    str(path),
                    self._bucket,
                    key,
                    Config=TransferConfig(multipart_chunksize=64 * _BLOCK, max_concurrency=2),
                )
            if self._head(digest) != path.stat().st_size:
                raise StorageError(*_CANNOT_STORE)
        except ClientError as error:
            # 412: another process stored the same bytes first, which is what was wanted.
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 412:
                raise _cannot_store(error) from error
        except (BotoCoreError, OSError) as error:
            raise _cannot_store(error) from error
        return digest

    def _head(self, digest: str) -> int | None:
        from botocore.exceptions import ClientError

        try:
            return int(self._client.head_object(Bucket=self._bucket, Key=self._key(digest))["ContentLength"])
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return None
            raise

    def open(self, digest: str) -> BinaryIO:
        return io.BufferedReader(
            _S3Reader(self._client, self._bucket, self._key(digest), self.size(digest)), 4 * _BLOCK
        )

    def size(self, digest: str) -> int:
        with _answering():
            size = self._head(digest)
        if size is None:
            raise NotFoundError(_MISSING)
        return size

    def delete(self, digest: str) -> None:
        with _answering():
            self._client.delete_object(Bucket=self._bucket, Key=self._key(digest))

    def digests(self) -> Iterator[str]:
        with _answering():
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            ):
                for item in page.get("Contents", ()):
                    yield item["Key"].removeprefix(self._prefix).replace("/", "")

    def discard_incomplete(self, before: datetime) -> int:
        removed = 0
        with _answering():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            for item in (item for page in pages for item in page.get("Uploads", ())):
                if item["Initiated"] < before:
                    self._client.abort_multipart_upload(Bucket=self._bucket, Key=item["Key"], UploadId=item["UploadId"])
                    removed += 1
        return removed


@contextmanager
def _answering() -> Iterator[None]:
    """Let no exception of boto cross the border of this module."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StorageError(
            ("The object store does not answer, or refuses.", "对象存储没有响应，或拒绝了请求。"), _TRY_LATER
        ) from error


class _S3Reader(io.RawIOBase):
    """Ranged reads of one S3 object as a seekable stream."""

    def __init__(self, client: Any, bucket: str, key: str, size: int) -> None:
        self._client, self._bucket, self._object_key, self._size, self._position = (
            client,
            bucket,
            key,
            size,
            0,
        )

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._size - self._position)
        if wanted <= 0:
            return 0
        last = self._position + wanted - 1
        with _answering():
            answer = self._client.get_object(
                Bucket=self._bucket, Key=self._object_key, Range=f"bytes={self._position}-{last}"
            )
            data = answer["Body"].read()
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


_MISSING = ("The stored bytes are missing.", "存储的字节缺失。")
_TRY_LATER = ("Try again later; nothing was changed.", "请稍后重试；没有任何更改。")
_CANNOT_STORE = (
    ("The bytes could not be stored.", "无法保存字节。"),
    (
        "Free some space or check the object store, then try again; nothing was kept.",
        "请释放空间或检查对象存储后重试；未保留任何内容。",
    ),
)


def _cannot_store(error: Exception) -> StorageError:
    return StorageError(*_CANNOT_STORE, code="disk-full" if getattr(error, "errno", None) == 28 else "storage")

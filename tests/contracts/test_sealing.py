"""Sealed files open with the right key, context and bytes, and with nothing else."""

import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import SealingError
from contracts.sealing import (
    CHUNK_BYTES,
    HEADER_BYTES,
    SEALED_CHUNK_BYTES,
    EncryptionKey,
    HybridKey,
    OpenReader,
    SealWriter,
    new_key,
    opened_length,
    sealed_length,
    unwrap_key,
    wrap_key,
)

VECTORS = Path(os.environ.get("EXCHANGE_VECTORS", Path(__file__).parents[3] / "shared" / "vectors"))
KEY = bytes(range(32))
LENGTHS = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 70 * CHUNK_BYTES + 5]


def plaintext(length: int) -> bytes:
    return hashlib.shake_128(b"plain").digest(length)


def seal(data: bytes, key: bytes = KEY, context: bytes = b"", piece: int | None = None) -> bytes:
    target = io.BytesIO()
    with SealWriter(target, key, context) as writer:
        for start in range(0, len(data), piece or max(1, len(data))):
            writer.write(data[start : start + (piece or len(data))])
    return target.getvalue()


def open_all(sealed: bytes, key: bytes = KEY, context: bytes = b"") -> bytes:
    return OpenReader(io.BytesIO(sealed), key, context).read()


def wycheproof(*results: str) -> list[object]:
    path = VECTORS / "wycheproof" / "c2sp_chunked_encryption_aes_256_gcm_test.json"
    if not path.exists():
        return [pytest.param(None, id="absent", marks=pytest.mark.skip(reason=f"no vectors at {path}"))]
    groups = json.loads(path.read_text())["testGroups"]
    cases = [case for group in groups for case in group["tests"] if case["result"] in results]
    return [pytest.param(case, id=f"{case['tcId']}") for case in cases]


@pytest.mark.parametrize("case", wycheproof("valid", "invalid"))
def test_wycheproof_vectors_open_only_where_they_are_valid(case: dict) -> None:
    key, context = bytes.fromhex(case["key"]), bytes.fromhex(case["ctx"])
    sealed = zlib.decompress(bytes.fromhex(case["ct"]))
    if case["result"] == "valid":
        opened = open_all(sealed, key, context)
        assert len(opened) == case["msgLength"]
        assert hashlib.sha512(opened).hexdigest() == case["msgSha512"]
    else:
        with pytest.raises(SealingError):
            open_all(sealed, key, context)


@pytest.mark.parametrize("case", wycheproof("valid"))
def test_our_writer_gives_the_very_bytes_of_the_valid_vectors(case: dict) -> None:
    key, context = bytes.fromhex(case["key"]), bytes.fromhex(case["ctx"])
    sealed = zlib.decompress(bytes.fromhex(case["ct"]))
    target = io.BytesIO()
    with SealWriter(target, key, context, salt=sealed[:24]) as writer:
        writer.write(open_all(sealed, key, context))
    assert target.getvalue() == sealed


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("piece", [None, 1000, CHUNK_BYTES, 3 * CHUNK_BYTES + 7])
def test_what_is_sealed_in_any_pieces_opens_to_the_same_bytes(length: int, piece: int | None) -> None:
    data = plaintext(length)
    sealed = seal(data, piece=piece)
    assert len(sealed) == sealed_length(length)
    assert opened_length(len(sealed)) == length
    assert open_all(sealed) == data


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(0, 40 * CHUNK_BYTES),
    reads=st.lists(st.tuples(st.integers(0, 41 * CHUNK_BYTES), st.integers(0, 20 * CHUNK_BYTES)), max_size=8),
)
def test_random_access_reads_what_a_plain_file_would(length: int, reads: list[tuple[int, int]]) -> None:
    data = plaintext(length)
    plain, reader = io.BytesIO(data), OpenReader(io.BytesIO(seal(data)), KEY)
    for position, size in reads:
        assert reader.seek(position) == plain.seek(position)
        assert reader.read(size) == plain.read(size)
        assert reader.tell() == plain.tell()


def test_small_sequential_reads_and_seeks_from_the_end_agree_with_a_plain_file() -> None:
    data = plaintext(5 * CHUNK_BYTES + 77)
    reader = OpenReader(io.BytesIO(seal(data)), KEY)
    assert b"".join(iter(lambda: reader.read(333), b"")) == data
    assert reader.seek(-10, io.SEEK_END) == len(data) - 10
    assert reader.read() == data[-10:]
    reader.seek(-5, io.SEEK_CUR)
    assert reader.read(100) == data[-5:]
    with pytest.raises(SealingError):
        reader.seek(-1)


@pytest.mark.parametrize("length", [0, 5, CHUNK_BYTES, 2 * CHUNK_BYTES + 9])
def test_no_flipped_bit_anywhere_is_accepted(length: int) -> None:
    sealed = seal(plaintext(length))
    positions = {*range(HEADER_BYTES + 20), *range(len(sealed) - 40, len(sealed)), *range(0, len(sealed), 97)}
    for position in sorted(p for p in positions if p < len(sealed)):
        altered = bytearray(sealed)
        altered[position] ^= 1 << position % 8
        with pytest.raises(SealingError):
            open_all(bytes(altered))


def test_no_truncation_is_accepted_even_on_a_chunk_border() -> None:
    sealed = seal(plaintext(3 * CHUNK_BYTES + 100))
    borders = [HEADER_BYTES + k * SEALED_CHUNK_BYTES + d for k in range(4) for d in (-1, 0, 1, 16, 50)]
    for size in {*borders, *range(0, len(sealed), 311), len(sealed) - 1}:
        with pytest.raises(SealingError):
            open_all(sealed[:size])
    for extra in (b"\0", bytes(16), bytes(SEALED_CHUNK_BYTES)):
        with pytest.raises(SealingError):
            open_all(sealed + extra)


def test_swapped_and_repeated_chunks_are_refused() -> None:
    sealed = seal(plaintext(4 * CHUNK_BYTES + 1))
    header, body = sealed[:HEADER_BYTES], sealed[HEADER_BYTES:]
    chunks = [body[i : i + SEALED_CHUNK_BYTES] for i in range(0, len(body), SEALED_CHUNK_BYTES)]
    swapped = [chunks[1], chunks[0], *chunks[2:]]
    repeated = [chunks[0], chunks[0], *chunks[2:]]
    dropped = [chunks[0], *chunks[2:]]
    for wrong in (swapped, repeated, dropped):
        with pytest.raises(SealingError):
            open_all(header + b"".join(wrong))


@pytest.mark.parametrize(
    ("key", "context"),
    [(bytes(32), b"agreement"), (KEY, b"another"), (KEY, b""), (KEY[:31], b"agreement"), (b"", b"agreement")],
)
def test_another_key_or_context_is_refused(key: bytes, context: bytes) -> None:
    with pytest.raises(SealingError):
        open_all(seal(b"data", context=b"agreement"), key, context)


def test_after_a_failed_chunk_the_reader_keeps_failing_and_shows_nothing_of_it() -> None:
    data = plaintext(40 * CHUNK_BYTES)
    altered = bytearray(seal(data))
    altered[HEADER_BYTES + 20 * SEALED_CHUNK_BYTES + 3] ^= 1
    reader = OpenReader(io.BytesIO(bytes(altered)), KEY)
    assert reader.read(CHUNK_BYTES) == data[:CHUNK_BYTES]
    buffer = bytearray(30 * CHUNK_BYTES)
    with pytest.raises(SealingError):
        reader.readinto(buffer)
    assert data[19 * CHUNK_BYTES : 19 * CHUNK_BYTES + 64] not in buffer
    reader.seek(30 * CHUNK_BYTES)
    with pytest.raises(SealingError):
        reader.read(1)


def test_a_writer_left_by_an_exception_leaves_nothing_that_opens() -> None:
    target = io.BytesIO()

    def write_and_fail() -> None:
        with SealWriter(target, KEY) as writer:
            writer.write(plaintext(3 * CHUNK_BYTES))
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_and_fail()
    with pytest.raises(SealingError):
        open_all(target.getvalue())


def test_a_closed_writer_takes_nothing_more_and_may_be_closed_again() -> None:
    target = io.BytesIO()
    writer = SealWriter(target, KEY)
    writer.write(b"once")
    writer.close()
    size = len(target.getvalue())
    writer.close()
    assert len(target.getvalue()) == size
    with pytest.raises(SealingError):
        writer.write(b"more")


def test_two_seals_of_the_same_bytes_share_nothing() -> None:
    first, second = seal(b"same"), seal(b"same")
    assert first[:24] != second[:24]
    assert first[HEADER_BYTES:] != second[HEADER_BYTES:]


def test_a_target_that_takes_only_part_of_a_write_still_gets_every_byte() -> None:
    class Narrow(io.RawIOBase):
        def __init__(self) -> None:
            self.taken = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: memoryview) -> int:
            self.taken += data[:1000]
            return min(1000, len(data))

    target, data = Narrow(), plaintext(3 * CHUNK_BYTES)
    with SealWriter(target, KEY) as writer:
        writer.write(data)
    assert open_all(bytes(target.taken)) == data


def test_a_source_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sealed"
    path.write_bytes(seal(plaintext(50 * CHUNK_BYTES)))
    with path.open("rb") as source:
        reader = OpenReader(source, KEY)
        os.truncate(path, 20 * CHUNK_BYTES)
        with pytest.raises(SealingError):
            reader.read()


def test_the_source_is_closed_only_where_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "sealed"
    path.write_bytes(seal(b"data"))
    with path.open("rb") as source:
        OpenReader(source, KEY).close()
        assert not source.closed
        reader = OpenReader(source, KEY, close_source=True)
        reader.close()
        assert source.closed
        with pytest.raises(SealingError):
            reader.read(1)
    with path.open("rb") as source:
        with pytest.raises(SealingError):
            OpenReader(source, bytes(32), close_source=True)
        assert source.closed


def test_parquet_reads_through_the_reader(tmp_path: Path) -> None:
    table = pa.table({"n": range(200_000), "s": [f"row {n}" for n in range(200_000)]})
    path = tmp_path / "sealed"
    with path.open("wb") as target, SealWriter(target, KEY) as writer:
        pq.write_table(table, writer, row_group_size=50_000)
    with path.open("rb") as source:
        file = pq.ParquetFile(OpenReader(source, KEY), pre_buffer=False)
        assert file.num_row_groups == 4
        assert file.read_row_group(2, columns=["n"])["n"].to_pylist() == list(range(100_000, 150_000))
        assert file.read(use_threads=True).equals(table)
        file.close()


def test_zip_archives_are_written_and_read_sealed() -> None:
    target = io.BytesIO()
    with SealWriter(target, KEY) as writer, zipfile.ZipFile(writer, "w") as archive:
        archive.writestr("a.txt", b"first")
        archive.writestr("b.bin", plaintext(100_000))
    with zipfile.ZipFile(OpenReader(target, KEY)) as archive:
        assert archive.testzip() is None
        assert archive.read("b.bin") == plaintext(100_000)


def test_the_reader_holds_no_more_than_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    fetch: Callable[[OpenReader, int, memoryview], memoryview] = OpenReader._fetch

    def watched(self: OpenReader, start: int, into: memoryview) -> memoryview:
        asked.append(len(into))
        return fetch(self, start, into)

    monkeypatch.setattr(OpenReader, "_fetch", watched)
    data = plaintext(500 * CHUNK_BYTES)
    assert open_all(seal(data)) == data
    assert max(asked) <= 64 * SEALED_CHUNK_BYTES


@pytest.mark.parametrize(("kind", "size"), [(EncryptionKey, 80), (HybridKey, 1_168)])
def test_a_wrapped_key_opens_for_its_recipient_alone(kind: type, size: int) -> None:
    recipient, other = kind.generate(), kind.generate()
    key = new_key()
    wrapped = wrap_key(key, recipient.public, b"agreement 1")
    assert len(wrapped) == size
    assert unwrap_key(wrapped, recipient.private, b"agreement 1") == key
    for private, info in [(other.private, b"agreement 1"), (recipient.private, b"agreement 2")]:
        with pytest.raises(SealingError):
            unwrap_key(wrapped, private, info)
    for position in range(len(wrapped)):
        altered = bytearray(wrapped)
        altered[position] ^= 1
        with pytest.raises(SealingError):
            unwrap_key(bytes(altered), recipient.private, b"agreement 1")
    for cut in range(len(wrapped)):
        with pytest.raises(SealingError):
            unwrap_key(wrapped[:cut], recipient.private, b"agreement 1")


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(32), bytes(33), (1).to_bytes(32, "little")])
def test_an_unusable_public_key_is_refused(public: bytes) -> None:
    with pytest.raises(SealingError):
        wrap_key(new_key(), public, b"")


@pytest.mark.parametrize("kind", [EncryptionKey, HybridKey])
def test_a_key_pair_comes_back_from_its_private_half_and_never_prints_it(kind: type) -> None:
    pair = kind.generate()
    assert kind(pair.private) == pair
    assert pair.private.hex() not in repr(pair)
    assert repr(pair.private) not in repr(pair)
    with pytest.raises(SealingError):
        kind(b"short")


def test_a_key_wrapped_for_one_kind_of_recipient_does_not_open_for_the_other() -> None:
    plain, hybrid = EncryptionKey.generate(), HybridKey.generate()
    for mine, other in ((plain, hybrid), (hybrid, plain)):
        with pytest.raises(SealingError):
            unwrap_key(wrap_key(new_key(), mine.public, b""), other.private, b"")
    with pytest.raises(SealingError):
        wrap_key(new_key(), hybrid.public[:-32] + bytes(32), b"")

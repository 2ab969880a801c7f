"""A bundle proves its statements offline, and any damage to it is named."""

import base64
import hashlib
import io
import zipfile

import pytest

from ledger import checkpoint
from ledger.bundle import verify_bundle, write_bundle
from ledger.errors import BundleError, NotFoundError
from ledger.log import Log
from ledger.signatures import SigningKey
from ledger.storage.memory import MemoryStorage

FIRM = "urn:uuid:0190a000-0000-7000-8000-00000000000a"
AGREEMENT = "urn:uuid:0190a000-0000-7000-8000-0000000000aa"
FIRM_KEY = SigningKey.from_seed(b"P" * 32)
DOCUMENT = b'{"agreement": 1}'
DIGEST = "sha256:" + hashlib.sha256(DOCUMENT).hexdigest()


@pytest.fixture
def story(memory_log, record, statement_key):
    """A log with a firm whose key is attested, an agreement of three statements, and the ids of all."""
    exchange = {"signer": "exchange", "custody": "exchange", "key": statement_key}
    stated = {"participant": FIRM, "signing_key": base64.b64encode(FIRM_KEY.public).decode()}
    ids = [record(memory_log, kind="participant.verified", fields=stated, **exchange)]
    record(memory_log)
    for counter in (1, 2, 3):
        fields = {"agreement_digest": DIGEST, "step": counter}
        ids.append(record(memory_log, kind="negotiation.step", fields=fields, agreement=AGREEMENT, counter=counter))
    return memory_log, ids


@pytest.fixture
def bundle(story, tmp_path):
    log, ids = story
    path = tmp_path / "evidence.zip"
    write_bundle(path, log, ids, {"about": "测试"}, {"agreement.json": DOCUMENT})
    return path


def test_a_bundle_proves_entries_signers_and_documents(bundle, story):
    log, ids = story
    report = verify_bundle(bundle, log.vkey)
    assert report.problems == []
    assert report.ok
    assert report.pinned
    assert (report.log_origin, report.vkey, report.size) == (log.origin, log.vkey, 6)
    assert report.subject == {"about": "测试"}
    assert [entry.index for entry in report.entries] == [0, 1, 3, 4, 5]
    assert [entry.statement_id for entry in report.entries[1:]] == ids
    names = {check.name for check in report.checks}
    assert names == {
        "archive", "manifest", "trust", "checkpoint", "genesis", "entry", "inclusion", "opening",
        "signature", "key", "chain", "agreement", "document", "contents",
    }  # fmt: skip


def test_without_a_key_of_ones_own_the_report_says_that_it_is_not_pinned(bundle):
    report = verify_bundle(bundle)
    assert report.ok
    assert not report.pinned
    assert "compare" in next(check.detail for check in report.checks if check.name == "trust")


def test_the_same_log_and_arguments_give_the_same_bytes(bundle, story):
    log, ids = story
    again = io.BytesIO()
    write_bundle(again, log, list(reversed(ids)), {"about": "测试"}, {"agreement.json": DOCUMENT})
    assert again.getvalue() == bundle.read_bytes()


def test_an_erased_field_is_reported_as_erased_and_everything_else_holds(story, tmp_path, erase):
    log, ids = story
    order = erase(log, ids[1], "step")
    path = tmp_path / "erased.zip"
    write_bundle(path, log, [*ids, order], {})
    report = verify_bundle(path, log.vkey)
    assert report.ok
    (erasure,) = [check for check in report.checks if check.name == "erasure"]
    assert erasure.subject == "entry 3, step"
    assert "erased by entry 6" in erasure.detail
    # Where the order is left out, the bundle says which statement it is.
    write_bundle(path, log, ids, {})
    report = verify_bundle(path, log.vkey)
    assert report.ok
    assert f"erased by {order}" in next(check.detail for check in report.checks if check.name == "erasure")


def test_an_erasure_that_its_order_does_not_speak_of_is_named(story, tmp_path, erase):
    log, ids = story
    order = erase(log, ids[1], "step")
    log.erase(None, ids[2], "step", by=order)
    path = tmp_path / "hidden.zip"
    write_bundle(path, log, [*ids, order], {})
    (problem,) = verify_bundle(path, log.vkey).problems
    assert (problem.name, problem.subject) == ("erasure", "entry 4, step")
    assert "does not speak of it" in problem.detail


def test_an_erased_signature_is_reported_as_one_that_cannot_be_checked(story, tmp_path, erase):
    log, ids = story
    erase(log, ids[1], "signature")
    path = tmp_path / "erased.zip"
    write_bundle(path, log, ids, {})
    report = verify_bundle(path, log.vkey)
    assert report.ok
    assert any("erased" in check.detail for check in report.checks if check.name == "signature")


def test_a_signer_whose_key_no_entry_attests_is_named(story, tmp_path):
    log, ids = story
    path = tmp_path / "evidence.zip"
    write_bundle(path, log, ids[1:], {})
    problems = verify_bundle(path, log.vkey).problems
    assert {(check.name, check.subject) for check in problems} == {("key", f"entry {i}") for i in (3, 4, 5)}
    assert all("not attested in this bundle" in check.detail for check in problems)


def test_a_participant_cannot_attest_its_own_first_key(memory_log, record, tmp_path):
    stated = {"participant": FIRM, "signing_key": base64.b64encode(FIRM_KEY.public).decode()}
    ids = [record(memory_log, kind="participant.keys", fields=stated)]
    path = tmp_path / "evidence.zip"
    write_bundle(path, memory_log, ids, {})
    assert [check.name for check in verify_bundle(path).problems] == ["key"]


def test_an_attested_key_can_hand_over_to_a_new_one(story, record, tmp_path):
    log, ids = story
    new_key = SigningKey.from_seed(b"N" * 32)
    stated = {"participant": FIRM, "signing_key": base64.b64encode(new_key.public).decode()}
    ids.append(record(log, kind="participant.keys", fields=stated))
    ids.append(record(log, key=new_key))
    path = tmp_path / "evidence.zip"
    write_bundle(path, log, ids, {})
    assert verify_bundle(path, log.vkey).ok


def test_a_statement_left_out_of_an_agreement_is_named(story, tmp_path):
    log, ids = story
    path = tmp_path / "gap.zip"
    write_bundle(path, log, [ids[0], ids[1], ids[3]], {})
    (problem,) = verify_bundle(path, log.vkey).problems
    assert (problem.name, problem.subject) == ("agreement", AGREEMENT)
    assert problem.detail == "after statement 1 comes statement 3"


def test_an_attachment_that_no_statement_names_is_refused(story, tmp_path):
    log, ids = story
    with pytest.raises(BundleError, match="no statement"):
        write_bundle(tmp_path / "b.zip", log, ids, {}, {"other.json": b"{}"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".", "..", "a\nb", "a\\b"])
def test_an_attachment_with_a_dangerous_name_is_refused(story, tmp_path, name):
    log, ids = story
    with pytest.raises(BundleError, match="no name"):
        write_bundle(tmp_path / "b.zip", log, ids, {}, {name: DOCUMENT})


def test_an_unknown_statement_is_refused(story, tmp_path):
    log, _ = story
    with pytest.raises(NotFoundError):
        write_bundle(tmp_path / "b.zip", log, ["urn:uuid:0190a000-0000-7000-8000-0000000000ff"], {})


def _rewrite(bundle, change):
    """Rewrite a bundle after `change(files)` on a dict of its files; lists stay consistent with them."""
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def _edit(name, old, new):
    def change(files):
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)

    return change


def _delete(name):
    return lambda files: files.pop(name)


def _swap(first, second):
    def change(files):
        files[first], files[second] = files[second], files[first]

    return change


def _cut(name):
    def change(files):
        files[name] = files[name][: len(files[name]) // 2]

    return change


def _insert(files):
    files["entries/2.json"] = files["entries/1.json"].replace(b'"index":"1"', b'"index":"2"')


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_edit("entries/3.json", b"negotiation.step", b"negotiation.stop"), {"inclusion 3", "opening 3"}),
        (_edit("entries/3.json", b'"counter":"1"', b'"counter":"9"'), {"inclusion 3", "agreement"}),
        (_edit("entries/4.json", b'{"index"', b'{ "index"'), {"entry 4"}),
        (_edit("openings/3.json", b'"step":', b'"stop":'), {"opening 3"}),
        (_edit("openings/3.json", b'"value":1}', b'"value":2}'), {"opening 3"}),
        (_edit("proofs/3.tlog-proof", b"index 3", b"index 2"), {"inclusion 3"}),
        (_edit("checkpoint", b"\n6\n", b"\n7\n"), {"checkpoint", "inclusion 3"}),
        (_edit("manifest.json", b'"index":"3"', b'"index":"2"'), {"contents"}),
        (_edit("trust.policy", b"log ", b"gol "), {"trust"}),
        (_edit("documents/agreement.json", b"1", b"2"), {"document"}),
        (_delete("entries/3.json"), {"entry 3", "manifest"}),
        (_delete("proofs/3.tlog-proof"), {"inclusion 3", "manifest"}),
        (_delete("openings/3.json"), {"opening 3", "manifest"}),
        (_delete("entries/0.json"), {"entry 0", "genesis"}),
        (_delete("checkpoint"), {"checkpoint", "manifest"}),
        (_delete("manifest.json"), {"manifest"}),
        (_delete("documents/agreement.json"), {"manifest"}),
        (_swap("entries/3.json", "entries/4.json"), {"entry 3", "entry 4"}),
        (_swap("proofs/3.tlog-proof", "proofs/4.tlog-proof"), {"inclusion 3", "inclusion 4"}),
        (_swap("openings/3.json", "openings/4.json"), {"opening 3", "opening 4"}),
        (_insert, {"inclusion 2", "opening 2", "manifest"}),
        (_cut("entries/5.json"), {"entry 5"}),
        (_cut("proofs/5.tlog-proof"), {"inclusion 5"}),
        (_cut("openings/5.json"), {"opening 5"}),
        (_cut("manifest.json"), {"manifest"}),
        (_cut("checkpoint"), {"checkpoint"}),
    ],
)
def test_damage_is_found_and_named(bundle, story, change, expected):
    log, _ = story
    _rewrite(bundle, change)
    report = verify_bundle(bundle, log.vkey)
    assert not report.ok
    named = {f"{c.name} {c.subject.removeprefix('entry ')}" for c in report.problems}
    named |= {check.name for check in report.problems}
    assert expected <= named


def test_every_flipped_byte_of_every_file_is_found(bundle, story):
    log, _ = story
    original = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        manifest = archive.read("manifest.json")
    subject = range(manifest.index(b"about"), manifest.index(b'"},"vkey"'))
    for name, size in sizes.items():
        for place in range(0, size, max(1, size // 7)):
            if name == "manifest.json" and place in subject:
                continue  # The subject is free text that nothing proves.

            def flip(files, name=name, place=place):
                data = bytearray(files[name])
                data[place] ^= 1
                files[name] = bytes(data)

            _rewrite(bundle, flip)
            assert not verify_bundle(bundle, log.vkey).ok, (name, place)
            bundle.write_bytes(original)


def test_a_bundle_of_another_log_is_refused_by_a_pinned_key(bundle):
    other = SigningKey.from_seed(b"O" * 32)
    report = verify_bundle(bundle, checkpoint.vkey("exchange.example/log", other.public))
    assert {"trust", "checkpoint"} <= {check.name for check in report.problems}


def test_a_whole_forged_log_passes_only_without_a_pinned_key(story, open_log, record, tmp_path, statement_key):
    """An attacker can rebuild everything under keys of its own; the pinned key is what stops it."""
    genuine, _ = story
    forged = Log(MemoryStorage(), SigningKey.from_seed(b"X" * 32), genuine.origin)
    forged.open(statement_key)
    path = tmp_path / "forged.zip"
    write_bundle(path, forged, [], {})
    assert verify_bundle(path).ok
    assert not verify_bundle(path, genuine.vkey).ok


def test_what_is_no_zip_file_is_no_bundle(tmp_path):
    for name, data in (("empty", b""), ("text", b"hello"), ("cut", b"PK\x03\x04")):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(BundleError, match="not a bundle"):
            verify_bundle(path)
    with pytest.raises(BundleError, match="not a bundle"):
        verify_bundle(tmp_path / "absent")


def test_a_zip_file_of_something_else_is_no_bundle(tmp_path):
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README.txt", "hello")
    with pytest.raises(BundleError, match="not a bundle"):
        verify_bundle(path)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "entries/../x.json", "documents/..", "entries/01.json"])
def test_a_file_with_a_strange_path_is_refused_unread(bundle, name):
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(name, "x")
    (problem,) = verify_bundle(bundle).problems
    assert problem.name == "archive"
    assert name in problem.detail


def test_a_file_that_stands_twice_is_refused(bundle):
    with zipfile.ZipFile(bundle, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("checkpoint", "x")
    (problem,) = verify_bundle(bundle).problems
    assert "twice" in problem.detail


def test_a_zip_bomb_is_refused_unread(bundle):
    with zipfile.ZipFile(bundle, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("entries/9.json", b"0" * (3 << 20))
    (problem,) = verify_bundle(bundle).problems
    assert problem.name == "archive"
    assert "unpack" in problem.detail


def test_a_manifest_far_larger_than_what_it_lists_is_refused_unread(bundle):
    _rewrite(bundle, _edit("manifest.json", b"{", b"{" + b" " * (2 << 20)))
    (problem,) = verify_bundle(bundle).problems
    assert problem.name == "archive"
    assert "too many for the manifest" in problem.detail


def test_a_field_that_the_entry_does_not_commit_to_cannot_be_called_erased(bundle):
    name = next(name for name in zipfile.ZipFile(bundle).namelist() if name.startswith("openings/"))
    order = b'{"openings":{"aaa":{"by":"urn:uuid:0190a000-0000-7000-8000-000000000000","erased":true},'
    _rewrite(bundle, _edit(name, b'{"openings":{', order))
    (problem,) = [item for item in verify_bundle(bundle).problems if item.name == "opening"]
    assert "does not commit to a field 'aaa'" in problem.detail


def test_a_link_is_refused(bundle):
    with zipfile.ZipFile(bundle, "a") as archive:
        info = zipfile.ZipInfo("documents/link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    (problem,) = verify_bundle(bundle).problems
    assert "plain file" in problem.detail


def test_progress_is_told(bundle):
    seen = []
    verify_bundle(bundle, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 5) for i in range(1, 6)]

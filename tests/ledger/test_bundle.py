"""A bundle proves its statements offline, and any damage to it is named."""

import base64
import hashlib

import pytest

from ledger.bundle import verify_bundle, write_bundle
from ledger.signatures import SigningKey

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
        "signature", "key", "chain", "agreement", "document",
    }  # fmt: skip


def test_without_a_key_of_ones_own_the_report_says_that_it_is_not_pinned(bundle):
    report = verify_bundle(bundle)
    assert report.ok
    assert not report.pinned
    assert "compare" in next(check.detail for check in report.checks if check.name == "trust")

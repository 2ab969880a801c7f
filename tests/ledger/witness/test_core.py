"""A witness answers as c2sp.org/tlog-witness says, never goes back, and turns forks into proofs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import checkpoint, note
from ledger.checkpoint import Checkpoint, format_extension
from ledger.cosignature import ML_DSA_44_COSIGNATURE, Cosigner, cosignatures
from ledger.errors import LedgerError, LedgerUnavailableError
from ledger.hashing import EMPTY_ROOT
from ledger.misbehaviour import Misbehaviour, verify_misbehaviour
from ledger.note import Verifier
from ledger.signatures import SigningKey
from ledger.witness import state as states
from ledger.witness.core import Answer, Witness, origin_digest
from ledger.witness.state import State, Transaction

from .conftest import KEY, LOG, ORIGIN, Setup, Tree


def cosigned_time(setup: Setup, tree: Tree, size: int, answer: Answer) -> int:
    """Return the time of the answer's cosignature, verified over the tree's checkpoint of this size."""
    assert (answer.status, answer.content_type) == (200, "text/plain; charset=utf-8")
    (found,) = cosignatures(tree.signed(size) + answer.body, setup.witness.cosigner.verifier)
    return found.time


def test_a_first_and_every_extending_checkpoint_is_cosigned(setup: Setup, tree: Tree):
    sizes = [1, 2, 3, 5, 8, 9, 16, 17, 31, 64, 65, 70]
    for old, new in zip([0, *sizes], sizes, strict=False):
        answer = setup.witness.add_checkpoint(tree.request(old, new))
        assert cosigned_time(setup, tree, new, answer) == 1_700_000_000
    assert setup.state.newest()[ORIGIN].size == 70
    assert setup.found == []


def test_the_same_checkpoint_is_cosigned_again_and_time_never_goes_back(setup: Setup, tree: Tree):
    times = []
    for now in (1_700_000_000, 1_700_000_060, 1_600_000_000):
        setup.now[0] = now
        old = 0 if not times else 5
        times.append(cosigned_time(setup, tree, 5, setup.witness.add_checkpoint(tree.request(old, 5))))
    assert times == [1_700_000_000, 1_700_000_060, 1_700_000_060]


def test_a_witness_may_sign_with_ml_dsa_44(tmp_path, tree: Tree):
    pq = Cosigner("auditor.example/pq", b"q" * 32, ML_DSA_44_COSIGNATURE)
    witness = Witness(State.create(tmp_path / "w.db", pq.verifier.to_vkey()), pq, [LOG])
    answer = witness.add_checkpoint(tree.request(0, 5))
    assert len(cosignatures(tree.signed(5) + answer.body, pq.verifier)) == 1


def test_a_log_may_sign_with_ml_dsa_44(setup: Setup, tree: Tree):
    signer = Cosigner(ORIGIN, b"l" * 32, ML_DSA_44_COSIGNATURE)
    witness = Witness(setup.state, setup.witness.cosigner, [signer.verifier])

    def request(old: int, new: int, root: bytes) -> bytes:
        body = Checkpoint(ORIGIN, new, root).body()
        signed = note.join(body, [signer.cosign(body, 0)])
        return format_extension(old, tree.path(old, new), signed).encode()

    assert witness.add_checkpoint(request(0, 5, tree.root(5))).status == 200
    assert witness.add_checkpoint(request(5, 9, tree.root(9))).status == 200
    assert witness.add_checkpoint(request(9, 20, bytes(32))).status == 422
    assert witness.add_checkpoint(tree.request(9, 20)).status == 403


@given(st.binary(max_size=400), st.integers(0, 400), st.integers(0, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_make_a_witness_stumble(setup: Setup, tree: Tree, noise: bytes, place: int, kind: int):
    fine = tree.request(0, 5)
    data = [noise, fine[:place], fine[:place] + noise + fine[place:], fine[:place] + noise + fine[place + len(noise) :]]
    answer = setup.witness.add_checkpoint(data[kind])
    assert answer.status in {200, 400, 403, 404, 409, 422}
    assert answer.status != 200 or data[kind] == fine


def test_a_wrong_old_size_is_answered_with_the_right_one(setup: Setup, tree: Tree):
    assert setup.witness.add_checkpoint(tree.request(3, 5)) == Answer(409, "0\n", "text/x.tlog.size")
    setup.witness.add_checkpoint(tree.request(0, 5))
    for old, new in ((0, 9), (4, 9), (3, 4), (0, 5)):
        assert setup.witness.add_checkpoint(tree.request(old, new)) == Answer(409, "5\n", "text/x.tlog.size")
    assert setup.state.newest()[ORIGIN].size == 5


def test_an_unknown_log_is_404_and_a_wrong_signature_403(setup: Setup):
    assert setup.witness.add_checkpoint(Tree(origin="nobody.example/log").request(0, 5)).status == 404
    stranger = Tree(key=SigningKey.from_seed(b"M" * 32))
    assert setup.witness.add_checkpoint(stranger.request(0, 5)).status == 403
    # The line claims to be of the log's key, but the text was changed.
    broken = Tree().request(0, 5).replace(b"\n5\n", b"\n6\n")
    assert setup.witness.add_checkpoint(broken).status == 403
    # The key of another log that the witness trusts must not speak for this one.
    crossed = Tree(key=SigningKey.from_seed(b"O" * 32))
    assert setup.witness.add_checkpoint(crossed.request(0, 5)).status == 403
    assert setup.state.newest() == {}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: text.replace(b"old 3", b"old 03"),
        lambda text: text.replace(b"old 3", b"old +3"),
        lambda text: text.replace(b"old 3", b"old -3"),
        lambda text: text.replace(b"old 3", b"old  3"),
        lambda text: text.replace(b"old 3", b"Old 3"),
        lambda text: text.replace(b"old 3", b"old 6"),
        lambda text: text.replace(b"old 3", b"old 18446744073709551616"),
        lambda text: text.replace(b"old 3", "old ٣".encode()),
        lambda text: text.replace(b"old 3\n", b"old 3\nAAAA\n"),
        lambda text: text.replace(b"old 3\n", b"old 3\n!!!!\n"),
        lambda text: text.replace(b"old 3\n", b"old 3\r\n"),
        lambda text: text.replace(b"old 3\n", b"old 3\n" + (b"A" * 43 + b"=\n") * 64),
        lambda text: text.replace(b"\n5\n", b"\n05\n"),
        lambda text: text.replace(b"\n\n", b"\n", 1),
        lambda text: text[:-1],
        lambda text: text + b"\xff",
        lambda text: text + b"garbage\n",
        lambda text: b"\x00" + text,
    ],
)
def test_a_malformed_request_is_400_and_changes_nothing(setup: Setup, tree: Tree, damage):
    setup.witness.add_checkpoint(tree.request(0, 3))
    answer = setup.witness.add_checkpoint(damage(tree.request(3, 5)))
    assert answer.status == 400
    assert setup.state.newest()[ORIGIN].size == 3


@pytest.mark.parametrize("place", range(4))
def test_a_proof_that_does_not_verify_is_422_and_changes_nothing(setup: Setup, tree: Tree, place: int):
    setup.witness.add_checkpoint(tree.request(0, 13))
    path = tree.path(13, 40)
    path[place] = bytes(32)
    assert setup.witness.add_checkpoint(format_extension(13, path, tree.signed(40)).encode()).status == 422
    for wrong in ([], tree.path(13, 40)[:-1], [*tree.path(13, 40), bytes(32)], tree.path(12, 40)):
        assert setup.witness.add_checkpoint(format_extension(13, wrong, tree.signed(40)).encode()).status == 422
    assert setup.witness.add_checkpoint(format_extension(13, [bytes(32)], tree.signed(13)).encode()).status == 422
    assert setup.state.newest()[ORIGIN].size == 13
    # A damaged proof is kept as a refusal, and forgotten once the checkpoint turns out to be in order.
    assert [item.size for item in setup.state.refusals()] == [40]
    assert setup.found == []
    assert setup.witness.add_checkpoint(tree.request(13, 40)).status == 200
    assert setup.state.refusals() == []


def test_the_empty_tree_is_cosigned_with_its_own_root_only_and_extended_without_a_proof(setup: Setup, tree: Tree):
    wrong = checkpoint.sign(ORIGIN, 0, bytes(32), KEY)
    assert setup.witness.add_checkpoint(format_extension(0, [], wrong).encode()).status == 422
    empty = checkpoint.sign(ORIGIN, 0, EMPTY_ROOT, KEY)
    assert setup.witness.add_checkpoint(format_extension(0, [], empty).encode()).status == 200
    assert setup.witness.add_checkpoint(format_extension(0, [bytes(32)], tree.signed(5)).encode()).status == 422
    assert setup.witness.add_checkpoint(tree.request(0, 5)).status == 200
    # There is no way back to the empty tree.
    assert setup.witness.add_checkpoint(format_extension(0, [], empty).encode()).status == 409


def test_a_log_may_change_its_key_and_others_signatures_are_not_kept(setup: Setup, tree: Tree):
    second = SigningKey.from_seed(b"N" * 32)
    witness = Witness(setup.state, setup.witness.cosigner, [LOG, Verifier(ORIGIN, second.public)])
    assert witness.add_checkpoint(tree.request(0, 5)).status == 200
    stranger = note.sign("x\n", "stranger", SigningKey.generate()).split("\n\n")[1]
    assert witness.add_checkpoint(Tree(key=second).request(5, 9) + stranger.encode()).status == 200
    kept = setup.state.newest()[ORIGIN].note
    assert "stranger" not in kept
    assert kept.count("— ") == 2


def test_monitors_read_the_newest_cosigned_checkpoint(setup: Setup, tree: Tree):
    digest = origin_digest(ORIGIN)
    assert setup.witness.newest(digest).status == 404
    setup.witness.add_checkpoint(tree.request(0, 5))
    setup.witness.add_checkpoint(tree.request(5, 9))
    answer = setup.witness.newest(digest)
    assert checkpoint.verify(answer.body, LOG.to_vkey()).size == 9
    assert len(cosignatures(answer.body, setup.witness.cosigner.verifier)) == 1
    assert setup.witness.newest("0" * 64).status == 404


def prove(setup: Setup) -> str:
    """Return what the only new proof shows, after checking it as a stranger would."""
    (item,) = setup.found
    finding = verify_misbehaviour(Misbehaviour.parse(item.proof), [LOG])
    assert finding.pinned
    assert finding.text == item.what
    assert [kept.digest for kept in setup.state.proofs()] == [item.digest]
    return item.what


@pytest.mark.parametrize(("old", "status"), [(9, 422), (0, 409)])
def test_a_second_tree_of_the_same_size_is_proven_whatever_the_old_size(
    setup: Setup, tree: Tree, old: int, status: int
):
    setup.witness.add_checkpoint(tree.request(0, 9))
    evil = Tree("evil", 4)
    request = format_extension(old, [], evil.signed(9)).encode()
    assert setup.witness.add_checkpoint(request).status == status
    assert prove(setup) == f"the log {ORIGIN} signed two different trees of size 9"
    # The same attempt again is the same proof.
    setup.witness.add_checkpoint(request)
    assert len(setup.found) == 1


def test_a_fork_of_an_earlier_size_that_was_cosigned_is_proven(setup: Setup, tree: Tree):
    for old, new in ((0, 9), (9, 20), (20, 40)):
        setup.witness.add_checkpoint(tree.request(old, new))
    assert setup.witness.add_checkpoint(Tree("evil", 4).request(9, 20)).status == 409
    assert prove(setup) == f"the log {ORIGIN} signed two different trees of size 20"


def test_a_fork_that_brings_its_own_proof_convicts_itself(setup: Setup, tree: Tree):
    setup.witness.add_checkpoint(tree.request(0, 13))
    assert setup.witness.add_checkpoint(Tree("evil", 4).request(13, 40)).status == 422
    assert prove(setup) == f"the log {ORIGIN} signed a tree of size 13, and one of size 40 that does not begin with it"
    assert setup.state.refusals() == []


def test_a_fork_at_a_power_of_two_is_kept_and_proven_once_the_log_reaches_its_size(setup: Setup, tree: Tree):
    setup.witness.add_checkpoint(tree.request(0, 16))
    assert setup.witness.add_checkpoint(Tree("evil", 4).request(16, 40)).status == 422
    assert setup.found == []
    assert [item.size for item in setup.state.refusals()] == [40]
    assert setup.witness.add_checkpoint(tree.request(16, 40)).status == 200
    assert prove(setup) == f"the log {ORIGIN} signed two different trees of size 40"


def test_an_old_checkpoint_is_not_taken_for_a_fork(setup: Setup, tree: Tree):
    for old, new in ((0, 9), (9, 20), (20, 40)):
        setup.witness.add_checkpoint(tree.request(old, new))
    for size in range(1, 41):
        assert setup.witness.add_checkpoint(format_extension(0, [], tree.signed(size)).encode()).status == 409
    assert setup.found == []
    assert setup.state.refusals() == []


def test_the_history_of_refusals_and_sizes_is_bounded(setup: Setup, tree: Tree, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(states, "HISTORY", 3)
    monkeypatch.setattr(states, "REFUSALS", 2)
    for new in range(1, 9):
        setup.witness.add_checkpoint(tree.request(new - 1, new))
    with setup.state.transaction() as transaction:
        assert [size for size in range(10) if transaction.cosigned(ORIGIN, size)] == [6, 7, 8]
    for size in range(20, 30):
        setup.witness.add_checkpoint(format_extension(8, [], tree.signed(size)).encode())
    assert len(setup.state.refusals()) == 2


def test_two_requests_at_once_never_roll_back_and_never_cosign_two_trees(setup: Setup, tree: Tree):
    setup.witness.add_checkpoint(tree.request(0, 5))
    evil = Tree("evil", 5)
    requests = [tree.request(5, size) for size in range(6, 30)] + [evil.request(5, size) for size in range(6, 30)]
    answers: list[tuple[bytes, Answer]] = []
    barrier = threading.Barrier(len(requests))

    def send(data: bytes) -> None:
        barrier.wait()
        answers.append((data, setup.witness.add_checkpoint(data)))

    threads = [threading.Thread(target=send, args=(data,)) for data in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = [data for data, answer in answers if answer.status == 200]
    assert len(accepted) == 1
    assert {answer.status for _, answer in answers} == {200, 409}
    newest = setup.state.newest()[ORIGIN]
    assert checkpoint.unsafe_parse(accepted[0].decode().partition("\n\n")[2]).root == newest.root


def test_nothing_is_answered_that_is_not_kept(setup: Setup, tree: Tree, tmp_path):
    class Failing(State):
        @contextmanager
        def transaction(self) -> Iterator[Transaction]:
            with super().transaction() as transaction:
                yield transaction
                raise LedgerUnavailableError("the disk is full")

    witness = Witness(Failing(tmp_path / "witness.db"), setup.witness.cosigner, [LOG], found=setup.found.append)
    with pytest.raises(LedgerUnavailableError):
        witness.add_checkpoint(tree.request(0, 9))
    assert setup.state.newest() == {}
    setup.witness.add_checkpoint(tree.request(0, 9))
    with pytest.raises(LedgerUnavailableError):
        witness.add_checkpoint(Tree("evil", 4).request(9, 9))
    assert (setup.found, setup.state.proofs()) == ([], [])


def test_a_state_serves_its_own_key_only_and_is_never_made_anew_silently(setup: Setup, tmp_path):
    stranger = Cosigner("auditor.example/w1", b"z" * 32)
    with pytest.raises(LedgerError, match="belongs to"):
        Witness(setup.state, stranger, [LOG])
    with pytest.raises(LedgerError, match="must not go on"):
        State(tmp_path / "gone.db")
    with pytest.raises(LedgerError, match="exists already"):
        State.create(tmp_path / "witness.db", "x")
    (tmp_path / "witness.db").unlink()
    with pytest.raises(LedgerError, match="cannot be used"):
        setup.state.newest()
    assert not (tmp_path / "witness.db").exists()

"""Trust policies are read, written and judged as c2sp.org/tlog-policy says; what is missing is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import checkpoint, note
from ledger.cosignature import Cosigner
from ledger.errors import PolicyError, SignatureError
from ledger.hashing import leaf_hash
from ledger.note import ML_DSA_44_COSIGNATURE, Verifier
from ledger.policy import Group, Log, Policy, Witness
from ledger.signatures import SigningKey

KEY = SigningKey.from_seed(b"L" * 32)
ORIGIN = "exchange.example/log"
VKEY = checkpoint.vkey(ORIGIN, KEY.public)
SIGNED = checkpoint.sign(ORIGIN, 7, leaf_hash(b"entry"), KEY)
BODY = note.split(SIGNED)[0]
NAMES = ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
COSIGNERS = {
    name: Cosigner(f"{name.lower()}.example", bytes([number]) * 32, ML_DSA_44_COSIGNATURE if name == "Y2" else 4)
    for number, name in enumerate(NAMES)
}
WITNESS_LINES = "".join(f"witness {name} {COSIGNERS[name].verifier.to_vkey()}\n" for name in NAMES)
EXAMPLE = f"""\
# The example of the specification.
log {VKEY} https://exchange.example/

{WITNESS_LINES}
group X-witnesses 2 X1 X2 X3
\t group \tY-witnesses any  Y1 Y2 Y3
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def cosigned(*names: str) -> str:
    return SIGNED + "".join(COSIGNERS[name].cosign(BODY, 1000 + number) + "\n" for number, name in enumerate(names))


def test_the_example_of_the_specification_is_read_and_written_back():
    policy = Policy.parse(EXAMPLE)
    assert policy.logs == (Log(Verifier(ORIGIN, KEY.public), "https://exchange.example/"),)
    assert [witness.name for witness in policy.witnesses] == NAMES
    assert policy.groups == (
        Group("X-witnesses", 2, ("X1", "X2", "X3")),
        Group("Y-witnesses", 1, ("Y1", "Y2", "Y3")),
        Group("X-and-Y", 2, ("X-witnesses", "Y-witnesses")),
    )
    assert Policy.parse(policy.to_text()) == policy
    assert policy.log_named(ORIGIN) == Verifier(ORIGIN, KEY.public)
    assert policy.log_named("other") is None


@pytest.mark.parametrize(
    ("names", "missing", "shortfalls"),
    [
        (("X1", "X3", "Y2"), (), ()),
        (("X1", "X2", "X3", "Y1", "Y2", "Y3"), (), ()),
        (
            ("X1", "Y2"),
            ("X2", "X3"),
            (
                "X-and-Y needs 2 of 2 and has 1: not yet X-witnesses",
                "X-witnesses needs 2 of 3 and has 1: not yet X2, X3",
            ),
        ),
        (
            ("X1", "X2"),
            ("Y1", "Y2", "Y3"),
            (
                "X-and-Y needs 2 of 2 and has 1: not yet Y-witnesses",
                "Y-witnesses needs 1 of 3 and has 0: not yet Y1, Y2, Y3",
            ),
        ),
    ],
)
def test_the_verdict_says_whether_the_quorum_is_reached_and_who_is_missing(
    names: tuple[str, ...], missing: tuple[str, ...], shortfalls: tuple[str, ...]
):
    verdict = Policy.parse(EXAMPLE).judge(cosigned(*names))
    assert verdict.checkpoint.size == 7
    assert verdict.cosignatures.keys() == set(names)
    assert verdict.missing == missing
    assert verdict.shortfalls == shortfalls
    assert verdict.reached is not bool(shortfalls)


def test_with_no_cosignature_every_rule_that_is_not_met_is_named():
    verdict = Policy.parse(EXAMPLE).judge(SIGNED)
    assert verdict.missing == tuple(NAMES)
    assert [line.split(" ")[0] for line in verdict.shortfalls] == ["X-and-Y", "X-witnesses", "Y-witnesses"]


def test_a_single_witness_can_be_the_quorum_and_none_asks_for_nothing():
    single = Policy.parse(f"log {VKEY}\n{WITNESS_LINES}quorum X2\n")
    assert single.judge(cosigned("X1")).shortfalls == ("the witness X2 has not cosigned",)
    assert single.judge(cosigned("X2")).reached
    assert [witness.name for witness in single.needed()] == ["X2"]
    nothing = Policy.parse(f"log {VKEY}\n{WITNESS_LINES}quorum none\n")
    assert nothing.judge(SIGNED).reached
    assert nothing.needed() == ()
    assert nothing.judge(cosigned("X1")).cosignatures["X1"].time == 1000


def test_of_two_cosignatures_of_one_witness_the_earlier_counts():
    signed = SIGNED + "".join(COSIGNERS["X1"].cosign(BODY, time) + "\n" for time in (9, 5, 7))
    assert Policy.parse(EXAMPLE).judge(signed).cosignatures["X1"].time == 5


def test_a_checkpoint_of_another_log_or_with_a_broken_signature_of_a_known_key_is_refused():
    policy = Policy.parse(EXAMPLE)
    stranger = SigningKey.from_seed(b"M" * 32)
    with pytest.raises(SignatureError, match="not signed by a log"):
        policy.judge(checkpoint.sign(ORIGIN, 7, leaf_hash(b"entry"), stranger))
    with pytest.raises(SignatureError, match="not signed by a log"):
        policy.judge(checkpoint.sign("other.example/log", 7, leaf_hash(b"entry"), KEY))
    with pytest.raises(SignatureError, match="does not verify"):
        policy.judge(cosigned("X1", "X2", "Y1").replace("\n7\n", "\n8\n"))
    borrowed = COSIGNERS["X1"].cosign(BODY.replace("\n7\n", "\n8\n"), 1000)
    with pytest.raises(SignatureError, match="does not verify"):
        policy.judge(SIGNED + borrowed + "\n")
    # What comes from keys that the policy does not know says nothing, for good or ill.
    unknown = Cosigner("x1.example", b"Z" * 32).cosign(BODY, 1)
    assert policy.judge(SIGNED + unknown + "\n").cosignatures == {}


def test_a_log_may_have_two_keys_of_which_one_signed():
    other = SigningKey.from_seed(b"M" * 32)
    policy = Policy.parse(f"log {VKEY}\nlog {checkpoint.vkey(ORIGIN, other.public)}\nquorum none\n")
    assert policy.judge(checkpoint.sign(ORIGIN, 7, leaf_hash(b"entry"), other)).log.public == other.public
    assert policy.judge(SIGNED).log.public == KEY.public


X1 = COSIGNERS["X1"].verifier
LINE = f"witness X1 {X1.to_vkey()}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no quorum line"),
        (f"log {VKEY}\n", "no quorum line"),
        ("quorum none\nquorum none\n", "line 2: a second quorum"),
        ("quorum X1\n" + LINE, "line 1: the quorum 'X1' is not defined"),
        (LINE + LINE + "quorum none\n", "line 2: the name 'X1' is defined twice"),
        (LINE + LINE.replace("X1", "X2", 1) + "quorum none\n", "two witness lines have the same key"),
        (
            LINE + f"witness X2 {Verifier('renamed', X1.public, 4).to_vkey()}\nquorum none\n",
            "two witness lines have the same key",
        ),
        (f"log {VKEY}\nlog {VKEY}\nquorum none\n", "two log lines have the same key"),
        (f"witness none {X1.to_vkey()}\nquorum none\n", "reserved"),
        (f"witness X1 {VKEY}\nquorum none\n", "line 1: the verifier key is not of the type"),
        (f"log {X1.to_vkey()}\nquorum none\n", "line 1: the verifier key is not of the type"),
        (f"log {VKEY[:-4]}\nquorum none\n", "line 1"),
        (LINE + "group g 1 g\nquorum g\n", "line 2: 'g' is not defined"),
        (LINE + "group g 1 none\nquorum g\n", "line 2: 'none' is not defined"),
        (LINE + "group g 1 X2\nquorum g\n", "line 2: 'X2' is not defined"),
        (LINE + "group g 2 X1\nquorum g\n", "cannot need 2 of 1"),
        (LINE + "group g 0 X1\nquorum g\n", "line 2: '0' is no threshold"),
        (LINE + "group g 01 X1\nquorum g\n", "line 2: '01' is no threshold"),
        (LINE + "group g most X1\nquorum g\n", "line 2: 'most' is no threshold"),
        (LINE + "group g all\nquorum g\n", "line 2: not a log"),
        (LINE + "group g all X1 X1\nquorum g\n", "'X1' is a member twice"),
        (LINE + "group g all X1\ngroup h all X1\nquorum h\n", "'X1' is a member twice"),
        ("quorum none\r\n", "line 1: a control character"),
        ("quorum none\x7f\n", "line 1: a control character"),
        ("quorum none extra\n", "line 1: not a log"),
        ("quorum\u2003none\n", "line 1: not a log"),
        ("witnesses all\nquorum none\n", "line 1: not a log"),
        ("#" * (1 << 20) + "\nquorum none\n", "at most"),
    ],
)
def test_a_malformed_policy_is_refused_with_its_line(text: str, reason: str):
    with pytest.raises(PolicyError, match=reason):
        Policy.parse(text)


def test_names_are_octets_that_come_back_as_they_were():
    raw = b"witness \xff\xfe " + X1.to_vkey().encode() + b"\n# \xff\nquorum \xff\xfe\n"
    policy = Policy.parse(raw)
    assert policy.witnesses == (Witness("\udcff\udcfe", X1),)
    assert policy.to_text().encode("utf-8", "surrogateescape") == raw.replace(b"# \xff\n", b"")


def test_a_deep_chain_of_groups_is_judged_without_recursion():
    lines = [LINE, "group g0 all X1\n", *(f"group g{n} all g{n - 1}\n" for n in range(1, 990)), "quorum g989\n"]
    policy = Policy.parse("".join(lines))
    assert policy.is_met({"X1"})
    assert not policy.is_met({"X2"})
    assert [witness.name for witness in policy.needed()] == ["X1"]
    with pytest.raises(PolicyError, match="at most 1000"):
        Policy.parse("".join([*lines[:-1], *(f"group g{n} all g{n - 1}\n" for n in range(990, 1010)), "quorum g1\n"]))


@given(st.sets(st.sampled_from(NAMES)))
def test_the_quorum_is_two_of_x_and_one_of_y(names: set[str]):
    expected = len(names & {"X1", "X2", "X3"}) >= 2 and bool(names & {"Y1", "Y2", "Y3"})
    assert Policy.parse(EXAMPLE).is_met(names) is expected

"""A witness's folder: its key, the logs it trusts, its state, and the proofs of misbehaviour it found.

key            the private key, one line, readable by the owner alone
logs           a vkey of a log on each line; `#` begins a comment
witness.db     what it cosigned, see `ledger.witness.state`
misbehaviour/  one file for each proof, to be given to anybody
"""

import base64
import os
import stat
from pathlib import Path
from secrets import token_bytes

from ledger.cosignature import COSIGNER_KINDS, LOG_KINDS, Cosigner
from ledger.errors import LedgerError, SignatureError
from ledger.note import Verifier, decode_base64
from ledger.witness.state import Proven, State

_PREFIX = "PRIVATE+KEY+"


class Folder:
    """The files of one witness. Methods raise LedgerError when one is missing, unreadable or unsafe."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, name: str, kind: int) -> Cosigner:
        """Make the folder of a new witness with a fresh key. Raises LedgerError when there is one already."""
        cosigner = Cosigner(name, token_bytes(32), kind)
        if (self.path / "key").exists() or (self.path / "witness.db").exists():
            raise LedgerError(f"{self.path} holds a witness already")
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.open(self.path / "key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w", encoding="utf-8") as stream:
                stream.write(encode_key(cosigner) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            (self.path / "logs").touch()
        except OSError as error:
            raise LedgerError(f"{self.path} cannot be written: {error}") from error
        State.create(self.path / "witness.db", cosigner.verifier.to_vkey())
        return cosigner

    def cosigner(self) -> Cosigner:
        """Return the witness's key. Raises LedgerError when others could read it."""
        path = self.path / "key"
        try:
            mode = path.stat().st_mode
            text = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise LedgerError(f"{path} cannot be read: {error}; make a witness with `init`") from error
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise LedgerError(f"{path} can be read by others; run chmod 600 {path}")
        return decode_key(text)

    def state(self) -> State:
        """Return the witness's state. Raises LedgerError where there is none."""
        if not (self.path / "key").exists() and not (self.path / "witness.db").exists():
            raise LedgerError(f"{self.path} holds no witness; make one with `init`")
        return State(self.path / "witness.db")

    def logs(self) -> list[Verifier]:
        """Return the keys of the logs that the witness trusts. Raises LedgerError that names the line."""
        path = self.path / "logs"
        found = []
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError as error:
            raise LedgerError(f"{self.path} holds no witness; make one with `init`") from error
        except (OSError, UnicodeDecodeError) as error:
            raise LedgerError(f"{path} cannot be read: {error}") from error
        for number, line in enumerate(text.split("\n"), 1):
            vkey = line.partition("#")[0].strip()
            if vkey:
                try:
                    found.append(Verifier.from_vkey(vkey, LOG_KINDS))
                except SignatureError as error:
                    raise LedgerError(f"{path}, line {number}: {error}") from error
        return found

    def trust(self, vkey: str) -> Verifier:
        """Add a log to those that the witness trusts; a witness that runs takes it up at its next start."""
        log = Verifier.from_vkey(vkey, LOG_KINDS)
        if log not in self.logs():
            with (self.path / "logs").open("a", encoding="utf-8") as file:
                file.write(log.to_vkey() + "\n")
        return log

    def keep_proof(self, item: Proven) -> Path:
        """Write a proof of misbehaviour as a file of its own and return its path."""
        path = self.path / "misbehaviour" / f"{item.digest[:16]}.txt"
        path.parent.mkdir(exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(item.proof, "utf-8")
        os.replace(partial, path)
        return path


def encode_key(cosigner: Cosigner) -> str:
    """Return the one-line text of a private key, as Go's note package writes them."""
    verifier = cosigner.verifier
    data = base64.b64encode(bytes([verifier.kind]) + cosigner.seed).decode()
    return f"{_PREFIX}{verifier.name}+{verifier.key_hash.hex()}+{data}"


def decode_key(text: str) -> Cosigner:
    """Return the key of `encode_key`. Raises SignatureError; no message quotes the key."""
    parts = text.removeprefix(_PREFIX).split("+", 2)
    if not text.startswith(_PREFIX) or len(parts) != 3:
        raise SignatureError("the private key does not read PRIVATE+KEY+name+hash+base64")
    name, key_hash, encoded = parts
    try:
        data = decode_base64(encoded)
    except SignatureError:
        raise SignatureError("the private key is not base64") from None
    if not data or data[0] not in COSIGNER_KINDS:
        raise SignatureError("the private key is not one for cosignatures")
    cosigner = Cosigner(name, data[1:], data[0])
    if cosigner.verifier.key_hash.hex() != key_hash:
        raise SignatureError("the hash inside the private key does not fit its name and key")
    return cosigner

"""The client's side of kept checkpoints: it remembers the newest one of each exchange and demands that every later answer extends it."""

from __future__ import annotations

import base64
import binascii
import json
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import requests
from requests.auth import AuthBase

from exchange import files
from exchange.errors import ExchangeError, SplitViewError
from ledger import checkpoint, verify
from ledger.canonical import encode
from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError, SignatureError
from ledger.misbehaviour import Misbehaviour, verify_misbehaviour
from ledger.note import Verifier
from ledger.succession import Succession, follow, verify_with

_TIMEOUT = (10, 30)


class KeptCheckpoint(AuthBase):
    """The newest checkpoint of one exchange in a file, with the log's key as it was first seen.

    As the authentication of a `requests` session it brings the checkpoint along; `check` looks at an answer. The file is made
    with the first answer and read with the first request, and where it cannot be written nothing is kept.
    """

    def __init__(self, url: str, path: Path) -> None:
        self._url = url
        self._path = path

    @cached_property
    def _kept(self) -> dict[str, str]:
        return self._read()

    @property
    def note(self) -> str | None:
        """Return the signed checkpoint that is kept, or None before the first answer. Raises ExchangeError for a damaged file."""
        return self._kept.get("note")

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        note = self.note
        request.headers["If-Checkpoint"] = "none" if note is None else base64.b64encode(note.encode()).decode()
        return request

    def check(self, answer: requests.Response) -> None:
        """Demand that an answer of the exchange extends what is kept, and keep what it brings.

        Raises SplitViewError where it does not; both sides then lie in the folder as evidence.
        """
        if self.note is None:
            self._begin(answer)
            return
        if conflict := answer.headers.get("Ledger-Conflict"):
            self._convicted(conflict)
        extension = answer.headers.get("Ledger-Extension")
        text = _decode(extension) if extension else self._ask()
        try:
            self._extend(text)
        except LedgerError as error:
            raise self._split(str(error), text) from error

    def _begin(self, answer: requests.Response) -> None:
        """Take the first checkpoint of an exchange, with the key that it names."""
        note, vkey = (_decode(answer.headers.get(name, "")) for name in ("Ledger-Checkpoint", "Ledger-Key"))
        # What answered without them may be no exchange, or have no log yet; the next answer begins anew.
        with suppress(LedgerError):
            checkpoint.verify(note, vkey)
            self._kept.update(url=self._url, vkey=vkey, note=note)
            self._write()

    def _ask(self) -> str:
        """Ask for the proof by itself, where an answer came without it."""
        size = checkpoint.unsafe_parse(self.note or "").size
        answer = requests.get(f"{self._url}/checkpoint", params={"old": size}, timeout=_TIMEOUT)
        if answer.status_code >= 500:
            raise requests.ConnectionError(f"The exchange answers {answer.status_code}.")
        return answer.text

    def _extend(self, text: str) -> None:
        vkey = self._kept["vkey"]
        kept = checkpoint.verify(self._kept["note"], vkey)
        old, path, note = checkpoint.parse_extension(text)
        found, signer = self._verified(note, vkey)
        if old != kept.size:
            raise LedgerError(f"the proof begins at size {old}, the checkpoint kept is of size {kept.size}")
        verify.consistency(kept.size, found.size, path, kept.root, found.root)
        if found.size > kept.size or signer != vkey:
            self._kept.update(note=note, vkey=signer)
            self._write()

    def _verified(self, note: str, vkey: str) -> tuple[Checkpoint, str]:
        """Return the checkpoint and the key that signed it: the one that is kept, or one that it named before it ended."""
        try:
            return checkpoint.verify(note, vkey), vkey
        except SignatureError:
            answer = requests.get(f"{self._url}/api/v1/ledger/checkpoint", timeout=_TIMEOUT)
            try:
                told = [Succession.from_bytes(encode(item)) for item in answer.json()["key_changes"]]
            except (ValueError, KeyError, TypeError, LedgerError):
                told = []
            if not (heirs := follow(vkey, told)[1:]):
                raise
            return verify_with(note, heirs[::-1])

    def _convicted(self, conflict: str) -> None:
        text = _decode(conflict)
        try:
            finding = verify_misbehaviour(Misbehaviour.parse(text), [Verifier.from_vkey(self._kept["vkey"])])
        except LedgerError:
            return
        raise self._split(finding.text, text)

    def _split(self, reason: str, text: str) -> SplitViewError:
        evidence = self._path.with_suffix(".conflict.txt")
        with suppress(OSError):
            files.replace(evidence, text.encode())
        return SplitViewError(
            (
                f"The exchange does not prove that its log extends the checkpoint you keep: {reason}.",
                f"交易所未能证明其日志是您所保存检查点的延伸：{reason}。",
            ),
            (
                f"Keep {self._path} and {evidence} and show both to an auditor: the log was rewritten, or others are shown another."
                f" Where the exchange was set up anew, with a log of its own, remove {self._path}.",
                f"请保存 {self._path} 和 {evidence} 并出示给审计方：日志可能被改写，或向他人展示了不同内容。"
                f"若交易所已重新搭建并使用新的日志，请删除 {self._path}。",
            ),
            details={"kept": str(self._path), "evidence": str(evidence)},
        )

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            checkpoint.verify(found["note"], found["vkey"])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, LedgerError) as error:
            raise ExchangeError(
                (f"{self._path} does not hold a checkpoint.", f"{self._path} 中没有检查点。"),
                (
                    "Restore it, or remove it to begin anew; what it proved is lost then.",
                    "请恢复该文件；删除后将重新开始，但其证明也随之丢失。",
                ),
            ) from error
        return dict(found)

    def _write(self) -> None:
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            files.replace(self._path, json.dumps(self._kept, ensure_ascii=False).encode())


def _decode(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return text

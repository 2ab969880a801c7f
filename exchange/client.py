"""A typed Python client of the exchange's API; the command line uses it, and so can any program.

    client = Client.login("https://exchange.example", "buyer@firm.example", password)
    for offer in client.search("轴承")["items"]: ...

Every write carries a fresh Idempotency-Key, so a write that is repeated after a lost answer is carried out once.
"""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import requests

from exchange.client_answers import JSON, NO_EXCHANGE, ApiError, AwaitingSignature, Sized, checked, wants_nonce
from exchange.kept import KeptCheckpoint
from exchange.proving import ProofKey

__all__ = ["JSON", "ApiError", "AwaitingSignature", "Client", "Report"]

Report = Callable[[float, str], None]

_TIMEOUT = (10, 120)
_BLOCK = 1024 * 1024
_TRIES = 4


class Client:
    """Calls one exchange with one API token. Raises ApiError for every refusal; safe to use from one thread."""

    def __init__(self, url: str, token: str, *, kept: KeptCheckpoint | None = None) -> None:
        """With `kept`, every answer must prove that the log extends the newest checkpoint that was seen; SplitViewError if not."""
        self.url = url.rstrip("/")
        self.token = token
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {token}"
        self._http.headers["Accept-Language"] = "en"
        self._http.auth = self._kept = kept
        self._key = ProofKey()
        self._http.hooks["response"].append(self._key.note)

    @classmethod
    def login(cls, url: str, email: str, password: str, *, name: str = "client", days: int = 1) -> Client:
        """Exchange credentials for a token and return a client with it."""
        answer = requests.post(
            f"{url.rstrip('/')}/api/v1/login",
            json={"email": email, "password": password, "name": name, "days": days},
            timeout=_TIMEOUT,
        )
        given = checked(answer)
        if "token" not in given:
            raise ApiError(answer.status_code, {**NO_EXCHANGE, "detail": "What answered there is no exchange."})
        return cls(url, str(given["token"]))

    @staticmethod
    def register(url: str, **registration: Any) -> JSON:
        """Register an organisation (see the API page for the fields); needs no token."""
        return checked(requests.post(f"{url.rstrip('/')}/api/v1/participants", json=registration, timeout=_TIMEOUT))

    # -- calls ------------------------------------------------------------------------------------------------

    def get(self, path: str, **query: Any) -> JSON:
        """GET a JSON resource below /api/v1."""
        return self._call("GET", path, params={name: value for name, value in query.items() if value is not None})

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> JSON:
        """POST JSON below /api/v1 with an Idempotency-Key; a lost answer is asked for again under the same key."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self._call("POST", path, json={} if body is None else body, headers=headers)

    def _call(self, method: str, path: str, *, prove: bool = False, **options: Any) -> JSON:
        given = options.pop("headers", {})
        for attempt in range(_TRIES):
            body = options.get("data")
            # A proof holds once, so each attempt has its own.
            proof = {"DPoP": self._key.proof(method, f"{self.url}/api/v1{path}")} if prove else {}
            if isinstance(body, Sized):
                # An attempt that failed has read a part of it.
                body.seek(0)
            try:
                answer = self._http.request(
                    method, f"{self.url}/api/v1{path}", headers={**given, **proof}, timeout=_TIMEOUT, **options
                )
            except (requests.ConnectionError, requests.Timeout):
                if attempt + 1 == _TRIES:
                    raise
            else:
                if prove and attempt + 1 < _TRIES and wants_nonce(answer):
                    continue
                if answer.status_code != 503 or attempt + 1 == _TRIES:
                    result = checked(answer)
                    if self._kept is not None:
                        self._kept.check(answer)
                    return result
            time.sleep(0.3 * 2**attempt)
        raise AssertionError("unreachable")

    def wait(
        self, look: Callable[[], JSON], done: Callable[[JSON], bool], report: Report | None = None, limit: float = 3600
    ) -> JSON:
        """Ask again until `done`; raises TimeoutError after `limit` seconds."""
        end, pause = time.monotonic() + limit, 0.05
        while True:
            state = look()
            if done(state):
                return state
            if time.monotonic() > end:
                raise TimeoutError("The exchange is still working on it; look again later.")
            if report is not None:
                job = state.get("job_state") or {}
                report(float(job.get("progress", 0.0)), str(job.get("message", "")))
            time.sleep(pause)
            pause = min(pause * 1.3, 1.0)

    # -- join -------------------------------------------------------------------------------------------------

    def me(self) -> JSON:
        """Say who this token is."""
        return self.get("/me")

    def revoke_token(self, token: str) -> JSON:
        """Revoke one of the person's API tokens, and those that were made with it."""
        return self._call("DELETE", f"/tokens/{token}", headers={"Idempotency-Key": str(uuid.uuid4())})

    def verify_participant(self, participant: str, note: str = "") -> JSON:
        """Verify a pending organisation (operator)."""
        return self.post(f"/participants/{participant}/verification", {"note": note})

    def signature_requests(self) -> list[JSON]:
        """List the steps that wait for the firm's self-held key."""
        return cast(list[JSON], self.get("/signature-requests")["items"])

    def give_signatures(self, request: str, signatures: Mapping[str, bytes]) -> JSON:
        """Carry out a waiting step."""
        encoded = {digest: base64.b64encode(raw).decode() for digest, raw in signatures.items()}
        return self.post(f"/signature-requests/{request}", {"signatures": encoded})

    # -- list -------------------------------------------------------------------------------------------------

    def create_dataset(self, **description: Any) -> JSON:
        """Make a dataset draft."""
        return self.post("/datasets", description)

    def describe_dataset(self, dataset: str, **changes: Any) -> JSON:
        """Change what is said about a dataset; what is not given stays."""
        return self._call("PATCH", f"/datasets/{dataset}", json=changes, headers={"Idempotency-Key": str(uuid.uuid4())})

    def remove_draft(self, dataset: str) -> JSON:
        """Remove a draft without content."""
        return self._call("DELETE", f"/datasets/{dataset}", headers={"Idempotency-Key": str(uuid.uuid4())})

    def upload(self, dataset: str, files: Iterable[Path], options: Mapping[str, str] | None = None) -> JSON:
        """Send files as one new version, streamed, each with its SHA-256; returns the upload's state."""
        paths = list(files)
        state: JSON = {}
        for part, path in enumerate(paths, 1):
            state = self._send(dataset, path, {"part": part, "parts": len(paths), **(options or {})})
        return state

    def _send(self, dataset: str, path: Path, query: Mapping[str, Any]) -> JSON:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            return self._call(
                "PUT",
                f"/datasets/{dataset}/content",
                params={"filename": path.name, **query},
                data=Sized(file, path.stat().st_size),
                headers={
                    "X-Content-SHA256": digest,
                    "Content-Type": "application/octet-stream",
                    "Idempotency-Key": str(uuid.uuid4()),
                },
            )

    def put(self, path: str, body: Any) -> JSON:
        """PUT JSON below /api/v1 with an Idempotency-Key."""
        return self._call("PUT", path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})

    def wait_for_version(self, version: str, report: Report | None = None) -> JSON:
        """Return a version once it was read (state ready or failed)."""
        return self.wait(
            lambda: self.get(f"/versions/{version}"), lambda state: state["state"] in {"ready", "failed"}, report
        )

    def declare_rights(self, dataset: str, source: str, evidence: str, rights: Iterable[str]) -> JSON:
        """Declare which of the three rights the firm has, where the data comes from, and what proves it."""
        held = {name: name in set(rights) for name in ("holding", "processing", "operating")}
        return self.put(f"/datasets/{dataset}/rights", {**held, "source": source, "evidence": evidence})

    def grade(
        self,
        dataset: str,
        answers: Mapping[str, int],
        category: str = "general",
        risk_assessment: str = "",
        reason: str = "",
    ) -> JSON:
        """Answer the three impact questions of the grading guide; the grade follows. An answer below the suggestion takes a reason."""
        body = {
            "answers": dict(answers), "category": category, "risk_assessment": risk_assessment, "reason": reason,
        }  # fmt: skip
        return self.put(f"/datasets/{dataset}/grading", body)

    def draft_offer(self, dataset: str, **terms: Any) -> JSON:
        """Draft an offer of the dataset's current version."""
        return self.post(f"/datasets/{dataset}/offers", terms)

    def publish_offer(self, offer: str) -> JSON:
        """Open a drafted offer."""
        return self.post(f"/offers/{offer}/publication")

    def dataset(self, dataset: str) -> JSON:
        """Give a dataset."""
        return self.get(f"/datasets/{dataset}")

    def search(self, text: str = "", **filters: Any) -> JSON:
        """Find offers that this token may see."""
        return self.get("/catalog", q=text or None, **filters)

    def offer(self, offer: str) -> JSON:
        """Give an offer with its terms."""
        return self.get(f"/offers/{offer}")

    # -- agree and pay ----------------------------------------------------------------------------------------

    def request(self, offer: str, purpose: str, **more: Any) -> JSON:
        """Ask for an offer with a purpose."""
        return self.post("/negotiations", {"offer": offer, "purpose": purpose, **more})

    def negotiation(self, negotiation: str) -> JSON:
        """Give a negotiation of the acting firm."""
        return self.get(f"/negotiations/{negotiation}")

    def negotiations(self, **query: Any) -> list[JSON]:
        """List the acting firm's negotiations."""
        return cast(list[JSON], self.get("/negotiations", **query)["items"])

    def step(self, negotiation: str, step: str, body: Mapping[str, Any] | None = None) -> JSON:
        """Take a step: agreement, counter, acceptance, verification or termination."""
        return self.post(f"/negotiations/{negotiation}/{step}", body)

    def agreement(self, agreement: str) -> JSON:
        """Give an agreement of the acting firm."""
        return self.get(f"/agreements/{agreement}")

    def fund(self, agreement: str) -> JSON:
        """Hold the price in escrow; the agreement is in force afterwards."""
        return self.post(f"/agreements/{agreement}/funding")

    def top_up(self, participant: str, amount_fen: int, reference: str) -> JSON:
        """Book money that arrived at the exchange's bank (operator)."""
        body = {"participant": participant, "amount_fen": amount_fen, "reference": reference}
        return self.post("/accounts/top-ups", body)

    # -- transfer ---------------------------------------------------------------------------------------------

    def request_transfer(self, agreement: str) -> JSON:
        """Ask for one use of an agreement."""
        return self.post(f"/agreements/{agreement}/transfers")

    def transfer(self, transfer: str) -> JSON:
        """Give a transfer."""
        return self.get(f"/transfers/{transfer}")

    def wait_for_transfer(self, transfer: str, report: Report | None = None) -> JSON:
        """Return the transfer once it has left REQUESTED."""
        return self.wait(lambda: self.transfer(transfer), lambda state: state["state"] != "REQUESTED", report)

    def access_token(self, transfer: str, *, bound: bool = False) -> JSON:
        """Ask for a transfer's access token: bound to this client's key when `bound`, and wherever the exchange demands it."""
        path = f"/transfers/{transfer}/token"
        try:
            return self._call("POST", path, json={}, prove=bound)
        except ApiError as error:
            if bound or error.code != "binding-required":
                raise
        return self._call("POST", path, json={}, prove=True)

    def fetch(
        self, transfer: str, target: Path, *, opened: bool, bound: bool = False, report: Report | None = None
    ) -> str:
        """Download the sealed (or opened) package into `target`, going on where an earlier attempt stopped.

        `bound`: fetch the sealed one by a token that is bound to this client's key, also where the exchange does not demand it.
        Returns "sha256:…" of the file, checked against the transfer's record. Raises ApiError, or OSError when the bytes differ.
        """
        facts = self.transfer(transfer)
        size, wanted = (
            (facts["plain_size"], facts["plain_digest"]) if opened else (facts["sealed_size"], facts["sealed_digest"])
        )
        partial = target.with_name(target.name + ".partial")
        for attempt in range(_TRIES):
            have = partial.stat().st_size if partial.exists() else 0
            if have >= size:
                break
            try:
                self._fetch_rest(facts, partial, have, opened, bound, report)
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                if attempt + 1 == _TRIES:
                    raise
                time.sleep(0.3 * 2**attempt)
        with partial.open("rb") as file:
            digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
        if digest != wanted:
            partial.unlink()
            raise OSError("What arrived is not what the exchange recorded; it was removed. Fetch it again.")
        partial.rename(target)
        return digest

    def _fetch_rest(
        self, facts: JSON, partial: Path, have: int, opened: bool, bound: bool, report: Report | None
    ) -> None:
        size = facts["plain_size"] if opened else facts["sealed_size"]
        headers = {"Range": f"bytes={have}-"} if have else {}
        path = f"{self.url}/api/v1/transfers/{facts['id']}/{'content' if opened else 'artefact'}"
        if not opened:
            given = self.access_token(facts["id"], bound=bound)
            headers["Authorization"] = f"{given['token_type']} {given['access_token']}"
            if "cnf" in given:
                headers["DPoP"] = self._key.proof("GET", path, given["access_token"])
        with self._http.get(path, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
            if answer.status_code not in {200, 206}:
                checked(answer)
            with partial.open("ab" if answer.status_code == 206 else "wb") as file:
                for block in answer.iter_content(_BLOCK):
                    file.write(block)
                    have += len(block)
                    if report is not None:
                        report(have / max(size, 1), f"{have / 2**20:.1f} MiB")

    def acknowledge(self, transfer: str, digest: str) -> JSON:
        """Acknowledge what arrived; the payment is released."""
        return self.post(f"/transfers/{transfer}/acknowledgement", {"digest": digest})

    # -- record -----------------------------------------------------------------------------------------------

    def checkpoint(self) -> JSON:
        """Give the newest signed checkpoint."""
        return self.get("/ledger/checkpoint")

    def bundle(self, agreement: str, target: Path) -> Path:
        """Download the evidence bundle of an agreement."""
        with self._http.get(
            f"{self.url}/api/v1/ledger/bundles/agreements/{quote(agreement)}", stream=True, timeout=_TIMEOUT
        ) as answer:
            if answer.status_code != 200:
                checked(answer)
            with target.open("wb") as file:
                for block in answer.iter_content(_BLOCK):
                    file.write(block)
        return target

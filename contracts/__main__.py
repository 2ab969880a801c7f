"""`python -m contracts verify FILE`: check a signed agreement without network, clock or exchange.

Exit status: 0 the agreement is whole and signed by both parties, 1 it is not, 2 the file cannot be used.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.agreement import Agreement, SignedAgreement, verify
from contracts.errors import AgreementError
from contracts.odrl import describe, parse

# A signed agreement is some kilobytes; a plan over thousands of columns stays below this.
LARGEST_FILE = 16 * 1024 * 1024


class UnusableError(Exception):
    """The command cannot be carried out with what it was given."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _options().parse_args(arguments)
    try:
        keys = {f"{name}_key": _key(getattr(options, f"{name}_key")) for name in ("provider", "consumer")}
        document = _read(options.file)
    except UnusableError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        signed = SignedAgreement.from_json(document)
        agreement = verify(signed, **keys)
    except AgreementError as error:
        _say({"ok": False, "problem": error.text(options.language)}, [error.text(options.language)], options.json)
        return 1
    _say(_summary(agreement, signed), _report(agreement, signed, options.language), options.json)
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m contracts", description="Check signed agreements offline.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("verify", help="check that an agreement is whole and signed by both parties")
    command.add_argument("file", type=Path, help="the signed agreement, as the exchange exports it")
    command.add_argument("--provider-key", help="the provider's public key in base64; its signature must be by it")
    command.add_argument("--consumer-key", help="the consumer's public key in base64; its signature must be by it")
    command.add_argument("--language", choices=("en", "zh"), default="en", help="the language of the report")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _key(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise UnusableError("A public key is 32 bytes in base64, 44 characters; copy it from the participant's page.")
    return key


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise UnusableError("The file says one property twice, so two readers could read it differently.")
    return dict(pairs)


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UnusableError(f"{path} is larger than {LARGEST_FILE} bytes, so it is no agreement.")
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique)
    except OSError as error:
        raise UnusableError(f"{path} cannot be read: {error.strerror}. Name a file that exists.") from error
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"{path} is not JSON: {error}. Export the agreement again.") from error


def _say(document: dict[str, Any], lines: list[str], as_json: bool) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=2) if as_json else "\n".join(lines))


def _summary(agreement: Agreement, signed: SignedAgreement) -> dict[str, Any]:
    return {
        "ok": True,
        "id": agreement.id,
        "digest": agreement.digest(),
        "keys": {str(signature.role): signature.key_id for signature in signed.signatures},
        "agreement": agreement.to_json(),
    }


def _report(agreement: Agreement, signed: SignedAgreement, language: str) -> list[str]:
    document = agreement.to_json()
    keys = {str(signature.role): signature.key_id for signature in signed.signatures}
    zh = language == "zh"
    end = document["valid_until"] or ("无截止" if zh else "without end")
    rows = [
        ("协议" if zh else "agreement", agreement.id),
        ("摘要" if zh else "digest", agreement.digest()),
        ("提供方" if zh else "provider", f"{agreement.provider} ({keys['provider']})"),
        ("使用方" if zh else "consumer", f"{agreement.consumer} ({keys['consumer']})"),
        ("数据集" if zh else "dataset", agreement.dataset),
        ("版本" if zh else "version", f"{agreement.dataset_version['id']} {agreement.dataset_version['digest']}"),
        ("用途" if zh else "purpose", agreement.purpose),
        ("有效期" if zh else "valid", f"{document['valid_from']} … {end}"),
    ]
    head = "协议完整，双方签名均有效。" if zh else "The agreement is whole and both signatures hold."
    terms = describe(parse(agreement.policy), language)
    return [head, *(f"  {name}: {value}" for name, value in rows), *(f"  - {line}" for line in terms)]


if __name__ == "__main__":
    sys.exit(main())

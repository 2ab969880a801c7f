"""What a log line says, and what it never says."""

from __future__ import annotations

import structlog

from exchange import logs


def test_a_logged_failure_names_its_type_and_place_and_quotes_no_value(capsys) -> None:
    logs.configure("info")
    try:
        try:
            int("13800001111 Zhang Wei")
        except ValueError as error:
            raise RuntimeError("Key (email)=(zhang@firm.example) already exists.") from error
    except RuntimeError:
        structlog.get_logger().exception("job failed", job="urn:uuid:1")
    line = capsys.readouterr().err
    assert "RuntimeError" in line
    assert "ValueError" in line
    assert "test_logs.py" in line
    assert not any(secret in line for secret in ("13800001111", "Zhang", "zhang@firm.example"))

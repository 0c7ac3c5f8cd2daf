"""Decisions of a Lambda function, on its log."""

import json
from dataclasses import asdict
from typing import Any, TextIO

from gateway.tenants.audit import AuditRecord


class LogTrail:
    """Decisions as lines of JSON on the function's log; Lambda keeps what was written when it freezes a sandbox."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def ready(self) -> bool:
        """Always."""
        return True

    def add(self, record: AuditRecord) -> None:
        """Write the record."""
        self._write({name: value for name, value in asdict(record).items() if value is not None})

    def count(self, code: str) -> None:
        """Write that somebody unknown was refused."""
        self._write({"action": "call", "outcome": "refused", "rule": code})

    def _write(self, said: dict[str, Any]) -> None:
        self._out.write(json.dumps(said, sort_keys=True) + "\n")
        self._out.flush()

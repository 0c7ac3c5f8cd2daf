"""Sends a case to a backend, finds what it stored, and has both judged (`findings.py`)."""

import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from tests.conformance.case import DATE, UNIQUE, UNIQUE_LENGTH, UUID, Case, Expectation, Stored
from tests.conformance.credentials import MAKERS
from tests.conformance.deployment import Base, Deployment, Issuer
from tests.conformance.differences import outcome
from tests.conformance.findings import Exchange, answer_findings, stored_findings
from tests.conformance.wire import Request, Wire, WireError

_UUID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
LOOK_EVERY: Final = 60
"""Cases that share one look over the whole bucket: a listing takes longer than an upload."""


class Examiner:
    """One worker's eyes: a wire, a deployment, and what lay in the bucket before.

    What no case may have stored is looked for in the whole bucket every `LOOK_EVERY` cases and at the end; a key tells
    the case by its unique part.
    """

    def __init__(self, deployment: Deployment, wire: Wire, issuers: Mapping[str, Issuer]) -> None:
        self._deployment = deployment
        self._wire = wire
        self._issuers = {**issuers, "": deployment.issuer}
        self._known = dict(deployment.bucket.list())
        self._allowed: set[str] = set()
        self._cases: dict[str, str] = {}
        self._examined = 0

    def examine(self, case: Case) -> list[str]:
        """Send the case to each of its backends; returns the findings, none when all is as it must be."""
        findings: list[str] = []
        credential = MAKERS[case.credential](self._issuers[case.issuer], case.tenant)
        for backend in case.backends:
            base = self._deployment.base(backend)
            if base is not None:
                findings += (f"{backend}: {finding}" for finding in self._one(case, backend, base, credential))
        self._examined += 1
        return findings + (self.look() if self._examined % LOOK_EVERY == 0 else [])

    def look(self) -> list[str]:
        """Objects nobody may have stored since the last look, in the whole bucket; then what was stored is deleted."""
        now = self._deployment.bucket.list()
        strays = [key for key, etag in now.items() if key not in self._allowed and self._known.get(key) != etag]
        findings = [f"stored although it must not be: {key!r} by {self._culprit(key)}" for key in strays]
        findings += (f"vanished from the bucket: {key!r}" for key in self._known if key not in now)
        self._deployment.bucket.discard(*(key for key in now if key not in self._known))
        self._allowed.clear()
        return findings

    def _culprit(self, key: str) -> str:
        return next((label for unique, label in self._cases.items() if unique in key), "a case whose name is not in it")

    def _one(self, case: Case, backend: str, base: Base, credential: tuple[tuple[str, str], ...]) -> Iterator[str]:
        """One base's findings."""
        unique = uuid.uuid4().hex[:UNIQUE_LENGTH]
        self._cases[unique] = case.label
        seeded = self._seed(case, unique)
        request = build_request(case, base, unique, credential)
        today = _today()
        try:
            trace = self._wire.follow(base.origin, request)
        except (WireError, OSError) as error:
            yield f"no answer: {error}"
            return
        must = outcome(case, backend, self._deployment)
        exchange = Exchange(
            case=case,
            backend=backend,
            carrier=must.carrier,
            expect=must.expect,
            key=self._key(case, must.expect, unique, f"(?:{today}|{_today()})"),
            credential=credential,
            trace=trace,
        )
        if exchange.key is not None:
            self._allowed.add(exchange.key)
        yield from answer_findings(exchange, self._deployment)
        yield from self._object_findings(exchange, seeded)

    def _key(self, case: Case, expect: Expectation, unique: str, date: str) -> str | None:
        """The key that the upload must have; one with a date or an id of the gateway's is looked for in the bucket."""
        if not isinstance(expect, Stored):
            return None
        template = (expect.key or f"{case.tenant}/{expect.name}").replace(UNIQUE, unique)
        if expect.key is None or not (DATE in template or UUID in template):
            return template
        pattern = re.escape(template).replace(re.escape(DATE), date).replace(re.escape(UUID), _UUID)
        found = [key for key in self._deployment.bucket.list(f"{case.tenant}/") if re.fullmatch(pattern, key)]
        return found[0] if len(found) == 1 else f"one key like {template}, not {len(found)}"

    def _seed(self, case: Case, unique: str) -> str | None:
        if case.seed is None:
            return None
        key = f"{case.tenant}/{case.raw_name.replace(UNIQUE, unique)}"
        self._deployment.bucket.put(key, case.seed, "text/x-seed")
        self._allowed.add(key)
        return key

    def _object_findings(self, exchange: Exchange, seeded: str | None) -> Iterator[str]:
        """What is wrong with the object, or with the one that was there before and had to stay."""
        if isinstance(exchange.expect, Stored) and exchange.key is not None:
            yield from stored_findings(exchange, self._deployment)
        elif seeded is not None:
            found = self._deployment.bucket.get(seeded)
            if found is None or found.body != exchange.case.seed:
                yield "the object that was there before was changed"


def _today() -> str:
    return datetime.now(UTC).strftime("%Y/%m/%d")


def build_request(case: Case, base: Base, unique: str, credential: tuple[tuple[str, str], ...]) -> Request:
    """The case's request to one backend, byte for byte but for the unique part of its name."""
    length = str(len(case.body)) if case.length == "auto" else case.length
    framing = () if length is None else (("Content-Length", length),)
    return Request(
        method=case.method,
        target=f"{base.path}/{case.raw_name.replace(UNIQUE, unique)}{case.query}",
        headers=(*credential, *case.headers, *framing),
        hop_headers=case.hop_headers,
        body=b"" if case.head_only else case.body,
    )

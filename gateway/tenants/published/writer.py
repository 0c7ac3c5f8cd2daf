"""One document at a time into S3: newer than what is there, and only in the place of what was looked at.

A writer looks at a document before it reads what the next one is made of, and stores it only where nobody else stored
one meanwhile. So of several publishers none puts an older state in the place of a newer one, and the version rises
whoever writes: it is the time in milliseconds, or one more than the last where a clock went back.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

from gateway.storage.small import SmallObject
from gateway.tenants.published.signing import Document, DocumentError, Ring, SigningPair, check_time, seal, unseal

WITHIN: Final = 5.0
"""Seconds for one call to S3."""


class Objects(Protocol):
    """Where documents are kept (`gateway.storage.small.SmallObjects`)."""

    def get(self, key: str, *, within: float) -> SmallObject | None:
        """The object, None where there is none; raises `OSError`."""
        ...

    def put(self, key: str, body: bytes, *, replaces: str | None, within: float) -> str | None:
        """Store it in the place of the one with this ETag; the new ETag, None where it is another by now."""
        ...


class Outcome(Enum):
    """What came of an attempt: `CONFLICT` says that somebody else stored one since the look."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was there at the last look, or what was stored since; `digest` None: nothing that may stay."""

    etag: str | None
    version: int = 0
    not_after: float = 0.0
    digest: bytes | None = None


class DocumentWriter:
    """Writes documents under `prefix`. `lifetime` is how long each is good, in seconds; half of it is left at least.

    `ring` are the keys whose documents are taken for the publisher's own earlier ones; `clock` gives epoch seconds.
    """

    def __init__(
        self,
        objects: Objects,
        *,
        prefix: str,
        pair: SigningPair,
        ring: Ring,
        lifetime: float,
        clock: Callable[[], float],
    ) -> None:
        self._objects = objects
        self._prefix = prefix
        self._pair = pair
        self._ring = ring
        self._lifetime = lifetime
        self._clock = clock
        self._seen: dict[str, _Seen] = {}

    def look(self, name: str) -> Document | None:
        """The document as it is in S3, None where there is none that is believed; raises `OSError`."""
        found = self._objects.get(self._prefix + name, within=WITHIN)
        document = self._believed(found, name)
        if found is None or document is None:
            self._seen[name] = _Seen(etag=None if found is None else found.etag)
            return None
        mine = found.body.startswith(self._pair.key_id.encode() + b".")
        self._seen[name] = _Seen(
            etag=found.etag,
            version=document.version,
            not_after=document.not_after,
            digest=_digest(document.content) if mine else None,
        )
        return document

    def is_known(self, name: str) -> bool:
        """Whether it was looked at."""
        return name in self._seen

    def is_due(self, name: str) -> bool:
        """Whether less than half of its time is left."""
        seen = self._seen.get(name)
        return seen is None or seen.not_after - self._clock() < self._lifetime / 2

    def attempt(self, name: str, content: Mapping[str, Any]) -> Outcome:
        """Store this content, unless it is there and has half of its time left; raises `OSError`.

        After a conflict the document is no longer known, and `content` must be made anew after the next look.
        """
        seen, now, digest = self._seen[name], self._clock(), _digest(content)
        if seen.digest == digest and not self.is_due(name):
            return Outcome.UNCHANGED
        document = Document(
            name=name,
            version=max(seen.version + 1, int(now * 1000)),
            issued_at=now,
            not_after=now + self._lifetime,
            content=content,
        )
        body = seal(document, self._pair)
        del self._seen[name]  # until S3 has answered, nobody knows what is there
        etag = self._objects.put(self._prefix + name, body, replaces=seen.etag, within=WITHIN)
        if etag is None:
            return Outcome.CONFLICT
        self._seen[name] = _Seen(etag=etag, version=document.version, not_after=document.not_after, digest=digest)
        return Outcome.WRITTEN

    def forget(self, name: str) -> None:
        """Refresh it no more: a document that says that its tenant is gone is needed as long as an older one is."""
        self._seen.pop(name, None)

    def _believed(self, found: SmallObject | None, name: str) -> Document | None:
        if found is None:
            return None
        try:
            document = unseal(found.body, name, self._ring)
            check_time(document, max(self._clock(), document.issued_at))
        except DocumentError:
            return None
        return document


def _digest(content: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).digest()

"""What each request came to, written down once: who asked, what the rules said, and what became of it.

Every way to a decision ends here (`gateway.admission`, the upload API's calls), so that each request whose caller is
known leaves one line, and one more when it is learned what became of its upload. A record is made of verified claims,
the grant and the rules' answer alone; no header, no credential and no URL is ever handed to this module.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from gateway.policy.grant import Grant
from gateway.policy.model import Intent, Policy, Principal
from gateway.policy.problems import Code, Refusal
from gateway.room import Caller, Room
from gateway.tenants.audit import AuditRecord

if TYPE_CHECKING:  # an edge function has no ledger
    from gateway.tenants.ledger import Reservation

PUT: Final = "upload"
PLAN: Final = "upload.plan"
PARTS: Final = "upload.parts"
COMPLETE: Final = "upload.complete"
ABORT: Final = "upload.abort"
SIGN: Final = "upload.sign"
TICKET: Final = "upload.ticket"
STS: Final = "upload.credentials"
EXPIRE: Final = "upload.expire"

LONGEST: Final = 1024
"""Characters of a text in a record; a name that is refused may be as long as a request's head."""

UNAVAILABLE: Final = Refusal(
    code=Code.STORAGE_UNAVAILABLE,
    detail="The gateway can't keep its record of decisions now, so it makes none; nothing was stored. Try again.",
    retry_after=5,
)

Observe = Callable[[Principal, Policy, Intent, Grant | Refusal], None]
"""Told what the rules alone said, on the hot path: it must not wait and must not raise."""


class Trail(Protocol):
    """Where records go. Called on the hot path and from any thread: no verb waits or raises."""

    def ready(self) -> bool:
        """Whether decisions may be made now: their records would be kept."""
        ...

    def add(self, record: AuditRecord) -> None:
        """Keep a record, or count that it was lost."""
        ...

    def count(self, code: str) -> None:
        """Count a refusal of somebody who is not known, by the problem's code."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The upload that a call was about: its short id and its key; bytes, and how many parts, where it is of those."""

    upload: str
    key: str
    bytes: int | None = None
    count: int | None = None

    def members(self) -> dict[str, Any]:
        """As a record has them (`dataclasses.asdict` copies deeply, and this is on the hot path)."""
        return {"upload": self.upload, "key": self.key, "bytes": self.bytes, "count": self.count}


class Journal:
    """Writes to the trail and tells the observers; with neither it does nothing. `clock`: seconds since the epoch."""

    def __init__(
        self, *, clock: Callable[[], float], trail: Trail | None = None, observers: Sequence[Observe] = ()
    ) -> None:
        self._clock = clock
        self._trail = trail
        self._observers = observers

    def unavailable(self) -> Refusal | None:
        """Why no decision may be made now; asked once a request, before anything is decided."""
        return None if self._trail is None or self._trail.ready() else UNAVAILABLE

    def stranger(self, refusal: Refusal) -> Refusal:
        """Refused before anybody was known: counted, for a line each would let strangers fill the record."""
        if self._trail is not None:
            self._trail.count(str(refusal.code))
        return refusal

    def homeless(self, principal: Principal, request_id: str, refusal: Refusal) -> Refusal:
        """The credential was good, and no policy goes with it."""
        if self._trail is not None:
            about = {"issuer": principal.issuer, "subject": principal.subject, "request_id": request_id}
            self._add(self._clock(), "call", refusal, about)
        return refusal

    def decided(
        self, caller: Caller, intent: Intent, ruling: Grant | Refusal, outcome: Room | Refusal, *, action: str = PUT
    ) -> Room | Refusal:
        """What the rules said, and what came of it with rate and quota; the room tells here what becomes of it."""
        for observe in self._observers:
            observe(caller.principal, caller.policy, intent, ruling)
        caller.told.append(action)
        if self._trail is None:
            return outcome
        about = {**_who(caller), "backend": str(intent.carriage.backend), "bytes": intent.size}
        if isinstance(ruling, Refusal):
            named = {} if isinstance(intent.name, Refusal) else {"name": intent.name}
            self._add(intent.minted.at, action, ruling, {**about, **named})
            return outcome
        about["key"] = ruling.key
        if isinstance(outcome, Refusal):
            self._add(intent.minted.at, action, outcome, about)
            return outcome
        about["upload"] = outcome.id
        self._add(intent.minted.at, action, "granted", about)
        return _Watched(outcome, lambda said, rule: self._add(self._clock(), action, said, {**about, "rule": rule}))

    def acted(self, caller: Caller, action: str, outcome: str | Refusal, about: About | None = None) -> None:
        """A call about an upload that was begun before: what it did (a word), or why not."""
        caller.told.append(action)
        if self._trail is not None:
            self._add(self._clock(), action, outcome, {**_who(caller), **({} if about is None else about.members())})

    def answered(self, caller: Caller, action: str, refusal: Refusal) -> None:
        """A refusal is on its way out; where nobody wrote down why, this is the line."""
        if not caller.told:
            self.acted(caller, action, refusal)

    def found(self, tenant: str, action: str, outcome: str, about: About) -> None:
        """What somebody found out later, without a request: what became of an upload."""
        if self._trail is not None:
            self._add(self._clock(), action, outcome, {"tenant": tenant, **about.members()})

    def swept(self, reservation: "Reservation", size: int | None) -> None:
        """The room of an upload was ended by a look at S3 (`gateway.tenants.expiry`): `size` bytes are there, or none.

        What is there may be another upload's of the same key: S3 doesn't say whose it is.
        """
        about = About(upload=reservation.id, key=reservation.key, bytes=size)
        self.found(reservation.tenant, PUT, "released" if size is None else "stored", about)

    def _add(self, at: float, action: str, outcome: str | Refusal, known: dict[str, Any]) -> None:
        if self._trail is None:
            return
        said: dict[str, Any] = {"request_id": None}
        for name, value in known.items():
            said[name] = clean(value) if isinstance(value, str) else value
        if isinstance(outcome, Refusal):
            said["rule"] = str(outcome.code)
            outcome = "refused"
        self._trail.add(AuditRecord(at=at, action=action, outcome=outcome, **said))


@dataclass(frozen=True, slots=True)
class _Watched:
    """A room whose end is written down; `tell` takes the word and the problem's code."""

    _room: Room
    _tell: Callable[[str, str | None], None]

    @property
    def id(self) -> str | None:
        return self._room.id

    @property
    def bytes(self) -> int | None:
        return self._room.bytes

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return self._room.headers

    async def stored(self) -> None:
        await self._room.stored()
        self._tell("stored", None)

    async def released(self, because: Code | None = None) -> None:
        await self._room.released(because)
        self._tell("released", None if because is None else str(because))


def clean(text: str) -> str:
    """A text as a record can hold it: not too long, and in it nothing that JSON can't say."""
    if text.isascii() and len(text) <= LONGEST:
        return text
    return text[:LONGEST].encode("utf-8", "backslashreplace").decode()


def _who(caller: Caller) -> dict[str, Any]:
    principal, policy = caller.principal, caller.policy
    return {
        "request_id": caller.request_id,
        "issuer": principal.issuer,
        "subject": principal.subject,
        "tenant": policy.tenant,
        "policy_version": policy.revision,
    }

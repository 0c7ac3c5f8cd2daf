"""What a tenant has in S3 and what it was promised room for.

Usage is counted for every tenant, with or without a quota. Room for the full size is reserved in one conditional step
before anything is allowed, so that it is never promised twice; when the upload is over, the reservation gives way to
what S3 holds. Each object has a row of its own, so that settling the same object twice counts it once and an overwrite
counts the difference, in any order and after any crash.

A reservation that is due (`expires_at`) still counts until somebody has looked whether its object arrived
(`gateway.tenants.expiry`): giving the room away unseen could exceed the quota.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.policy.model import QuotaRule
from gateway.tenants.pages import Page

SLOWEST: Final = 16_384
"""Bytes a second that a transfer is taken to make at least: how long one that began in time may still be under way."""

MARGIN: Final = 900.0
"""Seconds that are added, for connections that stall and clocks that differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A tenant's bytes and objects in S3, and those reserved for uploads that are not over."""

    bytes: int = 0
    objects: int = 0
    reserved_bytes: int = 0
    reserved_objects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Room for one upload of one object.

    `id` is the caller's, unique within the tenant. `expires_at` (seconds since the epoch) is when a transfer that
    began in time must be over; from birth every reservation has one.
    """

    id: str
    tenant: str
    key: str
    bytes: int
    expires_at: float
    objects: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """There is room and it is kept; `usage` includes it."""

    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaExceeded:
    """There is no room: `what` is "bytes" or "objects". `due_at` is when the earliest reservation ends, None: none."""

    what: str
    usage: Usage
    due_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object as the ledger knows it.

    `seen_at` is when somebody began to look at S3, or when S3 said that it had stored it.
    """

    key: str
    bytes: int
    seen_at: float


class Ledger(Protocol):
    """Reservations and usage. Every verb may raise `StoreUnavailableError`, and may be repeated then."""

    def reserve(self, reservation: Reservation, quota: QuotaRule) -> Reserved | QuotaExceeded:
        """Keep room, if all that is stored and reserved stays within the quota; the same id again changes nothing."""
        ...

    def settle(self, tenant: str, reservation_id: str, stored: StoredObject) -> Usage:
        """End the reservation, if it is still there, and count what S3 holds under its key now.

        A look that began before the last one of this object counts for nothing but the end of the reservation.
        """
        ...

    def release(self, tenant: str, reservation_id: str) -> bool:
        """End a reservation of which nothing was stored; False where there is none."""
        ...

    def due(self, now: float, *, limit: int, tenant: str | None = None) -> tuple[Reservation, ...]:
        """Reservations whose time is over, earliest first; of one tenant or of all."""
        ...

    def usage(self, tenant: str) -> Usage:
        """What is counted for the tenant now."""
        ...


class Inventory(Protocol):
    """The ledger object by object, for whoever compares it with S3 and repairs it."""

    def objects(self, tenant: str, *, limit: int, cursor: str | None = None) -> Page[StoredObject]:
        """The tenant's objects by key, in the order of UTF-8 bytes, as S3 lists them."""
        ...

    def seen(self, tenant: str, keys: Sequence[str]) -> Mapping[str, StoredObject]:
        """Those of the keys (at most 100) that the ledger has an object under."""
        ...

    def repair(self, tenant: str, key: str, size: int | None, before: StoredObject | None) -> bool:
        """Count `size` bytes under the key, None: no object, if its row is still `before`; False where it is not.

        The row keeps its `seen_at`, so that an upload under way counts when it is settled, whatever is done here.
        """
        ...

    def correct(self, tenant: str, key: str, size: int | None, seen_at: float) -> Usage:
        """Count `size` bytes under the key, None: no object; a look older than the last one changes nothing."""
        ...

"""What an operator does with a tenant's API keys; the key's text is in the answer to `create` and nowhere else."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.identity.apikeys import ApiKeyRecord, MintedApiKey
from gateway.policy.document import ADMIN_SCOPE
from gateway.policy.names import check_name
from gateway.policy.problems import Code, Fault, Refusal
from gateway.tenants.audit import AuditLog
from gateway.tenants.keys import ApiKeyStore
from gateway.tenants.service import Operation, Tenant, Together, audited, invalid, plainly

MOST_KEYS: Final = 1_000
"""Keys of one tenant; they are listed in one answer."""

NO_KEY: Final = Refusal(code=Code.NOT_FOUND, detail="The tenant has no such key.")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """What a new key may do: `expires_at` in epoch seconds; `name_prefix` narrows it to names that begin so."""

    name: str
    scopes: tuple[str, ...]
    expires_at: float | None = None
    name_prefix: str | None = None


class Mint(Protocol):
    """Makes a key (`gateway.identity.apikeys.mint_api_key`)."""

    def __call__(
        self,
        *,
        tenant: str,
        name: str,
        scopes: tuple[str, ...],
        now: float,
        expires_at: float | None,
        name_prefix: str | None,
    ) -> MintedApiKey:
        """The key's text and its record."""
        ...


class TenantKeys:
    """A tenant's API keys. Every verb may raise `StoreUnavailableError`."""

    def __init__(
        self,
        *,
        find: Callable[[str], Tenant | Refusal],
        keys: ApiKeyStore,
        audit: AuditLog,
        clock: Callable[[], float],
        mint: Mint,
        together: Together = plainly,
        on_change: Callable[[str], None] | None = None,
    ) -> None:
        """`find` is `TenantService.get`: there are keys of existing tenants only.

        `on_change` is told the id of a key that was made or revoked; caches listen there.
        """
        self._find = find
        self._keys = keys
        self._audit = audit
        self._clock = clock
        self._mint = mint
        self._together = together
        self._on_change = on_change or (lambda _: None)

    def create(self, tenant: str, request: KeyRequest, operation: Operation) -> MintedApiKey | Refusal:
        """Make a key and keep its hash."""
        faults = _faults(request, self._clock())
        if faults:
            return invalid("The key is not valid.", *faults)

        def make() -> MintedApiKey | Refusal:
            found = self._find(tenant)
            if isinstance(found, Refusal):
                return found
            if len(self._keys.list(tenant)) >= MOST_KEYS:
                return invalid(
                    f"A tenant has {MOST_KEYS} keys at most; revoke one.", Fault("", "there are too many keys")
                )
            return self._kept(tenant, request, operation)

        made = self._together(make)
        if isinstance(made, MintedApiKey):
            self._on_change(made.record.id)
        return made

    def list(self, tenant: str) -> tuple[ApiKeyRecord, ...] | Refusal:
        """The keys that were not revoked, by id."""
        found = self._find(tenant)
        return found if isinstance(found, Refusal) else self._keys.list(tenant)

    def revoke(self, tenant: str, key_id: str, operation: Operation) -> Refusal | None:
        """End a key."""

        def end() -> Refusal | None:
            found = self._find(tenant)
            if isinstance(found, Refusal):
                return found
            if not self._keys.revoke(tenant, key_id):
                return NO_KEY
            self._record("key.revoke", tenant, key_id, operation)
            return None

        refused = self._together(end)
        self._on_change(key_id)
        return refused

    def _kept(self, tenant: str, request: KeyRequest, operation: Operation) -> MintedApiKey:
        """A fresh key in the store; another one should 80 random bits ever name one that is there."""
        while True:
            minted = self._mint(
                tenant=tenant,
                name=request.name,
                scopes=request.scopes,
                now=self._clock(),
                expires_at=request.expires_at,
                name_prefix=request.name_prefix,
            )
            if self._keys.create(minted.record):
                self._record("key.create", tenant, minted.record.id, operation)
                return minted

    def _record(self, action: str, tenant: str, key_id: str, operation: Operation) -> None:
        self._audit.append([audited(operation, self._clock(), action, tenant=tenant, key=key_id)])


def _faults(request: KeyRequest, now: float) -> list[Fault]:
    """What is wrong with a key beyond the types of its members."""
    faults = []
    if ADMIN_SCOPE in request.scopes:
        place = f"/scopes/{request.scopes.index(ADMIN_SCOPE)}"
        faults.append(Fault(place, f"{ADMIN_SCOPE} is the operator's and can't be given to a key"))
    if len(set(request.scopes)) < len(request.scopes):
        faults.append(Fault("/scopes", "a scope is listed twice"))
    if request.expires_at is not None and request.expires_at <= now:
        faults.append(Fault("/expires_at", "this is over; say a time to come"))
    if request.name_prefix is not None and not _begins_a_name(request.name_prefix):
        faults.append(Fault("/name_prefix", "no name can begin like this"))
    return faults


def _begins_a_name(prefix: str) -> bool:
    """Whether a name can go on behind it, and stands as it is (NFC) in names."""
    return check_name(prefix + "x") == prefix + "x"

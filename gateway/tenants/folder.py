"""Tenants as a folder of JSON documents, one file a tenant, for one machine and for whoever keeps policies in git.

Owns when a file is read and what happens to one that is wrong. At the start every fault of every file is said at once
and nothing runs. Later the folder is looked at again when the lifetime is over: a file that turned bad keeps its last
good version in force and is told in `faults`, a removed one is a removed tenant. Writers should replace a file by
renaming over it; one caught half-written is a bad version, which the next look mends.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.policy.document import parse, tenant_id
from gateway.policy.model import IssuerRule, Policy, TenantId
from gateway.policy.problems import Fault
from gateway.policy.strict_json import MAX_BYTES, loads
from gateway.tenants.protocol import shared_without_claim

SUFFIX: Final = ".json"

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFault:
    """What is wrong with one file: its name in the folder, where in it (RFC 6901), and a sentence."""

    file: str
    pointer: str
    detail: str

    def __str__(self) -> str:
        return f"{self.file}{'#' + self.pointer if self.pointer else ''}: {self.detail}"


class TenantFolderError(Exception):
    """The folder can't be served; `faults` are all that is wrong with all of its files."""

    def __init__(self, faults: tuple[FileFault, ...]) -> None:
        super().__init__("the tenants' documents are not valid:\n" + "\n".join(f"  {fault}" for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file as it was read: what told its state, the policy in force (None: never a good one), its own faults."""

    stamp: _Stamp | None
    policy: Policy | None
    faults: tuple[FileFault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """One state of the folder; replaced whole, so that a reader never sees half of a change."""

    files: Mapping[str, _File] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    issuers: Mapping[str, tuple[tuple[TenantId, IssuerRule], ...]] = field(default_factory=dict)
    faults: tuple[FileFault, ...] = ()


class TenantFolder:
    """A `PolicySource` and an `IssuerDirectory` over the `*.json` files of a folder; a file is named for its tenant.

    `lifetime` is in seconds of `clock` (any monotonic one); 0 looks at the folder on every call. Construction raises
    `TenantFolderError` when anything is wrong.
    """

    def __init__(self, path: Path, *, allow_private_issuers: bool, lifetime: float, clock: Callable[[], float]) -> None:
        self._path = path
        self._allow_private_issuers = allow_private_issuers
        self._lifetime = lifetime
        self._clock = clock
        self._looked_at = clock()
        self._view = self._look(_View())
        if self._view.faults:
            raise TenantFolderError(self._view.faults)

    @property
    def faults(self) -> tuple[FileFault, ...]:
        """What is wrong in the folder now and therefore not in force; for readiness and logs."""
        return self._current().faults

    @property
    def tenants(self) -> tuple[str, ...]:
        """The ids of all tenants in force, sorted."""
        return tuple(sorted(self._current().policies))

    def get(self, tenant: str) -> Policy | None:
        """The policy in force, None for a tenant without a file."""
        return self._current().policies.get(tenant)

    def issuers(self, issuer: str) -> tuple[tuple[TenantId, IssuerRule], ...]:
        """The tenants that name exactly this issuer, each with its rule."""
        return self._current().issuers.get(issuer, ())

    def _current(self) -> _View:
        now = self._clock()
        if now - self._looked_at >= self._lifetime:
            self._looked_at = now
            self._view = self._look(self._view)
        return self._view

    def _look(self, before: _View) -> _View:
        """The folder as it is now; `before` itself when nothing has changed."""
        try:
            found = dict(self._stamps())
        except OSError as error:
            told = FileFault(file=self._path.name, pointer="", detail=f"the folder can't be read ({error.strerror})")
            return _View(files=before.files, policies=before.policies, issuers=before.issuers, faults=(told,))
        if not before.faults and found == {name: file.stamp for name, file in before.files.items()}:
            return before
        files = {name: self._file(name, stamp, before.files.get(name)) for name, stamp in sorted(found.items())}
        return _view(files, before)

    def _stamps(self) -> Iterator[tuple[str, _Stamp | None]]:
        """Every document's name and what changes when it does; None for a file that is gone or unreadable by now."""
        # scandir, not Path.iterdir: with a lifetime of 0 this runs for every request, and takes a quarter less.
        with os.scandir(self._path) as entries:
            for entry in entries:
                if not entry.name.endswith(SUFFIX) or entry.name.startswith("."):
                    continue
                try:
                    status = entry.stat()
                except OSError:
                    yield entry.name, None
                else:
                    yield entry.name, (status.st_mtime_ns, status.st_size, status.st_ino)

    def _file(self, name: str, stamp: _Stamp | None, before: _File | None) -> _File:
        if before is not None and stamp is not None and before.stamp == stamp:
            return before
        read = self._read(name)
        if isinstance(read, Policy):
            return _File(stamp=stamp, policy=read)
        faults = tuple(FileFault(file=name, pointer=fault.pointer, detail=fault.detail) for fault in read)
        return _File(stamp=stamp, policy=before.policy if before else None, faults=faults)

    def _read(self, name: str) -> Policy | tuple[Fault, ...]:
        expected = tenant_id(name.removesuffix(SUFFIX))
        if isinstance(expected, Fault):
            return (Fault("", f"the file must be named for its tenant: {expected.detail}"),)
        try:
            with (self._path / name).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            return (Fault("", f"the file can't be read ({error.strerror})"),)
        document = loads(data)
        if isinstance(document, Fault):
            return (document,)
        policy = parse(document, allow_private_issuers=self._allow_private_issuers)
        if isinstance(policy, Policy) and policy.tenant != expected:
            return (Fault("/tenant", f'this must be "{expected}", as the file is named'),)
        return policy


def _view(files: Mapping[str, _File], before: _View) -> _View:
    """The view of these files.

    Where together they share an issuer as they may not, the changes that name it are taken back, again until none is
    left: what was in force agreed with itself. A change that has no part in it is in force (it may be a suspension).
    """
    faults = [fault for file in files.values() for fault in file.faults]
    policies = {str(file.policy.tenant): file.policy for file in files.values() if file.policy is not None}
    issuers = _issuers(policies)
    faults.extend(_sharing_faults(issuers, policies))
    while shared := [rules for rules in issuers.values() if shared_without_claim(rules)]:
        for tenant in {tenant for rules in shared for tenant, _ in rules}:
            if tenant in before.policies:
                policies[tenant] = before.policies[tenant]
            else:
                policies.pop(tenant, None)
        issuers = _issuers(policies)
    return _View(files=files, policies=policies, issuers=issuers, faults=tuple(faults))


def _issuers(policies: Mapping[str, Policy]) -> dict[str, tuple[tuple[TenantId, IssuerRule], ...]]:
    issuers: dict[str, tuple[tuple[TenantId, IssuerRule], ...]] = {}
    for policy in policies.values():
        for rule in policy.issuers:
            issuers[rule.issuer] = (*issuers.get(rule.issuer, ()), (policy.tenant, rule))
    return issuers


def _sharing_faults(
    issuers: Mapping[str, tuple[tuple[TenantId, IssuerRule], ...]], policies: Mapping[str, Policy]
) -> Iterator[FileFault]:
    for issuer, rules in issuers.items():
        for tenant in shared_without_claim(rules):
            index = [rule.issuer for rule in policies[tenant].issuers].index(issuer)
            yield FileFault(
                file=f"{tenant}{SUFFIX}",
                pointer=f"/issuers/{index}/tenant_claim",
                detail="another tenant names this issuer too, so both must name the claim that tells whose a token is",
            )

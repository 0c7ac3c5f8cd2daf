"""The decision: a tuple of named rules walked in order, then a grant.

The order is the wire contract's order of refusals. Every backend, the plan calls and `explain` walk this one tuple;
a rule sees a principal, a policy and an intent, all verified or decoded before, and says why not, or nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from gateway.policy.grant import MINT, Grant
from gateway.policy.media import allowed_extensions, essence
from gateway.policy.model import Intent, Policy, Principal
from gateway.policy.names import denied_extension, extensions, object_key
from gateway.policy.pattern import compiled
from gateway.policy.problems import Code, Fault, Refusal

Check = Callable[[Principal, Policy, Intent], Refusal | None]

_PORTABLE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/")


@dataclass(frozen=True, slots=True)
class Rule:
    """A named check; the name is what `explain` and the audit say."""

    name: str
    check: Check


class Outcome(StrEnum):
    """What became of a rule in one walk."""

    PASSED = "passed"
    REFUSED = "refused"
    NOT_REACHED = "not-reached"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and the walk that led to it, one outcome a rule in the rules' order."""

    decision: Grant | Refusal
    walk: tuple[tuple[str, Outcome], ...]


def _tenant(principal: Principal, policy: Policy, _: Intent) -> Refusal | None:
    if principal.tenant != policy.tenant:
        return Refusal(code=Code.TENANT_UNKNOWN, detail="The credential is bound to no tenant of this gateway.")
    if policy.status != "active":
        return Refusal(code=Code.TENANT_SUSPENDED, detail="The tenant is suspended; its operator can say why.")
    return None


def _scope(principal: Principal, policy: Policy, _: Intent) -> Refusal | None:
    if not principal.scopes.isdisjoint(policy.scopes):
        return None
    wanted = " ".join(policy.scopes)
    challenge = f'Bearer realm="upload-gateway", error="insufficient_scope", scope="{wanted}"'
    return Refusal(
        code=Code.SCOPE_MISSING,
        detail=f"The credential has none of the scopes that allow uploads: {wanted}.",
        headers=(("www-authenticate", challenge),),  # RFC 6750 section 3.1
    )


def _backend(_: Principal, policy: Policy, intent: Intent) -> Refusal | None:
    backend = intent.carriage.backend
    if backend not in policy.backends:
        return Refusal(code=Code.BACKEND_NOT_ALLOWED, detail=f"The tenant may not upload through {backend}.")
    if policy.inspection == "required" and not intent.carriage.inspects:
        detail = f"The tenant demands that what arrives is inspected first, which {backend} can't do here."
        return Refusal(code=Code.BACKEND_NOT_ALLOWED, detail=detail)
    return _client(policy, intent)


def _client(policy: Policy, intent: Intent) -> Refusal | None:
    """Whether this kind of client, which states neither size nor checksum, can keep what the tenant demands."""
    if intent.client is None:
        return None
    if intent.client not in policy.clients:
        return _client_refusal(f"The tenant does not list {intent.client!r} among its clients.")
    if policy.checksum == "required":
        return _client_refusal("The tenant requires a checksum, which this kind of client can't give.")
    return None


def _client_refusal(detail: str) -> Refusal:
    said = f"{detail} Begin the upload with POST /uploads, which takes an exact size."
    return Refusal(code=Code.REQUEST_INVALID, detail=said, errors=(Fault("", said),))


def _headers(_: Principal, policy: Policy, intent: Intent) -> Refusal | None:
    if intent.header_fault is not None:
        return intent.header_fault
    for header, _value in intent.object_headers:
        if header not in policy.object_headers:
            return _header_refusal(f"The tenant does not allow the header {header}.")
    return _metadata(policy, intent) or _carried_headers(intent)


def _header_refusal(detail: str) -> Refusal:
    return Refusal(code=Code.HEADER_NOT_ALLOWED, detail=detail)


def _metadata(policy: Policy, intent: Intent) -> Refusal | None:
    for key, _value in intent.metadata:
        if "*" not in policy.metadata.keys and key not in policy.metadata.keys:
            return _header_refusal(f"The tenant does not allow the metadata key {key}.")
    used = sum(len(key) + len(value.encode("utf-8")) for key, value in intent.metadata)
    if used > policy.metadata.max_bytes:
        limit = policy.metadata.max_bytes
        return _header_refusal(f"The metadata has {used} bytes, keys included; the tenant allows {limit}.")
    return None


def _carried_headers(intent: Intent) -> Refusal | None:
    carriage = intent.carriage
    if intent.unread_headers and not carriage.adds_headers:
        return _header_refusal(
            f"S3 does not read {intent.unread_headers[0]}, and a redirect can't translate it; "
            "send x-amz-checksum-sha256 with the same value instead."
        )
    uncarried = _uncarried_header(intent)
    if uncarried is not None:
        return _header_refusal(f"The {carriage.backend} backend can't carry {uncarried}. {carriage.advice}")
    return None


def _uncarried_header(intent: Intent) -> str | None:
    """What the way was not deployed to carry, in words; a header that got lost would be a promise not kept."""
    carriage = intent.carriage
    for key, _value in intent.metadata:
        if carriage.metadata_keys is not None and key not in carriage.metadata_keys:
            return f"the metadata key {key}"
    for header, _value in intent.object_headers:
        if carriage.object_headers is not None and header not in carriage.object_headers:
            return f"the header {header}"
    if carriage.checksums is not None and intent.checksum and intent.checksum.algorithm not in carriage.checksums:
        return f"the header {intent.checksum.header}"
    return None


def _name(principal: Principal, policy: Policy, intent: Intent) -> Refusal | None:
    if isinstance(intent.name, Refusal):
        return intent.name
    key = object_key(policy, principal, intent.name, intent.minted)
    if isinstance(key, Refusal):
        return key
    detail = _name_fault(principal, policy, intent.name) or _carried_name(intent, intent.name, key)
    return Refusal(code=Code.NAME_NOT_ALLOWED, detail=detail) if detail else None


def _name_fault(principal: Principal, policy: Policy, name: str) -> str | None:
    rule = policy.names
    if name.count("/") + 1 > rule.max_depth:
        return f"The name has more than {rule.max_depth} segments."
    denied = denied_extension(name, rule.deny_extensions)
    if denied is not None:
        return f"The tenant does not allow the extension {denied} anywhere in a name."
    if rule.pattern is not None and not compiled(rule.pattern).fullmatch(name):
        return "The name does not match the tenant's pattern."
    if principal.name_prefix is not None and not name.startswith(principal.name_prefix):
        return "The credential allows only names that begin with its own prefix."
    return None


def _carried_name(intent: Intent, name: str, key: str) -> str | None:
    carriage = intent.carriage
    if carriage.portable_names and not _PORTABLE.issuperset(
        key
    ):  # the key, because a subject in it is the caller's too
        return f"The {carriage.backend} backend carries only keys of A-Z a-z 0-9 . _ - and /. {carriage.advice}"
    limit = carriage.max_encoded_name
    if limit is not None and len(quote(name)) > limit:
        return f"The {carriage.backend} backend carries at most {limit} characters of encoded name. {carriage.advice}"
    return None


def _type(_: Principal, policy: Policy, intent: Intent) -> Refusal | None:
    declared = intent.content_type
    kind = None if declared is None else essence(declared)
    if declared is not None and kind is None:
        return Refusal(code=Code.TYPE_NOT_ALLOWED, detail="The Content-Type is not one well-formed media type.")
    allowed = allowed_extensions(policy.types, kind)
    if allowed is None:
        detail = "A Content-Type is required." if kind is None else f"The tenant does not allow the type {kind}."
        return Refusal(code=Code.TYPE_NOT_ALLOWED, detail=detail)
    last = extensions(str(intent.name))[-1:]
    if allowed and (not last or last[0] not in allowed):
        return Refusal(
            code=Code.TYPE_MISMATCH,
            detail=f"The extension {last[0] if last else '(none)'} does not belong to {kind or 'the type'}; "
            f"allowed: {', '.join(allowed)}.",
        )
    return None


def _size(_: Principal, policy: Policy, intent: Intent) -> Refusal | None:
    limit = min(policy.size.max, intent.carriage.max_size)
    if intent.size is None:
        return _unsized(policy, intent, limit)
    if intent.size > limit:
        way_out = f" {intent.carriage.advice}" if intent.size <= policy.size.max else ""
        detail = f"The upload has {intent.size} bytes; {_limit_owner(policy, intent)} takes at most {limit}.{way_out}"
        return Refusal(code=Code.SIZE_EXCEEDS_LIMIT, detail=detail, limit=limit)
    if intent.size < policy.size.min:
        detail = f"The upload has {intent.size} bytes; the tenant wants at least {policy.size.min}."
        return Refusal(code=Code.SIZE_BELOW_MINIMUM, detail=detail, limit=policy.size.min)
    return None


def _unsized(policy: Policy, intent: Intent, limit: int) -> Refusal | None:
    """Whether any size that the tenant takes can go this way."""
    if policy.size.min <= limit:
        return None
    detail = f"The tenant wants at least {policy.size.min} bytes; {_limit_owner(policy, intent)} takes at most {limit}."
    return Refusal(code=Code.SIZE_EXCEEDS_LIMIT, detail=f"{detail} {intent.carriage.advice}", limit=limit)


def _limit_owner(policy: Policy, intent: Intent) -> str:
    carriage = intent.carriage
    return "the tenant" if policy.size.max <= carriage.max_size else f"one request through {carriage.backend}"


def _checksum(_: Principal, policy: Policy, intent: Intent) -> Refusal | None:
    if policy.checksum == "required" and intent.checksum is None and not intent.carriage.checksum_later:
        return Refusal(
            code=Code.CHECKSUM_REQUIRED,
            detail="The tenant requires a checksum: x-amz-checksum-sha256, another x-amz-checksum-*, Content-MD5 or, "
            "where S3 need not read it, Content-Digest.",
        )
    return None


def _precondition(_: Principal, policy: Policy, intent: Intent) -> Refusal | None:
    if policy.overwrite or intent.create_only or intent.carriage.adds_headers:
        return None
    return Refusal(
        code=Code.PRECONDITION_REQUIRED,
        detail="The tenant never overwrites, and nothing can be added to a redirected request: send If-None-Match: *.",
    )


RULES: Final[tuple[Rule, ...]] = (
    Rule("tenant", _tenant),
    Rule("scope", _scope),
    Rule("backend", _backend),
    Rule("headers", _headers),
    Rule("name", _name),
    Rule("type", _type),
    Rule("size", _size),
    Rule("checksum", _checksum),
    Rule("precondition", _precondition),
)
"""The rules in the contract's order; what comes before them (method to token) is the intake's and the identity's."""


def decide(principal: Principal, policy: Policy, intent: Intent) -> Grant | Refusal:
    """The grant for this intent, or the first refusal of the rules; pure, so the same question has one answer."""
    for rule in RULES:
        refusal = rule.check(principal, policy, intent)
        if refusal is not None:
            return refusal
    return _grant(principal, policy, intent)


def explain(principal: Principal, policy: Policy, intent: Intent) -> Explanation:
    """The same decision with the outcome of every rule, for a person who asks why."""
    outcomes = dict.fromkeys((rule.name for rule in RULES), Outcome.NOT_REACHED)
    for rule in RULES:
        refusal = rule.check(principal, policy, intent)
        outcomes[rule.name] = Outcome.PASSED if refusal is None else Outcome.REFUSED
        if refusal is not None:
            return Explanation(refusal, tuple(outcomes.items()))
    return Explanation(_grant(principal, policy, intent), tuple(outcomes.items()))


def _grant(principal: Principal, policy: Policy, intent: Intent) -> Grant | Refusal:
    if isinstance(intent.name, Refusal):
        return intent.name
    key = object_key(policy, principal, intent.name, intent.minted)
    if isinstance(key, Refusal):
        return key
    return Grant(
        tenant=policy.tenant,
        issuer=principal.issuer,
        subject=principal.subject,
        backend=intent.carriage.backend,
        name=intent.name,
        key=key,
        least=policy.size.min if intent.size is None else intent.size,
        size=min(policy.size.max, intent.carriage.max_size) if intent.size is None else intent.size,
        content_type=intent.content_type,
        checksum=intent.checksum,
        create_only=intent.create_only or not policy.overwrite,
        metadata=intent.metadata,
        object_headers=intent.object_headers,
        url_lifetime=policy.url_lifetime,
        mint=MINT,
    )

"""What stands in the published documents, as values and as JSON.

    root             the operator's issuers and their keys, and into how many parts the index is cut
    index/<n>-<of>   who believes an issuer, whose an API key is, which tenants there are: names that grant nothing
    tenants/<id>     a tenant's policy, its own issuers' keys, its API keys' records; a policy of null: no such tenant

The index only says where to look: an issuer's entry and a key's record count where the tenant's own document has them,
so an index that is older or newer than a document opens nothing. Keys are public keys as their issuer published them,
null where the issuer could not be asked. Webhooks are left out: an edge calls nobody.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from gateway.identity.apikeys import ApiKeyRecord
from gateway.identity.errors import JwksValidationError
from gateway.identity.keys import THUMBPRINT_MEMBERS
from gateway.identity.keyset import KeySet, parse_jwks
from gateway.identity.rules import jwks_source
from gateway.identity.source import JwksSource
from gateway.policy.document import parse, render
from gateway.policy.model import IssuerRule, Policy
from gateway.tenants.published.signing import DocumentError

ROOT: Final = "root"

_PUBLIC_MEMBERS: Final = frozenset({"kty", "kid", "alg", "use", "key_ops"}).union(*THUMBPRINT_MEMBERS.values())

Jwks = tuple[Mapping[str, Any], ...]
"""Public keys as JWKs, reduced to the members that a verifier reads."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The operator's part: issuers for many tenants, keys by source (None: not known now), parts of the index."""

    issuers: tuple[IssuerRule, ...]
    keys: Mapping[JwksSource, KeySet | None]
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPart:
    """A part of the index: tenants by issuer and by API key's id, and all tenants that have a document."""

    issuers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    api_keys: Mapping[str, str] = field(default_factory=dict)
    tenants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Room of a quota that was reserved for all sandboxes together until `until` (epoch seconds); None: unlimited."""

    id: str
    bytes: int | None
    objects: int | None
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one sandbox may spend by itself: one of `instances` equal parts of the rate, and of the lease."""

    instances: int
    lease: Lease | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTenant:
    """A tenant as the edge has it; `policy` None says that it does not exist (any more), `share` that it has none."""

    policy: Policy | None
    policy_version: int
    keys: Mapping[JwksSource, KeySet | None]
    api_keys: Mapping[str, ApiKeyRecord]
    share: Share | None = None


def tenant_name(tenant: str) -> str:
    """The name of a tenant's document."""
    return f"tenants/{tenant}"


def part_name(number: int, parts: int) -> str:
    """The name of one part of the index; another number of parts has other names, so they never mix."""
    return f"index/{number}-{parts}"


def part_of(text: str, parts: int) -> int:
    """The part that an issuer, an API key's id or a tenant is in."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4], "big") % parts


def root_content(issuers: Sequence[IssuerRule], keys: Mapping[JwksSource, Jwks | None], parts: int) -> dict[str, Any]:
    """The root's content."""
    return {"issuers": [dataclasses.asdict(rule) for rule in issuers], "keys": _keys_out(issuers, keys), "parts": parts}


def part_content(part: IndexPart) -> dict[str, Any]:
    """An index part's content."""
    return {
        "issuers": {issuer: sorted(tenants) for issuer, tenants in part.issuers.items()},
        "api_keys": dict(part.api_keys),
        "tenants": sorted(part.tenants),
    }


def tenant_content(
    policy: Policy | None,
    policy_version: int,
    keys: Mapping[JwksSource, Jwks | None],
    api_keys: Sequence[ApiKeyRecord],
    share: Share | None = None,
) -> dict[str, Any]:
    """A tenant's content. `policy_version` is for whoever reads logs; the document's own version is what rises.

    Without a `share` there is no such member: a function that is older than shares reads what it knows, and refuses.
    """
    issuers = () if policy is None else policy.issuers
    content = {
        "policy": None if policy is None else render(dataclasses.replace(policy, webhooks=())),
        "policy_version": policy_version,
        "keys": _keys_out(issuers, keys),
        "api_keys": [] if policy is None else [_record_out(record) for record in api_keys],
    }
    return content if share is None else {**content, "share": dataclasses.asdict(share)}


def read_root(content: Mapping[str, Any]) -> Root:
    """The root in a verified document's content; raises `DocumentError`."""
    parts = content.get("parts")
    if type(parts) is not int or not 1 <= parts <= 65_536:
        raise DocumentError("its index has no number of parts")
    return Root(
        issuers=tuple(_rule_in(rule) for rule in _list(content, "issuers")), keys=_keys_in(content), parts=parts
    )


def read_part(content: Mapping[str, Any]) -> IndexPart:
    """The part of the index in a verified document's content; raises `DocumentError`."""
    issuers, api_keys, tenants = content.get("issuers"), content.get("api_keys"), content.get("tenants")
    if not isinstance(issuers, dict) or not isinstance(api_keys, dict):
        raise DocumentError("it is no part of an index")
    if not all(_texts(names) for names in (*issuers.values(), list(api_keys.values()), tenants)):
        raise DocumentError("it is no part of an index")
    return IndexPart(
        issuers={issuer: tuple(believers) for issuer, believers in issuers.items()},
        api_keys=api_keys,
        tenants=tuple(content["tenants"]),
    )


def read_tenant(content: Mapping[str, Any], tenant: str) -> PublishedTenant:
    """The tenant of this id in a verified document's content; raises `DocumentError`.

    Issuers on private addresses are taken as they are: whether a tenant may have them was decided where its document
    was accepted, and nothing is fetched from them here.
    """
    version = content.get("policy_version")
    if type(version) is not int:
        raise DocumentError("its tenant's version is no number")
    document = content.get("policy")
    policy = None if document is None else parse(document, allow_private_issuers=True)
    if not (policy is None or (isinstance(policy, Policy) and policy.tenant == tenant)):
        raise DocumentError("its policy can't be read by this version")
    records = (_record_in(record, tenant) for record in _list(content, "api_keys"))
    return PublishedTenant(
        policy=policy,
        policy_version=version,
        keys=_keys_in(content),
        api_keys={record.id: record for record in records},
        share=_share_in(content.get("share")),
    )


def published_share(content: Mapping[str, Any]) -> Share | None:
    """The share in a verified document's content, for a publisher that begins anew; raises `DocumentError`."""
    return _share_in(content.get("share"))


def published_keys(content: Mapping[str, Any]) -> dict[JwksSource, Jwks]:
    """The keys in a verified document's content as they were published, for a publisher that begins anew."""
    return {
        JwksSource(_member(entry, "issuer", str), _member(entry, "uri", str, None)): tuple(entry["keys"])
        for entry in _list(content, "keys")
        if isinstance(entry, dict) and isinstance(entry.get("keys"), list)
    }


def public_keys(keys: Sequence[Mapping[str, Any]]) -> Jwks:
    """Of these JWKs the members that a verifier reads, so that nothing else an issuer serves is published."""
    return tuple({name: value for name, value in key.items() if name in _PUBLIC_MEMBERS} for key in keys)


def _keys_out(issuers: Sequence[IssuerRule], keys: Mapping[JwksSource, Jwks | None]) -> list[dict[str, Any]]:
    sources = dict.fromkeys(jwks_source(rule) for rule in issuers)
    return [
        {
            "issuer": source.issuer,
            "uri": source.uri,
            "keys": None if (known := keys.get(source)) is None else list(known),
        }
        for source in sources
    ]


def _keys_in(content: Mapping[str, Any]) -> dict[JwksSource, KeySet | None]:
    return dict(_source_in(entry) for entry in _list(content, "keys"))


def _source_in(entry: Any) -> tuple[JwksSource, KeySet | None]:
    issuer, uri = _member(entry, "issuer", str), _member(entry, "uri", str, None)
    try:
        keys = None if entry.get("keys") is None else parse_jwks({"keys": entry["keys"]})
    except JwksValidationError:
        raise DocumentError("an issuer's keys are no JWK Set") from None
    return JwksSource(issuer, uri), keys


def _rule_in(rule: Any) -> IssuerRule:
    names = {each.name for each in dataclasses.fields(IssuerRule)}
    if not isinstance(rule, dict) or set(rule) != names:
        raise DocumentError("an issuer's entry is not one of this format")
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in rule.items()}
    if not all(_texts(list(value)) if isinstance(value, tuple) else _text(value) for value in values.values()):
        raise DocumentError("an issuer's entry is not one of this format")
    return IssuerRule(**values)


def _record_out(record: ApiKeyRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "digest": record.digest,
        "scopes": list(record.scopes),
        "expires_at": record.expires_at,
        "name_prefix": record.name_prefix,
    }


def _record_in(entry: Any, tenant: str) -> ApiKeyRecord:
    """A key's record; its own name and when it was made are nobody's business at the edge."""
    scopes, expires_at = _member(entry, "scopes", list), _member(entry, "expires_at", (int, float), None)
    if not _texts(scopes):
        raise DocumentError("an API key's record is not one of this format")
    return ApiKeyRecord(
        id=_member(entry, "id", str),
        tenant=tenant,
        name="",
        digest=_member(entry, "digest", str),
        scopes=tuple(scopes),
        created_at=0.0,
        expires_at=expires_at,
        name_prefix=_member(entry, "name_prefix", str, None),
    )


def _share_in(entry: Any) -> Share | None:
    if entry is None:
        return None
    instances, lease = _member(entry, "instances", int), _member(entry, "lease", dict, None)
    if instances < 1:
        raise DocumentError("its share is of nothing")
    return Share(instances=instances, lease=None if lease is None else _lease_in(lease))


def _lease_in(entry: Any) -> Lease:
    return Lease(
        id=_member(entry, "id", str),
        bytes=_member(entry, "bytes", int, None),
        objects=_member(entry, "objects", int, None),
        until=_member(entry, "until", (int, float)),
    )


def _member(entry: Any, name: str, kind: type[Value] | tuple[type, ...], *absent: None) -> Any:
    value = entry.get(name) if isinstance(entry, dict) else None
    if isinstance(value, kind) or (value is None and absent):
        return value
    raise DocumentError("an entry of it is not one of this format")


def _list(content: Mapping[str, Any], name: str) -> list[Any]:
    value = content.get(name)
    if not isinstance(value, list):
        raise DocumentError("a list of it is missing")
    return value


def _text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)

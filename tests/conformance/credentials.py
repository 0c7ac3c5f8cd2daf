"""Every credential the suite sends, good and forged, by name.

A credential is the header pairs that carry it. Forgeries are made from what an outsider has: a good token of their
own, the public keys, and a key that is theirs.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from tests.conformance.deployment import Issuer

Pairs = tuple[tuple[str, str], ...]
Maker = Callable[[Issuer, str], Pairs]
"""From the issuer and the tenant's id to header pairs."""


def _bearer(token: str, scheme: str = "Bearer") -> Pairs:
    return (("Authorization", f"{scheme} {token}"),)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _compact(value: Mapping[str, Any]) -> str:
    return _b64(json.dumps(value).encode())


def _with(**changes: Any) -> Maker:
    """A well-signed token whose claims differ from a good one's; None takes a claim out."""
    return lambda issuer, tenant: _bearer(issuer.sign(issuer.claims(tenant, **changes)))


def _timed(**offsets: float) -> Maker:
    """A well-signed token whose time claims are so many seconds from now."""

    def make(issuer: Issuer, tenant: str) -> Pairs:
        now = int(time.time())
        return _bearer(issuer.sign(issuer.claims(tenant, **{name: now + by for name, by in offsets.items()})))

    return make


def _of_tenant(value: object) -> Maker:
    """A well-signed token whose tenant claim is `value`, whichever tenant the case is about."""
    return lambda issuer, _: _bearer(issuer.sign(issuer.claims(value)))


def _from_tenant(change: Callable[[str], object]) -> Maker:
    """A well-signed token whose tenant claim is made from the tenant's id."""
    return lambda issuer, tenant: _bearer(issuer.sign(issuer.claims(change(tenant))))


def _from_issuer(change: Callable[[str], object], claim: str = "iss") -> Maker:
    """A well-signed token whose `claim` is made from the right value."""

    def make(issuer: Issuer, tenant: str) -> Pairs:
        good = issuer.claims(tenant)
        return _bearer(issuer.sign({**good, claim: change(good[claim])}))

    return make


def _header(alg: str | None = None, **members: Any) -> Maker:
    """A well-signed token with other header members."""
    return lambda issuer, tenant: _bearer(issuer.sign(issuer.claims(tenant), alg, **members))


def _edited(change: Callable[[str], str]) -> Maker:
    """A good token, changed as text."""
    return lambda issuer, tenant: _bearer(change(issuer.sign(issuer.claims(tenant))))


def _unsigned(alg: str, signature: str = "") -> Maker:
    """A token that claims to need no signature (RFC 8725 section 2.1)."""

    def make(issuer: Issuer, tenant: str) -> Pairs:
        head = _compact({"alg": alg, "typ": "JWT", "kid": issuer.kid()})
        return _bearer(f"{head}.{_compact(issuer.claims(tenant))}.{signature}")

    return make


def _hmac_keyed_with(material: Callable[[Issuer], bytes]) -> Maker:
    """An HS256 token keyed with what everyone can read (RFC 8725 section 2.1, CVE-2022-29217)."""

    def make(issuer: Issuer, tenant: str) -> Pairs:
        signed = f"{_compact({'alg': 'HS256', 'typ': 'JWT', 'kid': issuer.kid()})}.{_compact(issuer.claims(tenant))}"
        mac = hmac.new(material(issuer), signed.encode(), hashlib.sha256).digest()
        return _bearer(f"{signed}.{_b64(mac)}")

    return make


def _public_der(issuer: Issuer) -> bytes:
    return load_pem_public_key(issuer.public_pem()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public_jwk(issuer: Issuer) -> bytes:
    key = load_pem_public_key(issuer.public_pem())
    if not isinstance(key, rsa.RSAPublicKey):
        raise TypeError("the issuer's RS256 key is not an RSA key")
    return json.dumps({**jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True), "kid": issuer.kid()}).encode()


@cache
def _own_key() -> rsa.RSAPrivateKey:
    """The forger's own key, one a process: making one takes longer than a request."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _foreign(alg: str = "RS256", *, embed: bool = False) -> Maker:
    """A token by a key of the forger's own, under the issuer's key id; `embed` sends the key along (RFC 7515 4.1.3)."""

    def make(issuer: Issuer, tenant: str) -> Pairs:
        key = _own_key()
        header: dict[str, Any] = {"kid": issuer.kid()}
        if embed:
            header["jwk"] = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        return _bearer(jwt.encode(issuer.claims(tenant), key, algorithm=alg, headers=header))

    return make


def _duplicate_claim(issuer: Issuer, tenant: str) -> Pairs:
    """A signed payload that names the tenant twice: parsers differ on which one they keep (RFC 7519 section 4)."""
    good = issuer.claims(tenant)
    claim = next(name for name, value in good.items() if value == tenant)
    text = json.dumps(good)
    return _bearer(issuer.sign(f'{{"{claim}": "globex", {text[1:]}'.encode()))


def _respell_signature(token: str) -> str:
    """Flip a bit of the last character that base64url decoding drops: another spelling of the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


def _flip_payload(token: str) -> str:
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return f"{head}.{_compact({**claims, 'sub': 'somebody-else'})}.{signature}"


def _json_serialized(token: str) -> str:
    head, payload, signature = token.split(".")
    return json.dumps({"protected": head, "payload": payload, "signature": signature})


DAY: Final = 86_400

ACCEPTED: Final[Mapping[str, Maker]] = {
    "good": _with(),
    "alg-es256": _header("ES256"),
    "alg-eddsa": _header("EdDSA"),
    "scheme-lower-case": lambda issuer, tenant: _bearer(issuer.sign(issuer.claims(tenant)), "bearer"),
    "scheme-upper-case": lambda issuer, tenant: _bearer(issuer.sign(issuer.claims(tenant)), "BEARER"),
    "audience-among-others": _from_issuer(lambda aud: ["https://other.example", aud], "aud"),
    "scope-among-others": _with(scope="profile files:write email"),
    "life-of-31-days": _timed(iat=-60, exp=31 * DAY - 120),
    "not-before-past": _timed(nbf=-60),
    "extra-claims": _with(email="globex@example.com", groups=["globex"], tenant_id="globex"),
}
"""Credentials that let an upload through."""

MISSING: Final[Mapping[str, Maker]] = {
    "no-credential": lambda _issuer, _tenant: (),
}

EXPIRED: Final[Mapping[str, Maker]] = {
    "expired-long-ago": _timed(iat=-7200, exp=-3600),
    "expired-just-now": _timed(iat=-60, exp=-2),
}

INVALID: Final[Mapping[str, Maker]] = {
    "not-a-jwt": lambda _issuer, _tenant: _bearer("hello"),
    "two-parts": _edited(lambda token: token.rpartition(".")[0]),
    "empty-signature": _edited(lambda token: token.rpartition(".")[0] + "."),
    "five-parts": _edited(lambda token: f"{token}.AAAA.AAAA"),
    "appended-padding": _edited(lambda token: f"{token}="),
    "respelled-signature": _edited(_respell_signature),
    "json-serialization": _edited(_json_serialized),
    "payload-changed": _edited(_flip_payload),
    "signature-zeroed": _edited(lambda token: token.rpartition(".")[0] + "." + _b64(bytes(256))),
    "not-before-future": _timed(nbf=600),
    "issued-in-the-future": _timed(iat=600, exp=4200),
    "no-expiry": _with(exp=None),
    "expiry-as-text": _with(exp="4102444800"),
    "expiry-as-true": _with(exp=True),
    "expiry-as-list": _with(exp=[4102444800]),
    "not-before-as-object": _with(nbf={}),
    "life-over-31-days": _timed(iat=-60, exp=31 * DAY + 60),
    "other-issuer": _from_issuer(lambda _: "https://issuer.example"),
    "issuer-with-slash": _from_issuer(lambda iss: f"{iss}/"),
    "issuer-prefix": _from_issuer(lambda iss: str(iss)[:-1]),
    "issuer-as-list": _from_issuer(lambda iss: [iss]),
    "no-issuer": _with(iss=None),
    "other-audience": _with(aud="https://other.example"),
    "audience-prefix": _from_issuer(lambda aud: str(aud)[:-1], "aud"),
    "audience-extended": _from_issuer(lambda aud: f"{aud}.evil.example", "aud"),
    "audience-nested": _from_issuer(lambda aud: [[aud]], "aud"),
    "no-audience": _with(aud=None),
    "longer-than-a-token": lambda _issuer, _tenant: _bearer("e" * 8193),
    "alg-none": _unsigned("none"),
    "alg-none-capital": _unsigned("None"),
    "alg-none-mixed": _unsigned("nOnE"),
    "alg-none-signed": _unsigned("none", _b64(bytes(256))),
    "alg-empty": _unsigned(""),
    "hmac-with-public-pem": _hmac_keyed_with(lambda issuer: issuer.public_pem()),
    "hmac-with-public-pem-stripped": _hmac_keyed_with(lambda issuer: issuer.public_pem().strip()),
    "hmac-with-public-der": _hmac_keyed_with(_public_der),
    "hmac-with-public-jwk": _hmac_keyed_with(_public_jwk),
    "hmac-with-nothing": _hmac_keyed_with(lambda _: b""),
    "alg-not-the-keys": _foreign("RS512"),
    "alg-pss": _foreign("PS256"),
    "foreign-key": _foreign(),
    "foreign-key-embedded": _foreign(embed=True),
    "unknown-kid": _header(kid="no-such-key"),
    "kid-traversal": _header(kid="../../etc/passwd"),
    "kid-of-another-key": lambda issuer, tenant: _bearer(issuer.sign(issuer.claims(tenant), kid=issuer.kid("ES256"))),
    "unknown-crit": _header(crit=["exp2"], exp2=1),
    "empty-crit": _header(crit=[]),
    "jku-elsewhere": _header(kid="theirs", jku="http://127.0.0.1:9/jwks.json"),
    "x5u-elsewhere": _header(kid="theirs", x5u="http://127.0.0.1:9/chain.pem"),
    "duplicate-claim": _duplicate_claim,
    "payload-not-an-object": lambda issuer, _: _bearer(issuer.sign(b'["acme"]')),
    "payload-not-json": lambda issuer, _: _bearer(issuer.sign(b"acme")),
    "unknown-api-key": lambda _issuer, _tenant: _bearer("ugk_" + "A" * 43),
}
"""Credentials that no verifier may believe."""

TENANT_UNKNOWN: Final[Mapping[str, Maker]] = {
    "tenant-nobody": _of_tenant("nobody"),
    "tenant-empty": _of_tenant(""),
    "tenant-star": _of_tenant("*"),
    "tenant-traversal": _of_tenant("../globex"),
    "tenant-number": _of_tenant(1),
    "tenant-true": _of_tenant(True),
    "tenant-absent": _of_tenant(None),
    "tenant-list": _from_tenant(lambda tenant: [tenant]),
    "tenant-list-of-two": _of_tenant(["acme", "globex"]),
    "tenant-object": _from_tenant(lambda tenant: {"id": tenant}),
    "tenant-upper-case": _from_tenant(str.upper),
    "tenant-with-space": _from_tenant(lambda tenant: f"{tenant} "),
    "tenant-with-newline": _from_tenant(lambda tenant: f"{tenant}\n"),
    "tenant-with-nul": _from_tenant(lambda tenant: f"{tenant}\0"),
    "tenant-with-path": _from_tenant(lambda tenant: f"{tenant}/sub"),
    "tenant-longer": _from_tenant(lambda tenant: f"{tenant}-evil"),
    "tenant-shorter": _from_tenant(lambda tenant: tenant[:-1]),
    "tenant-encoded": _of_tenant("%61cme"),
}
"""Well-signed credentials that are bound to no tenant."""

SCOPE_MISSING: Final[Mapping[str, Maker]] = {
    "scope-absent": _with(scope=None),
    "scope-empty": _with(scope=""),
    "scope-other": _with(scope="files:read"),
    "scope-prefix": _with(scope="files:writer files:writ"),
    "scope-upper-case": _with(scope="FILES:WRITE"),
    "scope-with-comma": _with(scope="files:read,files:write"),
    "scope-admin": _with(scope="tenants:admin"),
}
"""Well-signed credentials of a tenant that do not allow an upload."""

OF_TENANTS_OWN_SCOPES: Final[Mapping[str, Maker]] = {
    "scope-of-its-own": _with(scope="profile files:put"),
    "scope-of-its-own-second": _with(scope="uploads:create"),
}
"""Credentials that are good for a tenant with scopes of its own."""

SUBJECTS: Final[Mapping[str, Maker]] = {
    "subject-plain": _with(sub="conformance"),
    "subject-odd": _with(sub="auth0|a b+c@x.example"),
    "subject-emoji": _with(sub="\U0001f600"),
    "subject-looks-like-a-template": _with(sub="{name}"),
    "subject-with-a-slash": _with(sub="a/b"),
    "subject-parent": _with(sub=".."),
    "subject-dot": _with(sub="."),
    "subject-empty": _with(sub=""),
    "subject-absent": _with(sub=None),
    "subject-backslash": _with(sub="a\\b"),
    "subject-control": _with(sub="a\nb"),
    "subject-variable": _with(sub="${name}"),
    "subject-long": _with(sub="s" * 256),
}
"""Credentials of subjects that can, and that can't, be a segment of a key."""

OF_OWN_ISSUERS: Final[Mapping[str, Maker]] = {
    "claim-tenant-acme": _with(tenant="acme"),
    "claim-tenants": _with(tenant=["acme", "globex"], tenants=["acme"]),
    "other-client": _with(client_id="4tq3nliwj5v2other"),
    "id-token": _with(token_use="id", aud="4tq3nliwj5v2example"),
    "no-token-use": _with(token_use=None),
}
"""Credentials that mean something only for the issuer of a tenant's own."""

TWO_AT_ONCE: Final[Mapping[str, Maker]] = {
    "two-authorizations": lambda issuer, tenant: (
        *_bearer(issuer.sign(issuer.claims(tenant))),
        *_bearer(issuer.sign(issuer.claims("globex"))),
    ),
}
"""More than one credential in one request."""

MAKERS: Final[Mapping[str, Maker]] = {
    **ACCEPTED,
    **MISSING,
    **EXPIRED,
    **INVALID,
    **TENANT_UNKNOWN,
    **SCOPE_MISSING,
    **OF_TENANTS_OWN_SCOPES,
    **SUBJECTS,
    **OF_OWN_ISSUERS,
    **TWO_AT_ONCE,
}
"""Every credential by its name."""

"""Whom a credential speaks for: tenants by claim, by issuer, by API key, and never one for another."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from gateway.identity import (
    API_KEY_ISSUER,
    ApiKeyRecord,
    Authenticator,
    AuthenticatorSettings,
    JwksCache,
    JwksSource,
    NoFetcher,
    ParameterValidationError,
    SourceUnavailableError,
    mint_api_key,
)
from gateway.identity.apikeys import USED_RESOLUTION, checksum_of, digest_of
from gateway.identity.authenticate import Credential, credential
from gateway.identity.source import well_known_jwks_uri
from gateway.identity.testing import Signer, jwks
from gateway.policy.model import IssuerRule, Principal, TenantId
from gateway.policy.problems import Code, Refusal

NOW = 1_800_000_000.0
SHARED = "https://shared.example"
OWN = "https://own.example"
DAY = 86_400
INVALID = 'Bearer realm="upload-gateway", error="invalid_token", error_description='
GOOD = {"iss": SHARED, "aud": "gw", "sub": "s", "exp": NOW + 60, "iat": NOW, "tenant": "acme", "scope": "files:write"}


class Directory:
    """Tenants' own issuers, as these tests say."""

    def __init__(self, *entries: tuple[str, IssuerRule]) -> None:
        self.entries = entries
        self.asked: list[str] = []

    def issuers(self, issuer: str) -> Sequence[tuple[TenantId, IssuerRule]]:
        """Who names this issuer."""
        self.asked.append(issuer)
        return [(TenantId(tenant), rule) for tenant, rule in self.entries if rule.issuer == issuer]


class Keys:
    """API keys in a dictionary."""

    def __init__(self, *records: ApiKeyRecord) -> None:
        self.records = {record.id: record for record in records}
        self.used: list[tuple[str, float]] = []

    def api_key(self, key_id: str) -> ApiKeyRecord | None:
        """The record."""
        return self.records.get(key_id)

    def api_key_used(self, key_id: str, at: float) -> None:
        """Kept in a list."""
        self.used.append((key_id, at))


def rule(issuer: str = SHARED, **changes: Any) -> IssuerRule:
    """An entry of kind oidc whose keys are at a known place."""
    given = {"audience": ("gw",), "jwks_uri": well_known_jwks_uri(issuer), **changes}
    return IssuerRule(issuer=issuer, **given)


def authenticator(
    signer: Signer, *shared: IssuerRule, directory: Directory | None = None, keys: Keys | None = None, **settings: Any
) -> Authenticator:
    """One whose issuers all have this key, and that can fetch nothing."""
    cache = JwksCache(NoFetcher(), clock=lambda: NOW)
    for one in (*shared, *(own for _, own in (directory.entries if directory else ()))):
        cache.add_jwks(JwksSource(one.issuer, one.jwks_uri or well_known_jwks_uri(one.issuer)), jwks(signer))
    return Authenticator(
        shared,
        directory=directory,
        api_keys=keys,
        jwks_cache=cache,
        clock=lambda: NOW,
        settings=AuthenticatorSettings(**settings),
    )


def answer(one: Authenticator, value: str) -> Principal | Refusal:
    """What both ways say to this Bearer credential."""
    found = credential([("authorization", f"Bearer {value}")])
    assert isinstance(found, Credential)
    said = one.authenticate(found)
    assert said == asyncio.run(one.authenticate_async(found))
    return said


def code(said: Principal | Refusal) -> str:
    """The refusal's code, or `ok`."""
    return said.code.value if isinstance(said, Refusal) else "ok"


CLAIMS: list[tuple[dict[str, Any], str | None]] = [
    ({}, "acme"),
    ({"tenant": "a"}, "a"),
    ({"tenant": "0-" + "x" * 61}, "0-" + "x" * 61),
    *(
        ({"tenant": value}, None)
        for value in (None, "", "ACME", "acme ", "-acme", "x" * 64, "acme/globex", "a_b", "acme\n")
    ),
    *(({"tenant": value}, None) for value in (1, True, ["acme"], {"acme": 1}, "ácme")),
]


@pytest.mark.parametrize(("claims", "tenant"), CLAIMS, ids=str)
def test_the_tenant_is_a_claim_that_is_exactly_an_id(
    ec_key: Signer, claims: dict[str, Any], tenant: str | None
) -> None:
    """T13: anything else is a valid token that is bound to nobody."""
    said = answer(authenticator(ec_key, rule(tenant_claim="tenant")), ec_key.token(GOOD | claims))

    assert isinstance(said, Principal)
    assert said.tenant == tenant


def test_who_somebody_is_is_never_an_address_or_a_name(ec_key: Signer) -> None:
    """T12: whoever has another's address, name or picture is still somebody else."""
    shown = {"email": "ann@acme.example", "email_verified": True, "name": "Ann", "preferred_username": "ann"}
    one = authenticator(ec_key, rule(tenant_claim="tenant"))

    said = [answer(one, ec_key.token(GOOD | shown | {"sub": subject})) for subject in ("1", "2", "ann@acme.example")]

    assert [(who.issuer, who.subject) for who in said if isinstance(who, Principal)] == [
        (SHARED, "1"),
        (SHARED, "2"),
        (SHARED, "ann@acme.example"),
    ]


def test_an_administrators_issuer_binds_to_nobody(ec_key: Signer) -> None:
    """Without a tenant claim an operator's issuer speaks for no tenant, whatever its tokens say."""
    said = answer(authenticator(ec_key, rule()), ec_key.token(GOOD))

    assert said == Principal(
        tenant=None, issuer=SHARED, subject="s", scopes=frozenset({"files:write"}), expires_at=NOW + 60
    )


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("a b", {"a", "b"}),
        ("a  b ", {"a", "b"}),
        ("", set()),
        (["a", "b c"], {"a", "b c"}),
        ([], set()),
    ],
)
def test_scopes_are_a_string_or_a_list(ec_key: Signer, scope: Any, expected: set[str]) -> None:
    """RFC 8693 has one string, many issuers a list."""
    for name in ("scope", "scp"):
        said = answer(
            authenticator(ec_key, rule(scope_claim=name)), ec_key.token(GOOD | {"scope": "x"} | {name: scope})
        )
        assert isinstance(said, Principal)
        assert said.scopes == expected


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"exp": NOW}, "ok"),
    ({"exp": NOW - 1}, "token-expired"),
    ({"exp": None}, "token-invalid"),
    ({"exp": str(NOW + 60)}, "token-invalid"),
    ({"nbf": NOW + 1}, "token-invalid"),
    ({"iat": NOW + 1}, "token-invalid"),
    ({"exp": NOW + 31 * DAY}, "ok"),
    ({"exp": NOW + 31 * DAY + 1}, "token-invalid"),
    ({"iat": NOW - 30 * DAY, "exp": NOW + DAY}, "ok"),
    ({"iat": NOW - 30 * DAY, "exp": NOW + DAY + 1}, "token-invalid"),
    ({"aud": "other"}, "token-invalid"),
    ({"aud": ["other", "gw"]}, "ok"),
    ({"aud": "g"}, "token-invalid"),
    ({"iss": SHARED + "/"}, "token-invalid"),
    ({"iss": [SHARED]}, "token-invalid"),
    ({"iss": API_KEY_ISSUER}, "token-invalid"),
    ({"sub": 1}, "token-invalid"),
    ({"scope": 1}, "token-invalid"),
    ({"scope": ["a", 1]}, "token-invalid"),
    ({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, "token-invalid"),
    ({"typ": "Refresh"}, "token-invalid"),
    ({"typ": "Logout"}, "token-invalid"),
    ({"typ": "ID"}, "token-invalid"),
    ({"typ": "Bearer"}, "ok"),
    ({"token_use": "id"}, "token-invalid"),
    ({"token_use": "access"}, "ok"),
]


@pytest.mark.parametrize(("claims", "expected"), REFUSED, ids=str)
def test_a_token_is_what_the_contract_says(ec_key: Signer, claims: dict[str, Any], expected: str) -> None:
    """T07, T08, T09, T10: times, lifetime, audience, issuer, kind."""
    token = ec_key.token({name: value for name, value in (GOOD | claims).items() if value is not None})

    assert code(answer(authenticator(ec_key, rule()), token)) == expected


@pytest.mark.parametrize(
    ("typ", "expected"),
    [(None, "ok"), ("JWT", "ok"), ("at+jwt", "ok"), ("application/at+jwt", "ok")]
    + [(other, "token-invalid") for other in ("logout+jwt", "dpop+jwt", "secevent+jwt", "JOSE", "")],
)
def test_a_token_of_another_type_is_none(ec_key: Signer, typ: str | None, expected: str) -> None:
    """T10: the header's `typ`, where there is one."""
    assert code(answer(authenticator(ec_key, rule()), ec_key.token(GOOD, typ=typ))) == expected


def test_the_leeway_is_what_was_configured_and_a_minute_at_most(ec_key: Signer) -> None:
    """None unless configured."""
    token = ec_key.token(GOOD | {"exp": NOW - 60})

    assert code(answer(authenticator(ec_key, rule()), token)) == "token-expired"
    assert code(answer(authenticator(ec_key, rule(), leeway=60), token)) == "ok"
    with pytest.raises(ParameterValidationError):
        AuthenticatorSettings(leeway=61)


COGNITO: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"client_ids": ("c",)}, {"token_use": "access", "client_id": "c"}, "ok"),
    ({"client_ids": ("c",)}, {"token_use": "access", "client_id": "d"}, "token-invalid"),
    ({"client_ids": ("c",)}, {"token_use": "access"}, "token-invalid"),
    ({"client_ids": ("c",)}, {"client_id": "c"}, "token-invalid"),
    ({"client_ids": ("c",)}, {"token_use": "id", "aud": "c"}, "token-invalid"),
    ({"client_ids": ("c",), "token_use": ("id",)}, {"token_use": "id", "aud": "c"}, "ok"),
    ({"client_ids": ("c",), "token_use": ("id",)}, {"token_use": "id", "aud": ["c"]}, "token-invalid"),
    ({"client_ids": ("c",), "token_use": ("id", "access")}, {"token_use": "access", "client_id": "c"}, "ok"),
    ({"client_ids": ("c",), "token_use": ("refresh",)}, {"token_use": "refresh", "client_id": "c"}, "token-invalid"),
    ({}, {"token_use": "access", "client_id": "c"}, "token-invalid"),
    ({"client_ids": ("c",), "audience": ("gw",)}, {"token_use": "access", "client_id": "c"}, "token-invalid"),
    ({"client_ids": ("c",), "audience": ("gw",)}, {"token_use": "access", "client_id": "c", "aud": "gw"}, "ok"),
    ({"audience": ("gw",)}, {"token_use": "access", "aud": "gw"}, "ok"),
]


@pytest.mark.parametrize(("entry", "claims", "expected"), COGNITO, ids=str)
def test_cognito_tokens_are_judged_by_client_and_use(
    ec_key: Signer, entry: dict[str, Any], claims: dict[str, Any], expected: str
) -> None:
    """An entry of kind cognito: `client_id` or `aud`, and a use that it allows."""
    one = authenticator(ec_key, IssuerRule(issuer=SHARED, kind="cognito", **entry))

    assert code(answer(one, ec_key.token({k: v for k, v in GOOD.items() if k != "aud"} | claims))) == expected


def test_entries_that_accept_nothing_accept_nothing(ec_key: Signer) -> None:
    """An oidc entry without an audience, or of a kind that is none."""
    assert code(answer(authenticator(ec_key, rule(audience=())), ec_key.token(GOOD))) == "token-invalid"
    assert code(answer(authenticator(ec_key, rule(kind="saml")), ec_key.token(GOOD))) == "internal"


def test_a_tenants_own_issuer_speaks_for_that_tenant(ec_key: Signer) -> None:
    """The binding is the issuer's; a claim can't change it, and where one is named it must confirm it."""
    own = GOOD | {"iss": OWN, "tenant": "globex"}
    unclaimed = authenticator(ec_key, directory=Directory(("acme", rule(OWN))))
    claimed = authenticator(ec_key, directory=Directory(("acme", rule(OWN, tenant_claim="tenant"))))

    tenants = [getattr(answer(one, ec_key.token(own | change)), "tenant", "refused") for one, change in (
        (unclaimed, {}), (unclaimed, {"tenant": None}), (claimed, {}), (claimed, {"tenant": "acme"})
    )]  # fmt: skip
    assert tenants == ["acme", "acme", None, "acme"]


def test_tenants_that_share_an_issuer_are_told_apart_by_claim(ec_key: Signer) -> None:
    """Each entry speaks for its own tenant; one without a claim is left out where there are several."""
    both = Directory(("acme", rule(OWN, tenant_claim="tenant")), ("globex", rule(OWN, tenant_claim="tenant")))
    careless = Directory(("acme", rule(OWN, tenant_claim="tenant")), ("globex", rule(OWN)))
    tenants = {}
    for name, directory in (("both", both), ("careless", careless)):
        one = authenticator(ec_key, directory=directory)
        for tenant in ("acme", "globex", "other", None):
            said = answer(one, ec_key.token(GOOD | {"iss": OWN, "tenant": tenant}))
            tenants[name, tenant] = said.tenant if isinstance(said, Principal) else said.code

    assert tenants == {
        ("both", "acme"): "acme",
        ("both", "globex"): "globex",
        ("both", "other"): None,
        ("both", None): None,
        ("careless", "acme"): "acme",
        ("careless", "globex"): None,
        ("careless", "other"): None,
        ("careless", None): None,
    }


def test_a_tenant_can_not_mint_another_tenants_tokens(ec_key: Signer, ed_key: Signer) -> None:
    """Two tenants name one issuer, one with keys of its own: its keys count for its own entry alone."""
    honest = rule(OWN, tenant_claim="tenant")
    evil = rule(OWN, tenant_claim="tenant", jwks_uri="https://evil.example/jwks")
    one = authenticator(ec_key, directory=Directory(("acme", honest), ("evil", evil)))
    cast("JwksCache", one._cache).add_jwks(JwksSource(OWN, evil.jwks_uri), jwks(ed_key))

    forged = [answer(one, ed_key.token(GOOD | {"iss": OWN, "tenant": tenant})) for tenant in ("acme", "evil")]
    assert not isinstance(forged[0], Principal)
    assert isinstance(forged[1], Principal)
    assert forged[1].tenant == "evil"


def test_a_tenant_can_not_mint_operators_tokens(ec_key: Signer, ed_key: Signer) -> None:
    """An issuer of the operator's is never looked up among the tenants'."""
    evil = rule(SHARED, jwks_uri="https://evil.example/jwks")
    directory = Directory(("evil", evil))
    one = authenticator(ec_key, rule(), directory=directory)
    cast("JwksCache", one._cache).add_jwks(JwksSource(SHARED, evil.jwks_uri), jwks(ed_key))

    assert code(answer(one, ed_key.token(GOOD | {"scope": "tenants:admin"}))) != "ok"
    assert directory.asked == []


def test_several_entries_of_one_issuer_are_tried_in_order(ec_key: Signer) -> None:
    """A tenant may name two audiences in two entries; the first failure is what is said."""
    one = authenticator(ec_key, rule(audience=("a",)), rule(audience=("b",), tenant_claim="tenant"))

    assert code(answer(one, ec_key.token(GOOD | {"aud": "a"}))) == "ok"
    assert code(answer(one, ec_key.token(GOOD | {"aud": "b"}))) == "ok"
    assert code(answer(one, ec_key.token(GOOD | {"aud": "c"}))) == "token-invalid"


def test_keys_that_can_not_be_had_are_no_verdict(ec_key: Signer) -> None:
    """T23: 503 with `Retry-After`, never a principal, and no challenge."""
    one = Authenticator([rule()], jwks_cache=JwksCache(NoFetcher(), clock=lambda: NOW), clock=lambda: NOW)
    said = answer(one, ec_key.token(GOOD))

    assert isinstance(said, Refusal)
    assert (said.code, said.retry_after, said.headers) == (Code.IDENTITY_UNAVAILABLE, 1, ())


def test_a_directory_or_key_store_that_does_not_answer_is_no_verdict(ec_key: Signer) -> None:
    """T23: the same for what stands behind the other credentials."""

    class Down(Directory, Keys):
        """Neither answers."""

        def issuers(self, issuer: str) -> Sequence[tuple[TenantId, IssuerRule]]:
            """Raises."""
            raise SourceUnavailableError(issuer, retry_after=2.5)

        def api_key(self, key_id: str) -> ApiKeyRecord | None:
            """Raises."""
            raise SourceUnavailableError(key_id)

    minted = mint_api_key(tenant="acme", name="n", scopes=(), now=NOW)
    one = Authenticator([], directory=Down(), api_keys=Down(), clock=lambda: NOW)
    said = [answer(one, value) for value in (ec_key.token(GOOD), minted.text)]

    assert [(code(one), getattr(one, "retry_after", None)) for one in said] == [
        ("identity-unavailable", 3),
        ("identity-unavailable", 1),
    ]


def test_a_refusal_says_nothing_that_the_token_said(ec_key: Signer) -> None:
    """No content of a token is repeated, in a sentence or a header."""
    for claims in (
        {"aud": "SECRET"},
        {"iss": "SECRET"},
        {"typ": "SECRET", "exp": 1},
        {"token_use": "SECRET"},
        {"sub": ["SECRET"]},
    ):
        for header in ({}, {"kid": "SECRET"}, {"alg": "SECRET"}, {"typ": "SECRET"}, {"crit": ["SECRET"]}):
            said = answer(authenticator(ec_key, rule()), ec_key.token(GOOD | claims, **header))
            assert isinstance(said, Refusal)
            assert "SECRET" not in repr(said)


@pytest.mark.parametrize(
    ("claims", "challenge"),
    [
        ({"exp": 1}, INVALID + '"The token has expired"'),
        (
            {"aud": "x"},
            INVALID + '"The token is meant for another audience"',
        ),
    ],
)
def test_a_refused_token_is_challenged_as_rfc_6750_says(ec_key: Signer, claims: dict[str, Any], challenge: str) -> None:
    """Section 3.1: with an error code where there was a token."""
    said = answer(authenticator(ec_key, rule()), ec_key.token(GOOD | claims))

    assert isinstance(said, Refusal)
    assert dict(said.headers)["www-authenticate"] == challenge


def minted(**changes: Any) -> Any:
    """A new key of acme's."""
    given = {"tenant": "acme", "name": "scanner", "scopes": ("files:write",), "now": NOW - 100, **changes}
    return mint_api_key(**given)


def test_an_api_key_is_its_records_principal(ec_key: Signer) -> None:
    """Tenant, scopes, expiry and name prefix are the record's."""
    key = minted(expires_at=NOW + 10, name_prefix="inbox/")
    keys = Keys(key.record)
    said = answer(authenticator(ec_key, keys=keys), key.text)

    assert said == Principal(
        tenant="acme",
        issuer=API_KEY_ISSUER,
        subject=key.record.id,
        scopes=frozenset({"files:write"}),
        expires_at=NOW + 10,
        name_prefix="inbox/",
    )
    assert keys.used[0] == (key.record.id, NOW)


def test_only_the_very_key_is_believed(ec_key: Signer) -> None:
    """A wrong secret, an unknown id, another key's secret, a typing error: one answer for all."""
    key, other = minted(), minted()
    one = authenticator(ec_key, keys=Keys(key.record))
    body = f"ugk_{key.record.id}_{other.text[21:-6]}"
    wrong = [
        other.text,
        body + checksum_of(body),
        key.text[:-1] + ("0" if key.text[-1] != "0" else "1"),
        key.text + "x",
        key.text[:-1],
        key.text.upper(),
        "ugk_",
        "ugk_x_y",
        key.text.replace("_", "-"),
        key.text + "\n",
    ]

    assert {code(answer(one, value)) for value in wrong} == {"token-invalid"}


def test_every_typing_error_is_seen_without_a_look_up(ec_key: Signer) -> None:
    """The checksum: one character changed anywhere."""
    key = minted()

    class Never(Keys):
        """Nobody asks."""

        def api_key(self, key_id: str) -> ApiKeyRecord | None:
            """Raises."""
            raise AssertionError(key_id)

    one = authenticator(ec_key, keys=Never())
    for at in range(4, len(key.text)):
        changed = key.text[:at] + ("a" if key.text[at] != "a" else "b") + key.text[at + 1 :]
        assert code(answer(one, changed)) == "token-invalid"


def test_an_expired_key_says_so(ec_key: Signer) -> None:
    """A key that was good once."""
    key = minted(expires_at=NOW - 1)

    assert code(answer(authenticator(ec_key, keys=Keys(key.record)), key.text)) == "token-expired"


def test_last_use_is_kept_to_the_minute(ec_key: Signer) -> None:
    """A busy key is no write a request."""
    key = minted()
    keys = Keys(replace(key.record, last_used_at=NOW - USED_RESOLUTION + 1))
    answer(authenticator(ec_key, keys=keys), key.text)

    assert keys.used == []
    keys.records[key.record.id] = replace(key.record, last_used_at=NOW - USED_RESOLUTION)
    answer(authenticator(ec_key, keys=keys), key.text)
    assert keys.used[0] == (key.record.id, NOW)


def test_no_secret_is_kept_or_shown() -> None:
    """The record has a hash of all of the key, and nothing prints either."""
    key = minted()
    secret = key.text[21:]

    assert key.record.digest == digest_of(key.text)
    assert secret not in repr(key)
    assert key.record.digest not in repr(key.record)
    assert secret not in repr(credential([("x-api-key", key.text)]))


def test_keys_are_made_of_enough_randomness() -> None:
    """80 bits of id, 256 of secret."""
    asked: list[int] = []

    def random(size: int) -> bytes:
        asked.append(size)
        return b"\xff" * size

    assert len(minted(random=random).text) == 4 + 16 + 1 + 43 + 6
    assert asked == [10, 32]

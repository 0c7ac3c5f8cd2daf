"""A published document: believed whole and in its own place and time, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.apikeys import mint_api_key
from gateway.identity.source import JwksSource
from gateway.identity.testing import ec_signer
from gateway.policy.model import IssuerRule, Policy, RateRule, TenantId
from gateway.tenants.published.contents import (
    IndexPart,
    part_content,
    part_name,
    part_of,
    public_keys,
    read_part,
    read_root,
    read_tenant,
    root_content,
    tenant_content,
)
from gateway.tenants.published.signing import (
    MAX_SKEW,
    Document,
    DocumentError,
    Ring,
    SigningPair,
    check_time,
    seal,
    unseal,
)

PAIR = SigningPair.from_bytes("k1", bytes(range(32)))
OTHER = SigningPair.from_bytes("k2", bytes(32))
RING = Ring({"k1": PAIR.public})
DOCUMENT = Document(name="tenants/acme", version=7, issued_at=1000.0, not_after=2000.0, content={"a": "ü", "b": [1]})
SEALED = seal(DOCUMENT, PAIR)


def test_what_was_sealed_is_read_again() -> None:
    """Nothing is lost on the way."""
    assert unseal(SEALED, "tenants/acme", RING) == DOCUMENT


def test_sealing_is_deterministic() -> None:
    """The same document is the same bytes (RFC 8032: Ed25519 draws nothing)."""
    assert seal(DOCUMENT, PAIR) == SEALED


@given(place=st.integers(0, len(SEALED) - 1), bits=st.integers(1, 255))
def test_any_changed_byte_is_refused(place: int, bits: int) -> None:
    """In the key's id, in the signature, in the separators and in the payload."""
    changed = bytearray(SEALED)
    changed[place] ^= bits

    with pytest.raises(DocumentError):
        unseal(bytes(changed), "tenants/acme", RING)


@given(garbage=st.binary(max_size=200) | st.binary(max_size=60).map(SEALED[:91].__add__))
def test_garbage_is_refused_and_nothing_else_is_raised(garbage: bytes) -> None:
    """Also behind a head that looks right."""
    with pytest.raises(DocumentError):
        unseal(garbage, "tenants/acme", RING)


@given(cut=st.integers(0, len(SEALED) - 1))
def test_a_part_of_a_document_is_refused(cut: int) -> None:
    """And so is one with more behind it."""
    for data in (SEALED[:cut], SEALED + SEALED[:cut] + b"\n"):
        with pytest.raises(DocumentError):
            unseal(data, "tenants/acme", RING)


def test_a_document_of_another_name_is_refused() -> None:
    """One tenant's document under another's name opens nothing."""
    with pytest.raises(DocumentError, match="another document"):
        unseal(SEALED, "tenants/globex", RING)


def test_a_document_of_another_key_is_refused() -> None:
    """Also where it takes the id of a key that is believed."""
    forged = SigningPair("k1", OTHER.private)
    for data in (seal(DOCUMENT, OTHER), seal(DOCUMENT, forged)):
        with pytest.raises(DocumentError):
            unseal(data, "tenants/acme", RING)


def test_a_signature_for_something_else_is_none() -> None:
    """The bare payload, signed by the right key without the prefix, is no document."""
    import base64

    payload = SEALED.partition(b"\n")[2]
    signature = base64.urlsafe_b64encode(PAIR.private.sign(payload)).rstrip(b"=")

    with pytest.raises(DocumentError, match="signature"):
        unseal(b"k1." + signature + b"\n" + payload, "tenants/acme", RING)


def test_a_ring_believes_the_old_key_and_the_new_one() -> None:
    """That is how a key is replaced."""
    ring = Ring({"k1": PAIR.public, "k2": OTHER.public})

    assert unseal(seal(DOCUMENT, OTHER), "tenants/acme", ring) == unseal(SEALED, "tenants/acme", ring)


@pytest.mark.parametrize(
    ("now", "believed"),
    [(1000.0 - MAX_SKEW - 1, False), (1000.0 - MAX_SKEW, True), (1999.9, True), (2000.0, False), (5600.0, False)],
)
def test_a_document_has_its_time(now: float, believed: bool) -> None:
    """Not after its end, and not by a clock that is so far behind that it would believe old tokens, too."""
    if believed:
        check_time(DOCUMENT, now)
        return
    with pytest.raises(DocumentError):
        check_time(DOCUMENT, now)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"policy": None},
        {"policy": 1, "policy_version": 1, "keys": [], "api_keys": []},
        {"policy": {"version": 2, "tenant": "acme"}, "policy_version": 1, "keys": [], "api_keys": []},
        {"policy": {"version": 1, "tenant": "globex"}, "policy_version": 1, "keys": [], "api_keys": []},
        {"policy": None, "policy_version": 1, "keys": [1], "api_keys": []},
        {"policy": None, "policy_version": 1, "keys": [{"issuer": "i", "keys": 5}], "api_keys": []},
        {"policy": None, "policy_version": 1, "keys": [], "api_keys": [{"id": "a"}]},
        {"policy": None, "policy_version": 1, "keys": [], "api_keys": [{"id": "a", "digest": "b", "scopes": [1]}]},
    ],
)
def test_a_signed_document_that_is_none_of_a_tenant_s_is_refused(content: dict[str, object]) -> None:
    """A newer version of the format, or a slip of the publisher's, is no policy."""
    with pytest.raises(DocumentError):
        read_tenant(content, "acme")


def test_a_tenant_is_read_as_it_was_written() -> None:
    """Policy, issuers' keys and API keys; webhooks stay where they are called from."""
    pair = ec_signer("a")
    rule = IssuerRule(issuer="https://id.example", audience=("gw",))
    policy = Policy(
        tenant=TenantId("acme"),
        types={"image/*": (".png",)},
        rate=RateRule(per_second=2.5, burst=3),
        issuers=(rule,),
        webhooks=("https://hook.example/secret",),
    )
    key = mint_api_key(tenant="acme", name="camera", scopes=("files:write",), now=1.0, expires_at=9.5, name_prefix="c/")
    source = JwksSource("https://id.example", None)

    content = tenant_content(policy, 4, {source: public_keys([{**pair.jwk, "x5c": ["…"]}])}, [key.record])
    read = read_tenant(content, "acme")

    assert read.policy is not None
    assert read.policy.webhooks == ()
    assert (read.policy.types, read.policy.rate, read.policy.issuers) == (policy.types, policy.rate, policy.issuers)
    keys = read.keys[source]
    assert keys is not None
    assert list(keys.keys) == ["a"]
    record = read.api_keys[key.record.id]
    assert (record.tenant, record.digest, record.expires_at, record.name_prefix) == (
        "acme",
        key.record.digest,
        9.5,
        "c/",
    )
    assert "x5c" not in str(content)
    assert "secret" not in str(content)


def test_the_index_and_the_root_are_read_as_they_were_written() -> None:
    """Names, and nothing that grants anything."""
    part = IndexPart(issuers={"https://i": ("a", "b")}, api_keys={"k": "a"}, tenants=("a", "b"))
    rule = IssuerRule(issuer="https://s", kind="cognito", client_ids=("c",), tenant_claim="t")

    root = read_root(root_content([rule], {}, 4))

    assert read_part(part_content(part)) == part
    assert (root.issuers, root.parts) == ((rule,), 4)
    assert list(root.keys.values()) == [None]


@given(text=st.text(max_size=20), parts=st.integers(1, 64))
def test_every_name_has_a_part(text: str, parts: int) -> None:
    """Whatever it is made of."""
    assert 0 <= part_of(text, parts) < parts
    assert part_name(part_of(text, parts), parts).startswith("index/")

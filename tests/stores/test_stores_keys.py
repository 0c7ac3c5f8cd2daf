"""The contract of `ApiKeyStore`, through the authenticator's own check."""

import pytest

from gateway.identity.apikeys import ApiKeyRecord, MintedApiKey, mint_api_key, verify_api_key
from gateway.identity.errors import JwtInvalidSignatureError
from gateway.tenants.key_uses import KeyUses
from gateway.tenants.stores import Stores

NOW = 1_800_000_000.0


def _minted(tenant: str = "acme", **members: float | str) -> MintedApiKey:
    return mint_api_key(tenant=tenant, name="printer", scopes=("files:write", "x"), now=NOW, **members)  # type: ignore[arg-type]


def test_a_kept_key_comes_back_whole(stores: Stores) -> None:
    """With and without what is optional."""
    for minted in (_minted(), _minted(expires_at=NOW + 60, name_prefix="in/")):
        assert stores.keys.create(minted.record)
        assert stores.keys.api_key(minted.record.id) == minted.record


def test_an_id_is_taken_once(stores: Stores) -> None:
    """The first keeper's record stays."""
    minted = _minted()
    stores.keys.create(minted.record)
    assert not stores.keys.create(_other(minted.record))
    assert stores.keys.api_key(minted.record.id) == minted.record


def _other(record: ApiKeyRecord) -> ApiKeyRecord:
    return ApiKeyRecord(id=record.id, tenant="globex", name="x", digest="0" * 64, scopes=(), created_at=NOW)


def test_keys_are_listed_by_tenant(stores: Stores) -> None:
    """Each tenant's own, by id."""
    minted = [_minted() for _ in range(3)]
    for each in (*minted, _minted("globex")):
        stores.keys.create(each.record)
    assert stores.keys.list("acme") == tuple(sorted((each.record for each in minted), key=lambda record: record.id))
    assert stores.keys.list("nobody") == ()


def test_a_revoked_key_is_not_known(stores: Stores) -> None:
    """At once, and only its own tenant can revoke it."""
    minted = _minted()
    stores.keys.create(minted.record)
    assert not stores.keys.revoke("globex", minted.record.id)
    assert verify_api_key(minted.text, stores.keys, NOW).tenant == "acme"
    assert stores.keys.revoke("acme", minted.record.id)
    assert not stores.keys.revoke("acme", minted.record.id)
    assert stores.keys.list("acme") == ()
    with pytest.raises(JwtInvalidSignatureError):
        verify_api_key(minted.text, stores.keys, NOW)


def test_the_last_use_is_kept_to_the_minute(stores: Stores) -> None:
    """A later use within a minute is no write; an earlier one never counts."""
    minted = _minted()
    stores.keys.create(minted.record)
    kept = []
    for at in (NOW, NOW + 59, NOW + 60, NOW + 30):
        stores.keys.api_key_used(minted.record.id, at)
        record = stores.keys.api_key(minted.record.id)
        kept.append(record and record.last_used_at)
    assert kept == [NOW, NOW, NOW + 60, NOW + 60]


def test_using_a_key_that_is_gone_makes_none(stores: Stores) -> None:
    """A use that is reported late does not bring a revoked key back."""
    stores.keys.api_key_used("gone", NOW)
    assert stores.keys.api_key("gone") is None


def test_uses_are_noted_at_once_and_written_together(stores: Stores) -> None:
    """The last one of each key; the record says it when the batch is written."""
    minted = [mint_api_key(tenant="acme", name="k", scopes=(), now=NOW) for _ in range(3)]
    for each in minted:
        stores.keys.create(each.record)
    uses = KeyUses(stores.keys)
    for at in (NOW + 100, NOW + 200):
        for each in minted[:2]:
            uses.api_key_used(each.record.id, at)
    before = [record.last_used_at for record in stores.keys.list("acme")]

    assert uses.keep() == 2
    assert uses.keep() == 0
    assert before == [None] * 3
    found = {record.id: record.last_used_at for record in stores.keys.list("acme")}
    assert [found[each.record.id] for each in minted] == [NOW + 200, NOW + 200, None]

"""The contract of `UploadStore`."""

from dataclasses import replace

import pytest

from gateway.tenants.errors import CursorError
from gateway.tenants.stores import Stores
from gateway.tenants.uploads import UnfinishedUpload

NOW = 1_800_000_000.0


def _upload(number: int = 1, *, owner: str = "ann", tenant: str = "acme", lives: float = 60) -> UnfinishedUpload:
    return UnfinishedUpload(
        tenant=tenant,
        owner=owner,
        id=f"{number:04d}",
        sealed="s" * 2048,
        name="\u00fc.mp4",
        key=f"{tenant}/\u00fc.mp4",
        strategy="multipart",
        size=5,
        state="open",
        created_at=NOW,
        expires_at=NOW + lives,
    )


def test_an_upload_comes_back_whole_in_its_last_state(stores: Stores) -> None:
    """Also one of unknown size."""
    upload = replace(_upload(), size=None)
    stores.uploads.record(upload)
    stores.uploads.record(replace(upload, state="aborted"))
    assert stores.uploads.get("acme", "ann", "0001") == replace(upload, state="aborted")


@pytest.mark.parametrize("name", [("globex", "ann", "0001"), ("acme", "bob", "0001"), ("acme", "ann", "0002")])
def test_an_upload_is_found_by_all_of_its_name_only(stores: Stores, name: tuple[str, str, str]) -> None:
    """Another tenant or owner has none of this id, and can't remove it."""
    stores.uploads.record(_upload())
    assert stores.uploads.get(*name) is None
    assert not stores.uploads.remove(*name)


def test_a_removed_upload_is_gone(stores: Stores) -> None:
    """Once."""
    stores.uploads.record(_upload())
    assert [stores.uploads.remove("acme", "ann", "0001") for _ in range(2)] == [True, False]
    assert stores.uploads.get("acme", "ann", "0001") is None


def _listed(stores: Stores, owner: str | None, limit: int) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    cursor: str | None = None
    while True:
        page = stores.uploads.list("acme", owner=owner, now=NOW, limit=limit, cursor=cursor)
        seen += [(each.owner, each.id) for each in page.items]
        cursor = page.cursor
        if cursor is None:
            return seen


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_each_upload_of_an_owner_is_listed_once(stores: Stores, limit: int) -> None:
    """In order, over pages of any size; of everybody in the tenant where no owner is asked for."""
    for each in (_upload(3), _upload(1), _upload(2, owner="bob"), _upload(4), _upload(5, tenant="globex")):
        stores.uploads.record(each)
    assert _listed(stores, "ann", limit) == [("ann", "0001"), ("ann", "0003"), ("ann", "0004")]
    assert _listed(stores, "an", limit) == []
    assert _listed(stores, None, limit) == [("ann", "0001"), ("ann", "0003"), ("ann", "0004"), ("bob", "0002")]


@pytest.mark.parametrize("cursor", ["nonsense", "~", "0001"])
def test_a_cursor_of_no_page_is_said_to_be(stores: Stores, cursor: str) -> None:
    """An error with a name."""
    with pytest.raises(CursorError):
        stores.uploads.list("acme", owner="ann", now=NOW, limit=1, cursor=cursor)


def test_anothers_cursor_shows_nothing_of_others(stores: Stores) -> None:
    """Whatever place a cursor names, the listing stays within the owner's."""
    for each in (_upload(1, owner="ann"), _upload(2, owner="bob"), _upload(3, owner="zoe")):
        stores.uploads.record(each)
    for cursor in ("ann#0", "zoe#0", "#", "~#~"):
        page = stores.uploads.list("acme", owner="bob", now=NOW, limit=9, cursor=cursor)
        assert {each.owner for each in page.items} <= {"bob"}


def test_expired_uploads_are_not_listed_and_wait_for_their_sweep(stores: Stores) -> None:
    """Earliest first, of all tenants, until they are removed."""
    uploads = [_upload(1, lives=-2), _upload(2, lives=-3, tenant="globex"), _upload(3), _upload(4, lives=0)]
    for each in uploads:
        stores.uploads.record(each)
    assert _listed(stores, "ann", 10) == [("ann", "0003")]
    assert [each.id for each in stores.uploads.expired(NOW, limit=10)] == ["0002", "0001", "0004"]
    stores.uploads.remove("globex", "ann", "0002")
    assert [each.id for each in stores.uploads.expired(NOW, limit=1)] == ["0001"]

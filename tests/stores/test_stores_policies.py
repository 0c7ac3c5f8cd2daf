"""The contract of `PolicyStore`: changes against the present state only, every accepted one in the history."""

import threading
from typing import Any

import pytest

from gateway.tenants.errors import CursorError
from gateway.tenants.policies import Change, Conflict, PolicyVersion
from gateway.tenants.stores import Stores
from tests.stores.places import Place

ISSUER = "https://id.example.com"


def _change(at: float = 1.5, reason: str = "because") -> Change:
    return Change(at=at, by="https://ops.example#ann", reason=reason)


def _document(tenant: str = "acme", **members: Any) -> dict[str, Any]:
    return {"version": 1, "tenant": tenant, **members}


def _made(answer: PolicyVersion | Conflict) -> PolicyVersion:
    assert isinstance(answer, PolicyVersion)
    return answer


def test_a_tenant_that_was_never_made_is_not_there(stores: Stores) -> None:
    """Nothing is in force, nothing is in the history, and a change of it conflicts with nothing."""
    assert stores.policies.get("acme") is None
    assert stores.policies.history("acme", limit=10).items == ()
    assert stores.policies.version("acme", 1) is None
    assert stores.policies.replace("acme", "1-0", _document(), _change()) == Conflict(current=None)
    assert stores.policies.delete("acme", "1-0", _change()) == Conflict(current=None)


def test_a_created_policy_is_in_force_and_says_who_made_it(stores: Stores) -> None:
    """What was given comes back, text in any language and huge numbers included."""
    document = _document(size={"max": 53_687_091_200_000}, names={"pattern": "[\u00e9\U0001f600]+"})
    made = _made(stores.policies.create("acme", document, _change()))
    assert stores.policies.get("acme") == made
    assert (made.version, made.at, made.by, made.reason) == (1, 1.5, "https://ops.example#ann", "because")
    assert made.document == document


def test_creating_twice_conflicts_with_the_first(stores: Stores) -> None:
    """The second learns what is there, and changes nothing."""
    first = _made(stores.policies.create("acme", _document(), _change()))
    assert stores.policies.create("acme", _document(status="suspended"), _change()) == Conflict(current=first)
    assert stores.policies.get("acme") == first


def test_replacing_needs_the_present_etag(stores: Stores) -> None:
    """An etag is good for one change, even when the content comes back to what it was."""
    first = _made(stores.policies.create("acme", _document(), _change()))
    second = _made(stores.policies.replace("acme", first.etag, _document(status="suspended"), _change()))
    third = _made(stores.policies.replace("acme", second.etag, _document(), _change()))
    assert stores.policies.replace("acme", first.etag, _document(), _change()) == Conflict(current=third)
    assert len({first.etag, second.etag, third.etag}) == 3
    assert [each.version for each in (first, second, third)] == [1, 2, 3]


def test_a_deleted_tenant_is_gone_and_its_history_stays(stores: Stores) -> None:
    """Versions go on when it is made again; the old etags stay dead."""
    first = _made(stores.policies.create("acme", _document(), _change()))
    gone = _made(stores.policies.delete("acme", first.etag, _change(2.0, "left")))
    assert stores.policies.get("acme") is None
    assert stores.policies.list(limit=10).items == ()
    assert stores.policies.delete("acme", gone.etag, _change()) == Conflict(current=None)
    again = _made(stores.policies.create("acme", _document(), _change()))
    assert again.version == 3
    assert [each.text is None for each in stores.policies.history("acme", limit=10).items] == [False, True, False]
    assert isinstance(stores.policies.replace("acme", first.etag, _document(), _change()), Conflict)


def test_history_is_newest_first_and_comes_in_pages(stores: Stores) -> None:
    """Every version once, over pages of any size."""
    last = _made(stores.policies.create("acme", _document(), _change()))
    for number in range(2, 8):
        last = _made(stores.policies.replace("acme", last.etag, _document(url_lifetime=60 + number), _change()))
    seen: list[int] = []
    cursor: str | None = None
    while True:
        page = stores.policies.history("acme", limit=3, cursor=cursor)
        seen += [each.version for each in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    assert stores.policies.version("acme", 7) == last


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 40, "\u0663"])
def test_a_cursor_that_is_none_is_said_to_be(stores: Stores, cursor: str) -> None:
    """A stranger's cursor is an error with a name."""
    with pytest.raises(CursorError):
        stores.policies.history("acme", limit=3, cursor=cursor)


@pytest.mark.parametrize("number", [-1, 0, 2, 2**70])
def test_a_version_that_is_none_is_not_found(stores: Stores, number: int) -> None:
    """Whatever number is asked for."""
    stores.policies.create("acme", _document(), _change())
    assert stores.policies.version("acme", number) is None


def test_tenants_are_listed_by_id_in_pages(stores: Stores) -> None:
    """Each once, with its document."""
    names = [f"tenant-{number:02d}" for number in range(7)]
    for name in reversed(names):
        stores.policies.create(name, _document(name), _change())
    first = stores.policies.list(limit=5)
    second = stores.policies.list(limit=5, cursor=first.cursor)
    assert [each.tenant for each in (*first.items, *second.items)] == names
    assert first.items[0].document == _document("tenant-00")
    assert second.cursor is None


def test_a_full_last_page_has_no_next(stores: Stores) -> None:
    """A cursor promises at least one more."""
    for name in ("a", "b"):
        stores.policies.create(name, _document(name), _change())
    assert stores.policies.list(limit=2).cursor is None


def test_believers_follow_the_documents_in_force(stores: Stores) -> None:
    """An issuer is found while a document names it."""
    issuers = {"issuers": [{"issuer": ISSUER}, {"issuer": "https://other.example.com"}]}
    first = _made(stores.policies.create("globex", _document("globex", **issuers), _change()))
    stores.policies.create("acme", _document(issuers=[{"issuer": ISSUER}]), _change())
    assert stores.policies.believers(ISSUER) == ("acme", "globex")
    stores.policies.replace("globex", first.etag, _document("globex"), _change())
    assert stores.policies.believers(ISSUER) == ("acme",)
    assert stores.policies.believers("https://other.example.com") == ()


def test_every_believer_is_found_however_many(stores: Stores) -> None:
    """Also those beyond one page of the store's."""
    names = [f"tenant-{number:03d}" for number in range(105)]
    for name in names:
        stores.policies.create(name, _document(name, issuers=[{"issuer": ISSUER}]), _change())
    assert stores.policies.believers(ISSUER) == tuple(names)


def test_of_many_changes_at_once_every_accepted_one_is_in_the_history(place: Place) -> None:
    """Each of 100 writers repeats until its change is accepted: 100 versions, and none lost."""
    made = place.open().policies.create("acme", _document(), _change())
    assert isinstance(made, PolicyVersion)
    accepted: list[PolicyVersion] = []

    def change(numbers: range) -> None:
        policies = place.open().policies
        for number in numbers:
            while True:
                current = policies.get("acme")
                assert current is not None
                answer = policies.replace("acme", current.etag, _document(), _change(reason=str(number)))
                if isinstance(answer, PolicyVersion):
                    accepted.append(answer)
                    break

    threads = [threading.Thread(target=change, args=(range(start, start + 10),)) for start in range(0, 100, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = place.open().policies.history("acme", limit=100)
    oldest = place.open().policies.history("acme", limit=100, cursor=history.cursor)
    kept = [*history.items, *oldest.items]
    assert sorted(each.reason for each in kept[:-1]) == sorted(str(number) for number in range(100))
    assert sorted(kept[:-1], key=lambda each: each.version) == sorted(accepted, key=lambda each: each.version)
    assert [each.version for each in kept] == list(range(101, 0, -1))

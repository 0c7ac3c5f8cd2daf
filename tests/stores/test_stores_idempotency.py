"""The contract of `IdempotencyStore`."""

import threading

from gateway.tenants.idempotency import LEASE, LIFE, Answered, BeingWorkedOn, Claim, Claimed, OtherRequest
from gateway.tenants.stores import Stores
from tests.stores.places import Place

NOW = 1_800_000_000.0


def _claim(
    stores: Stores, token: str, *, at: float = 0, digest: str = "d", scope: str = "acme", key: str = "k"
) -> Claim:
    return stores.idempotency.claim(scope, key, digest=digest, token=token, now=NOW + at)


def test_the_same_request_gets_the_same_answer_for_a_day(stores: Stores) -> None:
    """Then the key is free again, for another request too."""
    assert _claim(stores, "1") == Claimed(token="1")
    assert stores.idempotency.answer("acme", "k", token="1", answer=b"\x00answer")
    assert _claim(stores, "2", at=LIFE - 1) == Answered(answer=b"\x00answer")
    assert _claim(stores, "3", at=LIFE, digest="other") == Claimed(token="3")
    assert _claim(stores, "4", at=LIFE + 1, digest="other") == BeingWorkedOn(until=NOW + LIFE + LEASE)


def test_another_request_with_the_key_is_told(stores: Stores) -> None:
    """Before there is an answer, after it, and when the first worker died."""
    _claim(stores, "1")
    told = [_claim(stores, "2", digest="other"), _claim(stores, "2", digest="other", at=LEASE + 1)]
    stores.idempotency.answer("acme", "k", token="1", answer=b"")
    told.append(_claim(stores, "2", digest="other"))
    assert told == [OtherRequest()] * 3
    assert _claim(stores, "2") == Answered(answer=b"")


def test_a_claim_that_is_never_answered_can_be_made_again(stores: Stores) -> None:
    """After its lease; the first worker's answer is then not taken."""
    _claim(stores, "1")
    assert _claim(stores, "2", at=LEASE - 1) == BeingWorkedOn(until=NOW + LEASE)
    assert _claim(stores, "3", at=LEASE) == Claimed(token="3")
    assert not stores.idempotency.answer("acme", "k", token="1", answer=b"late")
    assert stores.idempotency.answer("acme", "k", token="3", answer=b"in time")
    assert not stores.idempotency.answer("acme", "k", token="3", answer=b"twice")
    assert _claim(stores, "4") == Answered(answer=b"in time")


def test_a_claim_can_be_given_back_by_its_owner(stores: Stores) -> None:
    """Unless it was answered."""
    _claim(stores, "1")
    stores.idempotency.forget("acme", "k", token="2")
    assert isinstance(_claim(stores, "2"), BeingWorkedOn)
    stores.idempotency.forget("acme", "k", token="1")
    assert _claim(stores, "3", digest="other") == Claimed(token="3")
    stores.idempotency.answer("acme", "k", token="3", answer=b"x")
    stores.idempotency.forget("acme", "k", token="3")
    assert _claim(stores, "4", digest="other") == Answered(answer=b"x")


def test_scopes_do_not_share_keys(stores: Stores) -> None:
    """Nor do scope and key run into each other, at any length."""
    for number, (scope, key) in enumerate((("a", "bc"), ("ab", "c"), ("a", "b" * 5000), ("#", "#"), ("", "##"))):
        assert _claim(stores, str(number), scope=scope, key=key) == Claimed(token=str(number))


def test_of_many_claims_at_once_one_is_taken(place: Place) -> None:
    """All others learn that it is being worked on."""
    answers: list[Claim] = []
    stores = place.open()

    def claim(token: str) -> None:
        answers.append(_claim(stores, token))

    threads = [threading.Thread(target=claim, args=(str(number),)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(answer).__name__ for answer in answers) == ["BeingWorkedOn"] * 15 + ["Claimed"]

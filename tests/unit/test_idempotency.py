"""`Idempotency-Key`: the same request twice is one plan; on a real SQLite store."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.policy.model import Principal
from gateway.policy.problems import Code, Refusal
from gateway.tenants.stores import open_sqlite
from presigner.idempotency import Replays, Work, idempotency_key, scope_of

Result = TypeVar("Result")

ALICE = Principal(tenant="acme", issuer="https://issuer", subject="alice", scopes=frozenset())
BOB = Principal(tenant="acme", issuer="https://issuer", subject="bob", scopes=frozenset())
DAY = 86_400.0


async def at_once(call: Callable[[], Result]) -> Result:
    """An `Aside` that waits for nobody."""
    return call()


class Situation:
    """A store, a clock that the test moves, and work that counts how often it was done."""

    def __init__(self, place: Path) -> None:
        self.now = 1_795_000_000.0
        self.made = itertools.count()
        self.replays = Replays(
            store=open_sqlite(place / "gateway.sqlite").idempotency,
            aside=at_once,
            clock=lambda: self.now,
            new_token=map(str, itertools.count()).__next__,
        )

    def ask(
        self, key: str, who: Principal = ALICE, work: Work | None = None, **request: Any
    ) -> dict[str, Any] | Refusal:
        """The answer to one request."""
        return asyncio.run(self.replays.once(scope_of(who), key, request or {"name": "a"}, work or self.plan))

    async def plan(self) -> dict[str, Any]:
        """A plan that is another each time."""
        return {"id": next(self.made)}


@pytest.fixture
def situation(tmp_path: Path) -> Situation:
    return Situation(tmp_path)


def test_the_same_request_gets_the_same_answer(situation: Situation) -> None:
    """The second is not planned again, whatever order its members have."""
    first = situation.ask("k", name="a", size=1)

    assert situation.ask("k", size=1, name="a") == first == {"id": 0}


def test_another_request_under_the_key_is_a_conflict(situation: Situation) -> None:
    """A client that mixes up its keys is told so."""
    situation.ask("k", name="a")

    outcome = situation.ask("k", name="b")

    assert isinstance(outcome, Refusal)
    assert outcome.code is Code.IDEMPOTENCY_CONFLICT


def test_keys_belong_to_whoever_sent_them(situation: Situation) -> None:
    """Nobody gets another's plan by guessing a key."""
    assert situation.ask("k", who=ALICE) != situation.ask("k", who=BOB)


def test_a_key_is_forgotten_after_a_day(situation: Situation) -> None:
    """The same key then makes a new plan."""
    first = situation.ask("k")
    situation.now += DAY + 1

    assert situation.ask("k") != first


def test_a_refusal_is_not_remembered(situation: Situation) -> None:
    """What was refused for a quota may be planned when there is room."""

    async def refused() -> Refusal:
        return Refusal(code=Code.QUOTA_EXCEEDED, detail="full")

    assert isinstance(situation.ask("k", work=refused), Refusal)
    assert situation.ask("k") == {"id": 0}


def test_work_that_fails_gives_the_key_back(situation: Situation) -> None:
    """A defect of ours does not use up a client's key."""

    async def fails() -> Refusal:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        situation.ask("k", work=fails)

    assert situation.ask("k") == {"id": 0}


def test_two_at_once_are_one(situation: Situation) -> None:
    """The second of two is told to ask again, and then gets the first one's answer."""
    during: list[dict[str, Any] | Refusal] = []

    async def work() -> dict[str, Any]:
        during.append(await situation.replays.once(scope_of(ALICE), "k", {"name": "a"}, situation.plan))
        return await situation.plan()

    first = situation.ask("k", work=work)

    assert [each.retry_after for each in during if isinstance(each, Refusal)] == [1]
    assert situation.ask("k") == first


@pytest.mark.parametrize("values", [["a", "b"], [""], ["a b"], ["é"], ["x" * 256]])
def test_a_malformed_key_is_refused(values: list[str]) -> None:
    """With a pointer at the header."""
    outcome = idempotency_key(tuple(("Idempotency-Key", value) for value in values))

    assert isinstance(outcome, Refusal)
    assert outcome.errors[0].pointer == "/headers/idempotency-key"


def test_a_request_without_a_key_has_none() -> None:
    """Most don't."""
    assert idempotency_key((("content-type", "a"),)) is None

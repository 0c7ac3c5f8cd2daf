"""An application that is asked directly: whole answers, bodies that are pulled, and what becomes of its defects."""

from typing import Any

import pytest

from gateway.asgi.direct import Answer, Call
from gateway.asgi.wire import Reply

PUT = b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n%b\r\n"


class Application:
    """Answers every path with one function; nothing of it is for ASGI."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def direct(self, raw_path: bytes) -> Answer:
        """The function."""
        del raw_path
        return self._answer

    async def __call__(self, *_: object) -> None:
        """Never asked so."""
        raise AssertionError


async def early(call: Call) -> Reply:
    """Refuse without a look at the body."""
    call.told.append((b"x-told", b"yes"))
    return Reply(status=403, headers=(("x-request-id", call.request_id),), body=b"no")


async def looks(call: Call) -> Reply:
    """Look at the beginning of the body, then read all of it."""
    first = await call.body.held(2)
    whole = b"".join([piece async for piece in call.body])
    return Reply(status=200, body=first[:2] + b"|" + whole)


def test_a_refusal_before_the_body_closes_where_the_client_waits_for_it(start: Any) -> None:
    """A client that expects 100 Continue is never told to send, and its connection ends."""
    answer = start(Application(early)).exchange(PUT % b"Expect: 100-continue\r\n")
    assert (answer.status, answer.body, answer.closes) == (403, b"no", True)


def test_a_body_is_whole_whatever_was_looked_at(start: Any) -> None:
    """What was held back stays the body's first piece, also where the client waited for 100 Continue."""
    with start(Application(looks)).wire() as wire:
        wire.send(PUT % b"" + b"hello" + PUT % b"" + b"he")
        assert wire.answer().body == b"he|hello"
        wire.send(b"llo" + PUT % b"Expect: 100-continue\r\n")
        assert wire.answer().body == b"he|hello"
        wire.send(b"hello")
        assert wire.answer().body == b"he|hello"


def test_a_client_that_goes_away_ends_the_call(start: Any) -> None:
    """The application is told by the body's own error, and nobody is answered."""
    ended: list[type[BaseException]] = []

    async def reads(call: Call) -> Reply | None:
        try:
            await call.body.held(5)
        except Exception as error:
            ended.append(type(error))
            raise
        return Reply(status=200)

    front = start(Application(reads))
    with front.wire() as wire:
        wire.send(PUT % b"" + b"he")
        wire.end()
        assert wire.answer() is None
    assert [each.__name__ for each in ended] == ["BodyAbortedError"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=200, headers=(("x", "a\r\nb: c"),)),
        Reply(status=200, headers=(("x y", "a"),)),
        Reply(status=200, headers=(("", "a"),)),
        Reply(status=200, headers=(("content-length", "3"),)),
        Reply(status=200, headers=(("connection", "close"),)),
        Reply(status=99),
        None,
    ],
)
def test_an_answer_that_cannot_be_sent_is_a_500_with_what_belongs_to_any_answer(start: Any, reply: Any) -> None:
    """Nothing of it is on the wire; the front answers in its place, with what it was told to say."""

    async def answers(call: Call) -> Reply | None:
        call.told.append((b"x-told", b"yes"))
        made: Reply | None = reply
        return made

    answer = start(Application(answers)).exchange(PUT % b"" + b"hello")
    assert (answer.status, answer.code, answer.closes) == (500, "internal", True)
    assert answer.header("x-told") == "yes"


def test_bodies_that_must_not_be_are_not_sent(start: Any) -> None:
    """The answer to HEAD has a length and no body, a 204 neither."""

    async def answers(call: Call) -> Reply:
        return Reply(status=204) if call.raw.method == "DELETE" else Reply(status=200, body=b"hello")

    with start(Application(answers)).wire() as wire:
        wire.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = wire.answer(head_only=True)
        assert (answer.header("content-length"), answer.header("date") is not None) == ("5", True)
        wire.send(b"DELETE / HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = wire.answer()
        assert (answer.status, answer.header("content-length")) == (204, None)
        wire.send(b"GET / HTTP/1.0\r\nHost: h\r\n\r\n")
        assert (wire.answer().body, wire.rest()) == (b"hello", b"")

"""The malformed-request corpus over raw sockets: one verdict each, and never a request out of a body.

`corpus.json` is a list of `{name, source, raw, status, code, closes, served, fin?}`. `raw` is a list of strings (one
character a byte) and of `{"repeat", "times"}`. `status` lists the statuses of all answers in order (empty: the
connection ends without one), `code` is the last one's problem, `served` the raw paths of the requests whose end the
application sees. With `fin` the client closes its side after it.
"""

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

CORPUS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "corpus.json").read_text("ascii"))
CANARY = b"GET /canary HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
SMALL = 400


def raw_of(entry: dict[str, Any]) -> bytes:
    """The bytes of an entry."""
    parts = (part if isinstance(part, str) else part["repeat"] * part["times"] for part in entry["raw"])
    return "".join(parts).encode("latin-1")


def check(front: Any, entry: dict[str, Any], pieces: list[bytes]) -> None:
    """Send the pieces, each read by the server before the next, and hold everything that happens against the entry."""
    already = len(front.recorder.seen)
    answers: list[Any] = []
    with front.wire() as wire:
        for piece in pieces:
            wire.send(piece)
            if len(pieces) > 1:
                front.turn()
        if entry.get("fin"):
            wire.end()
        elif not entry["closes"]:
            wire.send(CANARY)
        head_only = entry["raw"][0].startswith("HEAD ") if isinstance(entry["raw"][0], str) else False
        while (answer := wire.answer(head_only=head_only and not answers)) is not None:
            answers.append(answer)
    front.turn()
    seen = [request.path for request in front.recorder.seen[already:] if request.body is not None]
    if not entry["closes"]:
        assert seen.pop() == "/canary"
        assert answers.pop().status == 200

    assert [answer.status for answer in answers] == entry["status"]
    assert seen == entry["served"]
    if answers:
        assert answers[-1].code == entry["code"]
        if not entry.get("fin"):
            assert answers[-1].closes == entry["closes"]
    if entry["code"] and entry["code"] != "method-not-allowed":
        problem = json.loads(answers[-1].body)
        assert problem["instance"] == answers[-1].header("x-request-id")
        assert problem["status"] == answers[-1].status
        assert answers[-1].header("cache-control") == "no-store"


def test_corpus_is_large_and_its_names_are_unique() -> None:
    """At least 150 refused requests are in the corpus, none of them twice."""
    refused = [entry for entry in CORPUS if entry["code"] not in (None, "method-not-allowed")]

    assert len(refused) >= 150
    assert len({entry["name"] for entry in CORPUS}) == len(CORPUS)
    assert all(entry["source"] for entry in CORPUS)
    assert not [entry["name"] for entry in CORPUS if any(status >= 500 for status in entry["status"])]


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry["name"])
def test_request_gets_exactly_its_verdict(shared_front: Any, entry: dict[str, Any]) -> None:
    """Sent in one piece, a request gets the verdict that the corpus says, and the connection its end."""
    check(shared_front, entry, [raw_of(entry)])


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry["name"])
def test_request_gets_the_same_verdict_from_an_application_asked_directly(
    direct_front: Any, entry: dict[str, Any]
) -> None:
    """Whether the application is asked over ASGI or directly, a request's verdict and its connection's end are one."""
    check(direct_front, entry, [raw_of(entry)])


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry["name"])
def test_request_gets_the_same_verdict_byte_by_byte(shared_front: Any, entry: dict[str, Any]) -> None:
    """How the bytes are cut into packets changes nothing: byte by byte (a long request: in pieces of 1,000)."""
    raw = raw_of(entry)
    size = 1 if len(raw) <= SMALL else 1_000
    check(shared_front, entry, [raw[at : at + size] for at in range(0, len(raw), size)])


FRAMED = [entry for entry in CORPUS if entry["served"] and not entry["closes"] and len(raw_of(entry)) <= SMALL]


@pytest.mark.parametrize("entry", FRAMED[::8], ids=lambda entry: entry["name"])
def test_request_cut_at_every_place_is_served_the_same(shared_front: Any, entry: dict[str, Any]) -> None:
    """A well-formed request in two packets, cut at every byte, is served as in one."""
    raw = raw_of(entry)
    for cut in range(1, len(raw)):
        check(shared_front, entry, [raw[:cut], raw[cut:]])


def mutated(raw: bytes, random: Random) -> bytes:
    """`raw` with a few bytes dropped, doubled, swapped or replaced by ones that parsers stumble over."""
    data = bytearray(raw)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(data) + 1)
        match random.randrange(4):
            case 0:
                del data[at : at + random.randint(1, 4)]
            case 1:
                data[at:at] = data[at : at + random.randint(1, 20)]
            case 2:
                data[at:at] = random.choice([b"\r", b"\n", b"\r\n", b"\x00", b" ", b"\t", b":", b"\xff", b"0", b","])
            case _:
                data[at : at + 1] = bytes([random.randrange(256)])
    return bytes(data)


@pytest.mark.parametrize("seed", range(12))
def test_mutated_requests_get_a_verdict_and_never_a_5xx(shared_front: Any, seed: int) -> None:
    """Requests near those of the corpus are answered or closed: no failure, no wait, nothing after a refusal."""
    random = Random(seed)
    small = [raw for entry in CORPUS if 0 < len(raw := raw_of(entry)) <= SMALL]
    for _ in range(60):
        with shared_front.wire() as wire:
            raw = mutated(random.choice(small), random)
            wire.send(raw)
            wire.end()
            text = wire.rest()
        statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", text)]
        refused = [status for status in statuses if status not in (100, 200, 405)]
        assert set(refused) <= {400, 408, 414, 431}, raw
        assert len(refused) <= 1, raw
        assert not refused or statuses[-1] == refused[0], raw

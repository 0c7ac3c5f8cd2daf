"""The client's pure pieces: addresses, tokens, problems, patience, checksums, journals, names."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.client.address import Target, in_the_clear, target
from gateway.client.checksums import combined, decoded, encoded, updated
from gateway.client.errors import FileError, UnavailableError, UsageError
from gateway.client.journal import Journal
from gateway.client.patience import Patience
from gateway.client.problem import problem_of, shown
from gateway.client.source import Identity, opened
from gateway.client.upload import type_of

PROBLEM = {"content-type": "application/problem+json"}


@pytest.mark.parametrize(
    ("url", "gateway", "place"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", ""),
        ("https://h/", "https://h", ""),
        ("https://h/prod/", "https://h/prod", ""),
        ("https://h/uploads", "https://h", ""),
        ("https://h/uploads/", "https://h", ""),
        ("https://h/uploads/a%20b/%C3%BC%2Fc.png", "https://h", "a b/ü/c.png"),
        ("https://h/prod/uploads/uploads/x/", "https://h/prod", "uploads/x/"),
        ("http://[::1]:1/uploads/x", "http://[::1]:1", "x"),
    ],
)
def test_a_url_is_a_gateway_and_a_place(url: str, gateway: str, place: str) -> None:
    """What is before /uploads/, and what is after."""
    assert target(url) == Target(gateway=gateway, place=place)


@pytest.mark.parametrize(
    "url", ["", "host", "ftp://h", "https://", "https://u:p@h/", "https://h/?a", "https://h/#", "https://h/uploads/%ff"]
)
def test_a_url_that_cannot_be_meant_is_refused(url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError):
        target(url)


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("http://example.com", True),
        ("http://10.0.0.1", True),
        ("http://localhost.example.com", True),
        ("http://127.0.0.1.example.com", True),
        ("http://localhost:1", False),
        ("http://s3.localhost.", False),
        ("http://127.9.9.9", False),
        ("http://[::1]", False),
        ("https://example.com", False),
    ],
)
def test_who_could_read_a_token(url: str, *, clear: bool) -> None:
    """Plain HTTP leaves this machine only when it is demanded."""
    assert in_the_clear(url) is clear
    if clear:
        with pytest.raises(UsageError, match="--insecure"):
            target(url)
        assert target(url, insecure=True).gateway == url


@pytest.mark.parametrize(
    ("headers", "body", "code", "detail"),
    [
        (PROBLEM, b'{"type": "urn:upload-gateway:problem:name-invalid", "detail": "No."}', "name-invalid", "No."),
        (PROBLEM, b'{"detail": ["x"], "errors": 3}', "", "The answer is 400, and no reason."),
        (PROBLEM, b"\xff", "", "The answer is 400, and no reason."),
        (
            {},
            b"<Error><Code>AccessDenied</Code><Message>x</Message></Error>",
            "AccessDenied",
            "S3 says AccessDenied: x",
        ),
        ({}, b"<html>", "", "The answer is 400, and no reason."),
    ],
)
def test_whatever_comes_is_a_problem(headers: dict[str, str], body: bytes, code: str, detail: str) -> None:
    """The gateway's, S3's, or nobody's."""
    problem = problem_of(400, headers, body)

    assert (problem.code, problem.sentence) == (code, detail)


def test_every_fault_is_in_the_sentence() -> None:
    """With its pointer."""
    errors = [{"pointer": "/size", "detail": "too small"}, {"pointer": "", "detail": "and"}, 7]

    problem = problem_of(400, PROBLEM, json.dumps({"detail": "Bad.", "errors": errors}).encode())

    assert problem.sentence == "Bad. (/size: too small; and)"


def test_a_gateway_behind_api_gateway_says_what_it_meant() -> None:
    """`intended_status` counts."""
    assert problem_of(403, PROBLEM, b'{"intended_status": 429}').status == 429


@given(st.text())
def test_nothing_of_others_moves_the_cursor(text: str) -> None:
    """What is shown has no control character but tab and line feed."""
    assert all(each in "\t\n" or each.isprintable() or ord(each) >= 160 for each in shown(text))


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_sums_of_parts_are_the_sum_of_all(parts: list[bytes]) -> None:
    """And are read as they are written."""
    whole = updated(b"".join(parts))

    assert combined((updated(part), len(part)) for part in parts) == whole
    assert decoded(encoded(whole)) == whole


def test_patience_ends() -> None:
    """Pauses grow, are random, keep to Retry-After, and none outlasts the limit."""
    now, slept = [0.0], list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    async def wait(*retry_after: int | None) -> list[bool]:
        tries = Patience(limit=100, clock=lambda: now[0], chance=lambda: 1.0, sleep=sleep).began()
        return [await tries.again(each) for each in retry_after]

    assert asyncio.run(wait(None, None, None, 7, 200)) == [True] * 4 + [False]
    assert slept == [0.5, 1.0, 2.0, 7 + 4.0]


def test_a_journal_outlives_a_torn_line(tmp_path: Path) -> None:
    """What was written whole counts, what is added next begins a line, and no other has it meanwhile."""
    identity = Identity(1, 2, 3, 4)
    first = Journal.open(tmp_path, "https://h", "a")
    first.begin({"name": "a"}, "key", identity)
    first.answered("id", "multipart", 5)
    first.part(1, "e", 9)
    with pytest.raises(UnavailableError):
        Journal.open(tmp_path, "https://h", "a")
    first.close()
    (path,) = tmp_path.iterdir()
    with path.open("ab") as file:
        file.write(b'{"part":2,"et')

    second = Journal.open(tmp_path, "https://h", "a")
    second.part(3, "f", 8)
    second.close()
    third = Journal.open(tmp_path, "https://h", "a")

    assert third.begun is not None
    assert (third.begun.id, third.begun.identity, third.begun.parts) == ("id", identity, {1: ("e", 9), 3: ("f", 8)})
    third.forget()
    third.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"\n", b"[]\n", b"{}\n", b'{"request":1}\n', b"\xff\n", b'{"part":1}\n'])
def test_a_damaged_journal_is_none(tmp_path: Path, damage: bytes) -> None:
    """Nothing is gone on with, nothing fails."""
    Journal.open(tmp_path, "https://h", "a").close()
    journal = Journal.open(tmp_path, "https://h", "a")
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage)
    journal.close()
    path.write_bytes(damage)

    again = Journal.open(tmp_path, "https://h", "a")

    assert again.begun is None
    again.close()


def test_a_file_that_became_shorter_is_told(tmp_path: Path) -> None:
    """Instead of what is no longer there."""
    (tmp_path / "a").write_bytes(b"12345")
    source = opened(tmp_path / "a", "a")
    os.truncate(tmp_path / "a", 2)

    with pytest.raises(FileError, match="shorter"):
        asyncio.run(source.sums(0, 5))
    with pytest.raises(FileError, match="changed"):
        source.check()
    source.close()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "image/png"),
        ("a.tar.gz", "application/gzip"),
        ("a", "application/octet-stream"),
        ("x/a.TXT", "text/plain"),
    ],
)
def test_a_type_is_told_by_the_extension(name: str, kind: str) -> None:
    """What says nothing is bytes."""
    assert type_of(name) == kind

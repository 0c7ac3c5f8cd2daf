"""The contract of `AuditLog`, and of the check that finds the first broken line."""

import hashlib
import json
import threading
from dataclasses import fields
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tenants.audit import AuditRecord, Broken, Head, chained, verify
from gateway.tenants.stores import Stores
from tests.stores.places import Place

NOW = 1_800_000_000.0


def _record(number: int = 1) -> AuditRecord:
    return AuditRecord(
        at=NOW + number,
        request_id=f"request-{number}",
        action="upload",
        outcome="granted",
        tenant="acme",
        key="acme/\u00e9\n\u2028.png",
        bytes=number,
    )


def _lines(count: int) -> list[str]:
    lines, head = [], Head()
    for number in range(count):
        line, head = chained(_record(number), head)
        lines.append(line)
    return lines


def test_lines_are_canonical_json_of_what_is_known() -> None:
    """Members in order, absent ones left out, one line whatever a key holds."""
    line, head = chained(_record(), Head())
    members = json.loads(line)
    assert list(members) == [
        *["action", "at", "bytes", "key", "outcome", "prev", "request_id", "seq", "tenant", "hash"]
    ]
    assert (members["at"], members["key"]) == ("2027-01-15T08:00:01.000Z", "acme/\u00e9\n\u2028.png")
    assert line.isascii()
    assert "\n" not in line
    assert head == Head(seq=1, hash=members["hash"])


_TEXTS = st.none() | st.text(max_size=12)
_NUMBERS = st.none() | st.integers(min_value=0, max_value=2**63)


@given(
    at=st.floats(min_value=0, max_value=4e9),
    said=st.fixed_dictionaries(
        {
            **dict.fromkeys(("action", "outcome"), st.text(max_size=12)),
            **{
                field.name: _NUMBERS if field.name in {"policy_version", "bytes", "count"} else _TEXTS
                for field in fields(AuditRecord)
                if field.name not in {"at", "action", "outcome"}
            },
        }
    ),
)
def test_a_line_is_what_a_json_library_writes_of_its_members(at: float, said: dict[str, object]) -> None:
    """Whatever a record says, so that anybody can check the chain with a few lines of their own."""
    line, head = chained(AuditRecord(at=at, **said), Head(seq=6, hash="f" * 64))  # type: ignore[arg-type]
    members = json.loads(line)
    digest = members.pop("hash")
    body = json.dumps(members, sort_keys=True, separators=(",", ":"))
    assert line == f'{body[:-1]},"hash":"{digest}"}}'
    assert digest == head.hash == hashlib.sha256(body.encode()).hexdigest()
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    known = {name: value for name, value in said.items() if value is not None}
    assert members == {**known, "at": moment, "prev": "f" * 64, "seq": 7}


def test_a_record_has_no_place_for_a_credential() -> None:
    """Whoever adds a field thinks about it here."""
    assert {field.name for field in fields(AuditRecord)} == {
        *["at", "request_id", "action", "outcome", "issuer", "subject", "tenant", "backend", "key", "rule"],
        *["policy_version", "bytes", "reason", "name", "upload", "count"],
    }


def test_a_chain_that_nobody_touched_is_intact(stores: Stores) -> None:
    """Over several appends, one after the other and many at once."""
    heads = [stores.audit.append([_record(n) for n in range(count)]) for count in (1, 3, 50)]
    lines = list(stores.audit.lines())
    assert [head.seq for head in heads] == [1, 4, 54]
    assert verify(lines) == heads[-1]
    assert verify(lines, through=[heads[0]]) == heads[-1]
    assert verify(stores.audit.lines(after=4), start=heads[1], through=[heads[-1]]) == heads[-1]


def test_an_empty_append_changes_nothing(stores: Stores) -> None:
    """And says the end."""
    assert stores.audit.append([]) == Head()
    head = stores.audit.append([_record()])
    assert stores.audit.append([]) == head
    assert len(list(stores.audit.lines())) == 1


def test_chains_are_apart(stores: Stores) -> None:
    """Each begins at one and is intact by itself."""
    for chain in ("main", "instance-2", "main"):
        stores.audit.append([_record()], chain=chain)
    assert stores.audit.chains() == ("instance-2", "main")
    assert [verify(stores.audit.lines(chain=chain)) for chain in stores.audit.chains()] == [
        Head(seq=count, hash=json.loads(list(stores.audit.lines(chain=chain))[-1])["hash"])
        for chain, count in (("instance-2", 1), ("main", 2))
    ]


def test_writers_of_one_chain_write_behind_each_other(place: Place) -> None:
    """Eight at once: one chain, no line lost."""

    def write(number: int) -> None:
        audit = place.open().audit
        for _ in range(5):
            audit.append([_record(number)])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    checked = verify(place.open().audit.lines())
    assert isinstance(checked, Head)
    assert checked.seq == 40


def test_the_first_changed_line_is_told() -> None:
    """A changed byte anywhere in it."""
    lines = _lines(5)
    lines[2] = lines[2].replace('"bytes":2', '"bytes":3')
    assert verify(lines) == Broken(line=3, detail="this line was changed")


def test_a_line_that_was_made_anew_breaks_the_next() -> None:
    """Who changes a line and its hash would have to change all that follow."""
    lines = _lines(5)
    head = Head(seq=2, hash=json.loads(lines[1])["hash"])
    lines[2], _ = chained(_record(99), head)
    assert verify(lines) == Broken(line=4, detail="this line or the one before it was changed")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: lines[1:], 1),
        (lambda lines: lines[:2] + lines[3:], 3),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [*lines, lines[-1]], 6),
        (lambda lines: [*lines[:3], "", *lines[3:]], 4),
        (lambda lines: [*lines[:3], "{", *lines[3:]], 4),
        (lambda lines: [*lines[:3], "[]", *lines[3:]], 4),
        (lambda lines: ["[" * 100_000, *lines], 1),
    ],
)
def test_missing_moved_repeated_and_foreign_lines_are_told(change: "object", line: int) -> None:
    """By their number, never by an exception."""
    assert callable(change)
    checked = verify(change(_lines(5)))
    assert isinstance(checked, Broken)
    assert checked.line == line


def test_a_cut_end_shows_against_a_head_that_was_kept() -> None:
    """By itself a shorter chain is a chain."""
    lines = _lines(5)
    end = verify(lines)
    assert isinstance(end, Head)
    assert isinstance(verify(lines[:4]), Head)
    assert verify(lines[:4], through=[end]) == Broken(
        line=5, detail="the chain ends before line 5, which was kept elsewhere"
    )


def test_a_chain_that_was_written_anew_shows_against_a_head_that_was_kept() -> None:
    """Every line of it is right by itself."""
    end = verify(_lines(3))
    assert isinstance(end, Head)
    anew, head = [], Head()
    for number in (7, 8, 9, 10):
        line, head = chained(_record(number), head)
        anew.append(line)
    assert isinstance(verify(anew), Head)
    assert verify(anew, through=[end]) == Broken(
        line=3, detail="the chain does not have the hash that was kept elsewhere"
    )


@given(number=st.integers(0, 4), place=st.integers(0, 10_000), byte=st.characters(codec="ascii"))
def test_no_change_of_one_character_goes_unseen(number: int, place: int, byte: str) -> None:
    """Wherever it is."""
    lines = _lines(5)
    line = lines[number]
    at = place % len(line)
    changed = line[:at] + byte + line[at + 1 :]
    lines[number] = changed
    assert isinstance(verify(lines), Broken) == (changed != line)

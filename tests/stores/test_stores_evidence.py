"""`upload-gateway audit`: what was changed, removed, moved or cut off is told, on every store and from a file."""

import dataclasses
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.tenants.audit import MAIN, AuditRecord, Broken, Head
from gateway.tenants.evidence import BEGIN, END, File, Finding, examine
from gateway.tenants.stores import Stores
from tests.stores.places import DynamoPlace, Place, SqlitePlace

NOW = 1_800_000_000.0
COMMAND = Path(sys.executable).parent / "upload-gateway"

Change = Callable[[list[str]], list[str]]


def record(number: int = 0, **changes: object) -> AuditRecord:
    made = AuditRecord(at=NOW, request_id=f"r{number}", action="upload", outcome="granted", bytes=number)
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def where(place: Place) -> list[str]:
    """The options that name the place."""
    if isinstance(place, SqlitePlace):
        return ["--sqlite", place.path]
    assert isinstance(place, DynamoPlace)
    return ["--dynamodb", place.name, "--region", "eu-central-1", "--endpoint", place.endpoint]


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What DynamoDB Local believes."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")


@pytest.fixture
def exported(tmp_path: Path, stores: Stores) -> Path:
    """Five lines in a file."""
    stores.audit.append([record(number) for number in range(5)])
    path = tmp_path / "audit.jsonl"
    path.write_text("".join(f"{line}\n" for line in stores.audit.lines()))
    return path


@pytest.mark.usefixtures("credentials")
def test_an_audit_goes_out_whole_and_is_found_whole(
    place: Place, stores: Stores, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exported, verified in the store and in the file, and from a head that was kept on."""
    kept = [stores.audit.append([record(number) for number in range(40)]) for _ in range(3)][-1]
    head = stores.audit.append([record(121)])
    for chain in ("instance-1", "instance-2"):
        stores.audit.append([record()], chain=chain)

    assert main(["audit", "head", *where(place)]) == 0
    heads = capsys.readouterr().out
    assert main(["audit", "export", *where(place)]) == 0
    path, later = tmp_path / "all.jsonl", tmp_path / "later.jsonl"
    path.write_text(capsys.readouterr().out)
    assert main(["audit", "export", "--after", "120", *where(place)]) == 0
    later.write_text(capsys.readouterr().out)
    (tmp_path / "heads").write_text(heads)

    assert heads.splitlines()[2] == f"main {head.seq}:{head.hash}"
    assert path.read_text().splitlines() == list(stores.audit.lines())
    assert main(["audit", "verify", "--heads", str(tmp_path / "heads"), *where(place)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"main: whole, 121 lines, head 121:{head.hash}"
    assert main(["audit", "verify", str(path), "--head", f"{kept.seq}:{kept.hash}"]) == 0
    assert main(["audit", "verify", str(later), "--start", f"{kept.seq}:{kept.hash}"]) == 0


CHANGES: dict[str, tuple[Change, int]] = {
    "changed": (lambda lines: [*lines[:2], lines[2].replace('"bytes":2', '"bytes":3'), *lines[3:]], 3),
    "removed": (lambda lines: [*lines[:2], *lines[3:]], 3),
    "reordered": (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], 2),
    "added": (lambda lines: [*lines, lines[-1]], 6),
    "cut off": (lambda lines: lines[:3], 4),
    "emptied": (lambda _: [], 1),
    "not text": (lambda lines: [*lines[:4], "\x00"], 5),
}


@pytest.mark.parametrize(("change", "line"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("place", [pytest.param("sqlite")], indirect=True)
def test_what_was_done_to_a_file_is_told(
    exported: Path, stores: Stores, change: Change, line: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the line and by the exit status; a cut-off end against the head that was kept."""
    head = stores.audit.head()
    lines = change(exported.read_text().splitlines())
    exported.write_text("".join(f"{each}\n" for each in lines))

    assert main(["audit", "verify", str(exported), "--head", f"{head.seq}:{head.hash}"]) == 1
    assert capsys.readouterr().out.startswith(f"main: BROKEN at line {line}: ")


STATEMENTS: dict[str, tuple[str, int]] = {
    "changed": ("UPDATE audit SET line = replace(line, '\"bytes\":2', '\"bytes\":9') WHERE seq = 3", 3),
    "removed": ("DELETE FROM audit WHERE seq = 2", 2),
    "cut off": ("DELETE FROM audit WHERE seq > 3", 4),
}


@pytest.mark.parametrize(("statement", "line"), STATEMENTS.values(), ids=STATEMENTS)
@pytest.mark.parametrize("place", [pytest.param("sqlite")], indirect=True)
def test_what_was_done_to_a_database_is_told(place: SqlitePlace, stores: Stores, statement: str, line: int) -> None:
    """By somebody who took the triggers off first."""
    head = stores.audit.append([record(number) for number in range(5)])
    with sqlite3.connect(place.path) as connection:
        for trigger in ("audit_keeps_lines", "audit_loses_none"):
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(statement)
    connection.close()

    (found,) = examine(stores.audit, kept={MAIN: [head]})
    assert isinstance(found.outcome, Broken)
    assert found.outcome.line == line


def test_the_main_chain_testifies_for_the_others(stores: Stores) -> None:
    """One that is gone, and one whose end is: neither needs a head that was kept."""
    stores.audit.append([record(number) for number in range(3)], chain="cut")
    stores.audit.append([record(number) for number in range(2)], chain="whole")
    whole = stores.audit.head(chain="whole")
    stores.audit.append(
        [
            *(record(action=BEGIN, outcome="changed", key=chain) for chain in ("cut", "gone", "whole")),
            record(action=END, outcome="changed", key="cut", reason=f"4:{'0' * 64}"),
            record(action=END, outcome="changed", key="whole", reason=f"{whole.seq}:{whole.hash}"),
        ]
    )

    found = {each.chain: each.outcome for each in examine(stores.audit, kept={})}
    assert isinstance(found[MAIN], Head)
    assert found["whole"] == whole
    assert found["cut"] == Broken(line=4, detail="the chain ends before line 4, which was kept elsewhere")
    assert found["gone"] == Broken(line=1, detail="the main chain says that this chain began: it is gone")


def test_heads_that_contradict_each_other_are_told(exported: Path) -> None:
    """Whichever of them is the true one."""
    heads = [Head(seq=2, hash=digit * 64) for digit in "ab"]
    detail = "two heads that were kept elsewhere contradict each other"
    assert examine(File(exported), kept={MAIN: heads}) == (Finding(chain=MAIN, outcome=Broken(line=2, detail=detail)),)


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "--sqlite", "absent.db"],
        ["verify", "absent.jsonl"],
        ["verify", "absent.jsonl", "--head", "1:abc"],
        ["head", "--sqlite", "other.db"],
        ["export", "--sqlite", "text.db"],
    ],
)
def test_what_can_t_be_read_is_told_apart_from_what_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """By the exit status 2, a sentence, and nothing made or changed."""
    monkeypatch.chdir(tmp_path)
    sqlite3.connect("other.db").close()
    (tmp_path / "text.db").write_text("no database " * 100)

    assert main(["audit", *arguments]) == 2
    assert capsys.readouterr().err.startswith("upload-gateway: ")
    assert not (tmp_path / "absent.db").exists()


@pytest.mark.parametrize("place", [pytest.param("sqlite")], indirect=True)
def test_verifying_changes_nothing(place: SqlitePlace, stores: Stores) -> None:
    """Not even the file's bytes, while nobody else writes."""
    stores.audit.append([record()])
    done = subprocess.run(
        [COMMAND, "audit", "verify", "--sqlite", place.path], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("main: whole, 1 lines")
    assert json.loads(next(stores.audit.lines()))["seq"] == 1

"""`upload-gateway put` as a user runs it, against the whole product."""

import base64
import json
import os
import pty
import signal
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from awscrt.checksums import crc64nvme

from tests.client.kill_resume import run
from tests.client.room import PART, Room, Terminal, noise

LARGE = noise(2 * PART + 100)
PARTED = ("--parallel", "1", "--parts-from", "1MB")
"""One part after the other."""


def checksum(body: bytes) -> str:
    """As S3 says it."""
    return base64.b64encode(crc64nvme(body).to_bytes(8, "big")).decode()


def test_a_small_file_is_stored_with_what_was_said(terminal: Terminal) -> None:
    """Bytes, type, metadata, and a checksum that S3 verified."""
    (terminal.place / "photo one.png").write_bytes(b"png")

    status, said = terminal.put_json("photo one.png", "--metadata", "Album=Ä b", at="/uploads/holiday/")
    head = terminal.room.head("free/holiday/photo one.png")

    assert (status, said[0]["state"], said[0]["key"]) == (0, "stored", "free/holiday/photo one.png")
    assert (head["ContentType"], list(head["Metadata"]), head["ChecksumCRC64NVME"]) == (
        "image/png",
        ["album"],
        checksum(b"png"),
    )


def test_a_large_file_goes_in_parts_and_is_whole(terminal: Terminal) -> None:
    """S3 verified the checksum over all parts, which were read once."""
    (terminal.place / "large.bin").write_bytes(LARGE)

    status, said = terminal.put_json("large.bin", at="/uploads/parts/")

    assert (status, said[0]["sent"]) == (0, len(LARGE))
    assert said[0]["checksum"] == {"algorithm": "crc64nvme", "value": checksum(LARGE)}
    assert said[0]["etag"].endswith('-3"')
    assert terminal.room.body("free/parts/large.bin") == LARGE
    assert terminal.journals() == []


def test_each_part_can_be_verified_as_it_arrives(terminal: Terminal) -> None:
    """With `--part-checksums` the checksum of a part is in its URL's signature."""
    (terminal.place / "large.bin").write_bytes(LARGE)

    status, _ = terminal.put_json("--part-checksums", "large.bin", at="/uploads/checked/")

    assert status == 0
    assert terminal.room.body("free/checked/large.bin") == LARGE


def test_a_tenant_that_requires_checksums_gets_them(terminal: Terminal) -> None:
    """In one PUT and in parts."""
    once = Terminal(terminal.place, terminal.room, terminal.room.token("once"))
    (terminal.place / "small.bin").write_bytes(b"small")
    (terminal.place / "large.bin").write_bytes(LARGE)

    status, said = once.put_json("small.bin", "large.bin")

    assert (status, [each["state"] for each in said]) == (0, ["stored", "stored"])


def test_directories_keep_their_names_as_cp_has_it(terminal: Terminal) -> None:
    """With the directory's own name, and without it for `DIR/.`; a link to a directory is told."""
    inside = terminal.place / "photos" / "2026"
    inside.mkdir(parents=True)
    (inside / "ü 1.txt").write_text("one")
    (terminal.place / "photos" / "empty.bin").write_bytes(b"")
    (terminal.place / "photos" / "again").symlink_to(inside)

    whole = terminal.put_json("photos", at="/uploads/cp/")[1]
    inner = terminal.put_json("photos/.", at="/uploads/cp/")[1]
    told = terminal.put("photos/.", at="/uploads/cp/").stderr

    assert [each["key"] for each in whole] == ["free/cp/photos/2026/ü 1.txt", "free/cp/photos/empty.bin"]
    assert [each["key"] for each in inner] == ["free/cp/2026/ü 1.txt", "free/cp/empty.bin"]
    assert "Left out: photos/again: a link to a directory" in told


def test_a_url_without_a_slash_at_its_end_is_the_whole_name(terminal: Terminal) -> None:
    """Percent-encoded, as URLs are."""
    (terminal.place / "a.txt").write_text("a")

    _, said = terminal.put_json("a.txt", at="/uploads/whole/the%20name%23.txt")

    assert said[0]["key"] == "free/whole/the name#.txt"


@pytest.mark.parametrize("arguments", [["-"], ["/dev/stdin"]])
def test_a_stream_is_kept_first(terminal: Terminal, arguments: list[str]) -> None:
    """Its length has to be declared; what is kept has no name and is gone afterwards."""
    done = terminal.put(*arguments, "--name", "dump.sql", at="/uploads/streams/", input="select 1")

    assert (done.returncode, "temporary file" in done.stderr) == (0, True)
    assert terminal.room.body("free/streams/dump.sql") == b"select 1"


def test_a_stream_over_its_limit_is_not_sent(terminal: Terminal) -> None:
    """It is a file's failure, and says what to do."""
    done = terminal.put("-", "--name", "dump.sql", "--spool-limit", "1KB", input="x" * 1001)

    assert (done.returncode, "--spool-limit" in done.stderr) == (4, True)


def test_a_refusal_is_the_problems_own_sentence(terminal: Terminal) -> None:
    """Other files go on; the status says that one was refused."""
    (terminal.place / "a.exe").write_text("a")
    (terminal.place / "b.txt").write_text("b")

    status, said = terminal.put_json("a.exe", "b.txt", at="/uploads/refused/")

    assert (status, [each["state"] for each in said]) == (1, ["refused", "stored"])
    assert said[0]["problem"]["code"] == "name-not-allowed"
    assert said[0]["detail"] == "The tenant does not allow the extension .exe anywhere in a name."


def test_what_refuses_all_is_asked_once(terminal: Terminal) -> None:
    """A suspended tenant's command ends, whatever the number of files."""
    asleep = Terminal(terminal.place, terminal.room, terminal.room.token("asleep"))
    for number in range(20):
        (terminal.place / f"{number:02}.txt").write_text("x")

    status, said = asleep.put_json(".")

    assert (status, {each["problem"]["code"] for each in said}) == (1, {"tenant-suspended"})
    assert len({each["problem"]["instance"] for each in said}) <= 4


def test_an_object_that_exists_is_not_overwritten(terminal: Terminal) -> None:
    """With `--create-only` on a tenant that would overwrite; what is there stays."""
    (terminal.place / "a.txt").write_text("first")
    terminal.put("a.txt", at="/uploads/exists/")
    (terminal.place / "a.txt").write_text("second, longer")

    status, said = terminal.put_json("--create-only", "a.txt", at="/uploads/exists/")

    assert (status, said[0]["problem"]["code"]) == (1, "object-exists")
    assert terminal.room.body("free/exists/a.txt") == b"first"
    assert terminal.journals() == []


def test_a_full_quota_is_not_waited_for_without_end(terminal: Terminal) -> None:
    """What would have to be waited for longer than the patience is refused."""
    full = Terminal(terminal.place, terminal.room, terminal.room.token("full"))
    (terminal.place / "a.bin").write_bytes(b"a")
    (terminal.place / "b.bin").write_bytes(b"b")
    full.put("a.bin")

    status, said = full.put_json("--patience", "5", "b.bin")

    assert (status, said[0]["problem"]["code"]) == (1, "quota-exceeded")


@pytest.mark.parametrize(
    ("arguments", "at", "told"),
    [
        (["missing.txt"], "", "There is no file missing.txt."),
        (["a.txt"], "/?x=1", "no query"),
        (["a.txt", "b/a.txt"], "", "would both be called a.txt"),
        (["a.txt", "b"], "/uploads/name", "One name is for one file"),
        (["a.txt", "--name", "x"], "/uploads/name", "whole name already"),
        (["-"], "", "say --name"),
        (["a.txt", "--metadata", "novalue"], "", "KEY=VALUE"),
        (["a.txt", "--token-file", "none"], "", "can't be read from none"),
        (["a.txt", "--token-file", "a.txt", "--token-command", "b"], "", "contradict"),
        (["a.txt", "--token-command", "false"], "", "ended with status 1"),
        (["a.txt", "--token-command", "'"], "", "The token command failed"),
    ],
)
def test_what_cannot_be_meant_is_said(terminal: Terminal, arguments: list[str], at: str, told: str) -> None:
    """One sentence, status 2, nothing sent."""
    (terminal.place / "b").mkdir()
    (terminal.place / "a.txt").write_text("a b")
    (terminal.place / "b" / "a.txt").write_text("a")

    done = terminal.put(*arguments, at=at, input="")

    assert (done.returncode, told in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr


def test_a_token_is_asked_for_again_when_it_is_over(terminal: Terminal) -> None:
    """The command is run a second time when its first token is refused."""
    fresh = terminal.place / "fresh"
    fresh.write_text(terminal.token)
    script = terminal.place / "login"
    script.write_text(f"#!/bin/sh\ncat token\ncp {fresh} token\n")
    script.chmod(0o700)
    (terminal.place / "token").write_text(terminal.room.token(ttl=1, now=1_000_000))
    (terminal.place / "a.txt").write_text("a")

    done = terminal.put("--token-command", "./login", "a.txt", at="/uploads/login/")

    assert done.returncode == 0, done.stderr


def test_a_token_that_is_over_leaves_it_to_be_gone_on_with(terminal: Terminal) -> None:
    """Status 3: the same command with a fresh token goes on."""
    late = Terminal(terminal.place, terminal.room, terminal.room.token(ttl=1, now=1_000_000))
    (terminal.place / "a.txt").write_text("a")

    status, said = late.put_json("a.txt")

    assert (status, said[0]["problem"]["code"]) == (3, "token-expired")


def test_no_token_is_kept_or_shown(terminal: Terminal) -> None:
    """What is kept between runs is private, and lets nobody upload."""
    (terminal.place / "large.bin").write_bytes(LARGE)
    process = terminal.put_until(1, [*PARTED, "large.bin"], at="/uploads/secret/")
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=30)

    (journal,) = terminal.journals()
    kept = journal.read_text()
    assert (process.returncode, "run the same command again" in printed) == (130, True), printed
    assert [stat.S_IMODE(path.stat().st_mode) for path in (journal, journal.parent)] == [0o600, 0o700]
    assert [secret for secret in (terminal.token, "X-Amz-", "http://localhost") if secret in kept + printed] == []


def test_a_run_that_was_interrupted_is_gone_on_with(terminal: Terminal) -> None:
    """What S3 has is not sent again, and the file is not read for it."""
    (terminal.place / "large.bin").write_bytes(LARGE)
    process = terminal.put_until(1, [*PARTED, "large.bin"], at="/uploads/resumed/")
    process.kill()
    process.communicate()
    before = terminal.room.parts("free/resumed/large.bin")

    status, said = terminal.put_json(*PARTED, "large.bin", at="/uploads/resumed/")

    assert status == 0
    assert 0 < len(before) < 3
    assert said[0]["sent"] <= len(LARGE) - len(before) * PART
    assert terminal.room.body("free/resumed/large.bin") == LARGE


def test_another_device_goes_on(terminal: Terminal, tmp_path: Path) -> None:
    """What the gateway lists is found by name and size, and each part's bytes are compared with S3's ETag."""
    body = noise(5 * PART)
    (terminal.place / "shared.bin").write_bytes(body)
    process = terminal.put_until(2, [*PARTED, "shared.bin"], at="/uploads/devices/")
    process.kill()
    process.communicate()
    before = terminal.room.parts("free/devices/shared.bin")
    elsewhere = Terminal(tmp_path / "elsewhere", terminal.room, terminal.token)
    elsewhere.place.mkdir()
    os.link(terminal.place / "shared.bin", elsewhere.place / "shared.bin")

    done = elsewhere.put(*PARTED, "--json", "shared.bin", at="/uploads/devices/")

    assert (done.returncode, "begun elsewhere" in done.stderr) == (0, True), done.stderr
    assert 0 < json.loads(done.stdout)["sent"] <= len(body) - len(before) * PART  # one more may have been on its way
    assert terminal.room.head("free/devices/shared.bin")["ChecksumCRC64NVME"] == checksum(body)


def test_a_file_that_changed_is_compared_part_by_part(terminal: Terminal) -> None:
    """Of the same size: what is the same is not sent again, what is not is."""
    body = noise(5 * PART, 1)
    path = terminal.place / "changing.bin"
    path.write_bytes(body)
    process = terminal.put_until(2, [*PARTED, "changing.bin"], at="/uploads/changed/")
    process.kill()
    process.communicate()
    before = terminal.room.parts("free/changed/changing.bin")
    changed = b"\0" + body[1:]
    path.write_bytes(changed)

    done = terminal.put(*PARTED, "--json", "changing.bin", at="/uploads/changed/")

    assert (done.returncode, "comparing" in done.stderr) == (0, True), done.stderr + done.stdout
    assert PART <= json.loads(done.stdout)["sent"] <= len(body) - (len(before) - 1) * PART
    assert terminal.room.head("free/changed/changing.bin")["ChecksumCRC64NVME"] == checksum(changed)


def test_a_file_of_another_size_is_begun_anew(terminal: Terminal) -> None:
    """And what was begun is given up, so that nothing is left in S3."""
    path = terminal.place / "large.bin"
    path.write_bytes(LARGE)
    process = terminal.put_until(1, [*PARTED, "large.bin"], at="/uploads/grown/")
    process.kill()
    process.communicate()
    path.write_bytes(LARGE + b"more")

    done = terminal.put(*PARTED, "large.bin", at="/uploads/grown/")

    assert (done.returncode, "beginning anew" in done.stderr) == (0, True), done.stderr
    assert terminal.room.body("free/grown/large.bin") == LARGE + b"more"
    assert terminal.room.uploads("free/grown/") == 0


def test_one_process_a_name_at_a_time(terminal: Terminal) -> None:
    """A second one says so and leaves the first alone."""
    (terminal.place / "large.bin").write_bytes(LARGE)
    process = terminal.put_until(1, [*PARTED, "large.bin"], at="/uploads/twice/")
    process.send_signal(signal.SIGSTOP)
    second = terminal.put("large.bin", at="/uploads/twice/")
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=60)

    assert (second.returncode, "another process" in second.stderr, process.returncode) == (3, True, 0)


def test_a_gateway_that_is_not_there_is_waited_for_with_patience(terminal: Terminal) -> None:
    """And then the command says so, and that it can be run again."""
    (terminal.place / "a.txt").write_text("a")
    environment = terminal.environment
    command = [*terminal.command("--patience", "1", "a.txt")[:-1], "http://127.0.0.1:9/"]

    done = subprocess.run(command, cwd=terminal.place, env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, "does not answer" in done.stderr) == (3, True)


def test_client_and_gateway_are_killed_and_no_part_goes_twice(tmp_path: Path) -> None:
    """The short form of `python -m tests.client.kill_resume`."""
    done = run(tmp_path, size=8 * PART - 1, rounds=1, part_size=PART, seed=1)

    assert done.kills == 2
    assert len(done.seen) > 0


@pytest.mark.long
def test_client_and_gateway_are_killed_again_and_again(tmp_path: Path) -> None:
    """Ten rounds over a file of 1 GiB."""
    done = run(tmp_path, size=2**30, rounds=10, part_size=PART, seed=2)

    assert done.kills == 20


def test_the_room_is_what_these_tests_think(shared_room: Room) -> None:
    """The tenant's threshold sends what is large here in parts."""
    assert len(LARGE) > 6_000_000 > PART


def test_a_stream_that_says_nothing_does_not_hold_the_command(terminal: Terminal) -> None:
    """Ctrl-C ends it, whatever the other end of the pipe does."""
    process = subprocess.Popen(
        terminal.command("-", "--name", "never.txt"),
        cwd=terminal.place,
        env=terminal.environment,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "temporary file" in process.stderr.readline()
    process.send_signal(signal.SIGINT)

    assert process.wait(30) == 130
    assert "Stopped." in process.stderr.read()
    for stream in (process.stdin, process.stderr):
        assert stream is not None
        stream.close()


def test_a_person_at_a_terminal_sees_bars(terminal: Terminal) -> None:
    """And the outcome of each file as a line that stays."""
    (terminal.place / "large.bin").write_bytes(LARGE)
    (terminal.place / "bad[red].exe").write_text("x")
    controller, side = pty.openpty()
    process = subprocess.Popen(
        terminal.command("large.bin", "bad[red].exe", at="/uploads/bars/"),
        cwd=terminal.place,
        env={**terminal.environment, "TERM": "xterm", "COLUMNS": "120"},
        stdin=side,
        stdout=side,
        stderr=side,
    )
    os.close(side)
    shown = ""
    with suppress(OSError):  # EIO: the other end is closed
        while data := os.read(controller, 65_536):
            shown += data.decode()
    os.close(controller)

    assert process.wait(30) == 1
    assert "large.bin: stored as free/bars/large.bin, 10.5 MB" in shown
    assert "bad[red].exe: refused: The tenant does not allow the extension .exe" in shown
    assert "━" in shown
    assert "total" in shown

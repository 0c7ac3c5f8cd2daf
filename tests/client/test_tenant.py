"""`upload-gateway tenant` as an operator runs it, against the real admin API; questions are asked on a terminal."""

import json
import os
import pty
import re
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gateway.client.admin import Admin
from gateway.client.changes import changed, pretty
from gateway.client.pointers import line_of
from tests.client.room import COMMAND, Room

DOCUMENT: dict[str, Any] = {"version": 1, "types": {"text/plain": [".txt"]}}


@dataclass(frozen=True, slots=True)
class Desk:
    """An operator at work: a tenant of their own, and the command."""

    place: Path
    room: Room
    tenant: str

    @property
    def environment(self) -> dict[str, str]:
        """Of every command."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HOME": str(self.place),
            "LOGNAME": "ada",
            "TERM": "xterm",
            "COLUMNS": "120",
        }

    def command(self, verb: str, *arguments: str) -> list[str]:
        """The command; a verb may be of two words."""
        return [str(COMMAND), "tenant", *verb.split(), *arguments, "--data", str(self.room.data)]

    def run(self, verb: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it with nobody to be asked."""
        return subprocess.run(
            self.command(verb, *arguments),
            cwd=self.place,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def json(self, verb: str, *arguments: str) -> Any:
        """What it prints for a program."""
        done = self.run(verb, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def answering(self, answers: dict[str, str], verb: str, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run it on a terminal, where each question that ends with a key is answered; its status and all it showed."""
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            self.command(verb, *arguments),
            cwd=self.place,
            env=self.environment | environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        shown = _conversation(controller, answers)
        return process.wait(30), shown

    def admin(self) -> Admin:
        """The API itself, for what a test needs beside the command."""
        return Admin(self.room.url, lambda: self.room.token(admin=True, subject="bob", scope="tenants:admin"))

    def document(self, tenant: str) -> dict[str, Any]:
        """What is in force."""
        with self.admin() as admin:
            return admin.get(tenant).document

    def history(self) -> list[dict[str, Any]]:
        """The tenant's versions, newest first."""
        with self.admin() as admin:
            return list(admin.history(self.tenant))

    def put(self, tenant: str, document: dict[str, Any], reason: str = "Made for a test") -> None:
        """Put a document in force."""
        with self.admin() as admin:
            admin.put(tenant, {"tenant": tenant, **document}, admin.find(tenant), reason)

    def delete(self, tenant: str) -> None:
        """End a tenant, if it is there."""
        with self.admin() as admin:
            found = admin.find(tenant)
            if found is not None:
                admin.delete(tenant, found, "")

    def folder(self, **documents: dict[str, Any]) -> Path:
        """A folder of documents."""
        folder = self.place / f"folder-{uuid4().hex}"
        folder.mkdir()
        for tenant, document in documents.items():
            (folder / f"{tenant}.json").write_text(json.dumps({"tenant": tenant, **document}))
        return folder

    def editor(self, script: str) -> str:
        """An `$EDITOR` that is a Python script over the document `it` (its text is `text`), run `turn` after `turn`."""
        path = self.place / "editor.py"
        turns = self.place / "turns"
        path.write_text(
            "import json, subprocess, sys, pathlib\n"
            f"file, turns = pathlib.Path(sys.argv[1]), pathlib.Path({str(turns)!r})\n"
            "turn = int(turns.read_text()) if turns.exists() else 1\nturns.write_text(str(turn + 1))\n"
            "text = file.read_text()\n"
            f"{script}\n"
        )
        return shlex.join([sys.executable, str(path)])


def _conversation(controller: int, answers: dict[str, str]) -> str:
    """Answer what is asked until the terminal is let go of; a question that nobody expects ends it after a while."""
    shown, seen, deadline = "", 0, time.monotonic() + 40
    try:
        while time.monotonic() < deadline:
            if not select.select([controller], [], [], 1)[0]:
                continue
            shown += os.read(controller, 65_536).decode()
            for question, answer in answers.items():
                if question in shown[seen:]:
                    seen = len(shown)
                    os.write(controller, answer.encode() + b"\n")
    except OSError:  # the terminal's other end is closed (EIO)
        pass
    finally:
        os.close(controller)
    return shown


@pytest.fixture
def desk(tmp_path: Path, shared_room: Room) -> Iterator[Desk]:
    """An operator whose tenant is there."""
    made = Desk(tmp_path, shared_room, f"t-{uuid4().hex[:12]}")
    made.put(made.tenant, DOCUMENT)
    yield made
    made.delete(made.tenant)


def change(**members: Any) -> str:
    """An editor's script that sets members."""
    return f"it = json.loads(text); it.update({members!r}); file.write_text(json.dumps(it, indent=2))"


def test_tenants_are_listed_for_people_and_for_programs(desk: Desk) -> None:
    """A line each, and the documents."""
    listed = {each["tenant"] for each in desk.json("list")["tenants"]}
    line = next(line for line in desk.run("list").stdout.splitlines() if line.startswith(desk.tenant))

    assert {"acme", "globex", "free", desk.tenant} <= listed
    assert line.split()[1] == "active"


def test_a_document_is_shown_as_it_is_in_force(desk: Desk) -> None:
    """With every default; what is not the document is on standard error."""
    done = desk.run("show", desk.tenant)

    assert json.loads(done.stdout) == desk.document(desk.tenant)
    assert json.loads(done.stdout)["url_lifetime"] == 900
    assert 'etag "1-' in done.stderr


def test_an_edit_is_checked_shown_and_put_with_its_reason(desk: Desk) -> None:
    """The wrong line is said first and edited again; the history has who and why."""
    script = f"if turn == 1: {change(url_lifetime=5)}\nelse: {change(url_lifetime=60)}"
    answers = {"Edit it again?": "y", "Why (for the history)?": "Ünter's wish", "Put it in force": "y"}

    status, shown = desk.answering(answers, "edit", desk.tenant, EDITOR=desk.editor(script))

    wrong = re.search(rf"{desk.tenant}\.json:(\d+): /url_lifetime: ", shown)
    document = desk.document(desk.tenant)
    assert status == 0, shown
    assert wrong is not None
    assert pretty(document).splitlines()[int(wrong[1]) - 1].strip().startswith('"url_lifetime"')
    assert all(line in shown for line in ('-  "url_lifetime": 900,', '+  "url_lifetime": 60,', "is changed."))
    last = desk.history()[0]
    assert (document["url_lifetime"], last["reason"], last["by"].endswith("#ada")) == (60, "Ünter's wish", True)


def test_an_edit_that_changes_nothing_puts_nothing(desk: Desk) -> None:
    """Also when it only says a default in another way."""
    done = desk.run("edit", desk.tenant, "--yes", EDITOR="true")

    assert (done.returncode, "Nothing changed." in done.stderr) == (0, True)
    assert len(desk.history()) == 1


def test_an_edit_is_declined(desk: Desk) -> None:
    """Status 4; nothing was put."""
    answers = {"Why": "", "Put it in force": "n", "Edit it again?": "n"}

    status, shown = desk.answering(answers, "edit", desk.tenant, EDITOR=desk.editor(change(url_lifetime=60)))

    assert (status, "Nothing was changed." in shown) == (4, True)
    assert desk.document(desk.tenant)["url_lifetime"] == 900


def test_an_edit_never_undoes_what_it_has_not_seen(desk: Desk) -> None:
    """Somebody else's change is shown, and the next diff is against it."""
    theirs = desk.folder(**{desk.tenant: {**DOCUMENT, "overwrite": True}})
    other = shlex.join(desk.command("apply", str(theirs), "--yes", "--reason", "Theirs"))
    script = (
        f"{change(url_lifetime=60)}\n"
        f"if turn == 1: subprocess.run({other!r}, shell=True, check=True, capture_output=True)\n"
    )
    answers = {"would undo that. Edit it again?": "y", "Why": "Mine", "Put it in force": "y"}

    status, shown = desk.answering(answers, "edit", desk.tenant, EDITOR=desk.editor(script))

    assert status == 0, shown
    assert "was changed meanwhile; nothing of yours was put in force" in shown
    assert "Theirs" in shown
    assert '+  "overwrite": true,' in shown  # what they did
    assert '-  "overwrite": true,' in shown  # what mine undoes, and was said yes to
    assert [version["reason"] for version in desk.history()] == [
        "Mine",
        "Theirs",
        "Made for a test",
    ]


def test_a_folder_is_planned_before_it_is_applied(desk: Desk) -> None:
    """Create, change and unchanged; a dry run has status 2 and changes nothing; then it is made so, once."""
    new = f"{desk.tenant}-new"
    same = f"{desk.tenant}-same"
    desk.put(same, DOCUMENT)
    folder = desk.folder(**{new: DOCUMENT, desk.tenant: {**DOCUMENT, "overwrite": True}, same: DOCUMENT})

    tried = desk.run("apply", str(folder), "--dry-run")
    planned = json.loads(desk.run("apply", str(folder), "--dry-run", "--json").stdout)["plan"]
    nobody = desk.run("apply", str(folder))
    status, shown = desk.answering({"Make it so?": "y"}, "apply", str(folder))
    again = desk.run("apply", str(folder), "--dry-run")

    assert (tried.returncode, nobody.returncode, status, again.returncode) == (2, 4, 0, 0), shown
    assert {each["tenant"]: each["action"] for each in planned} == {
        new: "create",
        desk.tenant: "change",
        same: "unchanged",
    }
    assert "1 to create, 1 to change, 0 to delete, 1 unchanged" in tried.stderr
    assert '+  "overwrite": true,' in tried.stderr
    assert desk.document(desk.tenant)["overwrite"] is True
    desk.delete(new)
    desk.delete(same)


def test_nothing_is_applied_where_anything_is_wrong(desk: Desk) -> None:
    """Every fault of every file, at its line."""
    folder = desk.folder(**{desk.tenant: {**DOCUMENT, "overwrite": True}})
    (folder / "bad-one.json").write_text('{\n "version": 1,\n "tenant": "bad-one",\n "size": {\n  "max": -1\n }\n}')
    (folder / "bad-two.json").write_text('{"version": 1,}')

    done = desk.run("apply", str(folder), "--yes")

    assert done.returncode == 2
    assert "bad-one.json:5: /size/max: " in done.stderr
    assert "bad-two.json:1: /: this is not JSON at line 1, column 15" in done.stderr
    assert desk.document(desk.tenant)["overwrite"] is False


def test_only_prune_deletes_and_never_what_is_kept_in_files(tmp_path: Path, desk: Desk) -> None:
    """The plan says so; tenants that the gateway keeps in files are left alone."""
    folder = desk.folder(acme=desk.document("acme"), globex=desk.document("globex"))

    without = json.loads(desk.run("apply", str(folder), "--dry-run", "--json").stdout)["plan"]
    pruned = json.loads(desk.run("apply", str(folder), "--dry-run", "--json", "--prune").stdout)["plan"]

    assert {each["action"] for each in without} == {"unchanged"}
    deleted = {each["tenant"] for each in pruned if each["action"] == "delete"}
    assert desk.tenant in deleted
    assert deleted.isdisjoint({"acme", "globex", "free", "once"})


def test_a_plan_that_is_overtaken_is_not_carried_out(desk: Desk) -> None:
    """What was changed between the plan and the yes is said, with who did it; the other's change stays."""
    folder = desk.folder(**{desk.tenant: {**DOCUMENT, "overwrite": True}})
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        desk.command("apply", str(folder)),
        env=desk.environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = ""
    while "Make it so?" not in shown:
        shown += os.read(controller, 65_536).decode()
    desk.put(desk.tenant, {**DOCUMENT, "url_lifetime": 60}, "Faster")
    os.write(controller, b"y\n")
    shown += _conversation(controller, {})

    assert process.wait(30) == 1
    assert "was changed meanwhile" in shown
    assert "Faster" in shown
    assert desk.document(desk.tenant)["url_lifetime"] == 60


def test_an_earlier_version_is_put_in_force_again(desk: Desk) -> None:
    """With the difference shown; the history only grows, and says what each version changed."""
    desk.put(desk.tenant, {**DOCUMENT, "overwrite": True})

    done = desk.run("rollback", desk.tenant, "1", "--yes", "--reason", "Not wanted")
    again = desk.run("rollback", desk.tenant, "1", "--yes")
    missing = desk.run("rollback", desk.tenant, "77", "--yes")
    told = desk.run("history", desk.tenant).stdout

    assert (done.returncode, again.returncode, missing.returncode) == (0, 0, 2), done.stderr
    assert '-  "overwrite": true,' in done.stderr
    assert "That is what is in force." in again.stderr
    assert re.search(r"^3 .*ada +Not wanted +overwrite *$", told, re.MULTILINE), told
    assert '+  "overwrite": true,' in desk.run("history", desk.tenant, "--diff").stdout


def test_a_keys_secret_is_told_once_alone(desk: Desk) -> None:
    """On standard output; the list never has it, and a revoked key is gone."""
    made = desk.run("keys create", desk.tenant, "--name", "scanner", "--expires", "90d", "--name-prefix", "scans/")
    secret = made.stdout.strip()
    (key,) = desk.json("keys list", desk.tenant)["keys"]
    listed = desk.run("keys list", desk.tenant).stdout
    revoked = desk.run("keys revoke", desk.tenant, key["id"], "--yes")

    assert secret.startswith("ugk_")
    assert secret not in listed + made.stderr
    assert (key["name"], key["name_prefix"], key["scopes"]) == ("scanner", "scans/", ["files:write"])
    assert "scanner" in listed
    assert (revoked.returncode, desk.json("keys list", desk.tenant)["keys"]) == (0, [])


def test_usage_is_shown(desk: Desk) -> None:
    """What is stored, reserved and allowed."""
    assert desk.json("usage", desk.tenant)["objects"] == 0
    assert desk.run("usage", desk.tenant).stdout.split()[:4] == ["stored", "reserved", "quota", "bytes"]


def test_a_request_is_explained(desk: Desk) -> None:
    """The status is the decision's; the rule that refuses is named."""
    good = desk.run("evaluate", desk.tenant, "a.txt", "--size", "5", "--type", "text/plain")
    bad = desk.run("evaluate", desk.tenant, "a.png", "--size", "5", "--type", "image/png")

    assert (good.returncode, f"granted as {desk.tenant}/a.txt" in good.stdout) == (0, True)
    assert (bad.returncode, "refused:" in bad.stdout) == (1, True)
    assert re.search(r"^type +refused", bad.stdout, re.MULTILINE)


def test_a_tenant_is_deleted_when_its_name_was_typed(desk: Desk) -> None:
    """Anything else is no."""
    no, _ = desk.answering({f"[type {desk.tenant}]": "y"}, "delete", desk.tenant)
    there = desk.run("show", desk.tenant).returncode
    yes, shown = desk.answering({f"[type {desk.tenant}]": desk.tenant}, "delete", desk.tenant, "--reason", "Over")
    gone = desk.run("show", desk.tenant)

    assert (no, there, yes, gone.returncode) == (4, 0, 0, 1), shown
    assert "There is no such tenant." in gone.stderr
    assert desk.history()[0]["document"] is None


def test_what_a_gateway_keeps_in_files_is_not_edited(desk: Desk) -> None:
    """It says where it can be changed."""
    done = desk.run("edit", "free", "--yes", EDITOR="false")

    assert (done.returncode, "kept in a file" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ([], 2, "Which gateway?"),
        (["--url", "http://gw.example.com"], 2, "in the clear"),
        (["--url", "http://127.0.0.1:9"], 2, "Who are you?"),
        (["--url", "http://127.0.0.1:9", "--token-command", "echo t"], 3, "does not answer"),
        (["--data", "."], 2, "No demo runs in ."),
        (["--data", ".", "--url", "http://127.0.0.1:9"], 2, "leave --url"),
    ],
)
def test_where_and_who_has_to_be_said(tmp_path: Path, arguments: list[str], status: int, told: str) -> None:
    """One sentence, whatever is missing."""
    done = subprocess.run(
        [str(COMMAND), "tenant", "list", *arguments],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, told in done.stderr, "Traceback" in done.stderr) == (status, True, False), done.stderr


def test_a_tenants_token_is_no_operators(desk: Desk) -> None:
    """The refusal is the gateway's, with its sentence."""
    token = desk.room.token()
    (desk.place / "token").write_text(token)

    done = subprocess.run(
        [str(COMMAND), "tenant", "list", "--url", desk.room.url, "--token-file", "token"],
        cwd=desk.place,
        env=desk.environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, token in done.stderr) == (1, False)


def test_pages_are_followed(shared_room: Room) -> None:
    """All tenants, however many a page has."""
    with Admin(shared_room.url, lambda: shared_room.token(admin=True, scope="tenants:admin")) as admin:
        names = [document["tenant"] for document in admin.tenants()]

    assert len(names) == len(set(names)) >= 6


TEXT = '{\n "a": 1,\n "b/c": [\n  {"d~": "}"},\n  2\n ],\n "e": {}\n}'


@pytest.mark.parametrize(
    ("pointer", "line"),
    [("", 1), ("/a", 2), ("/b~1c", 3), ("/b~1c/0/d~0", 4), ("/b~1c/1", 5), ("/e/missing", 7), ("/none", 1), ("/b", 1)],
)
def test_a_pointer_has_a_line(pointer: str, line: int) -> None:
    """That of the value, or of what is nearest around it."""
    assert line_of(TEXT, pointer) == line


@pytest.mark.parametrize("text", ["", "{", '{"a', '{"a": [1,', "]", '{"a" 1}', "[" * 100_000])
def test_what_is_no_json_has_lines_too(text: str) -> None:
    """The first, at least."""
    assert line_of(text, "/a/0") == 1


def test_members_that_differ_are_named() -> None:
    """With dots; a table of types is one member."""
    before = {"size": {"min": 0, "max": 5}, "types": {"a/b": []}, "x": 1}
    after = {"size": {"min": 0, "max": 6}, "types": {"c/d": []}, "y": None}

    assert changed(before, after) == ["size.max", "types", "x"]

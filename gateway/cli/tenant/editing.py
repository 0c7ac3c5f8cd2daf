"""`tenant edit`: the document in an editor, until it is right and said yes to; never over somebody else's change."""

import argparse
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from gateway.cli.errors import CommandError
from gateway.cli.tenant.applying import REFUSED, meanwhile
from gateway.cli.tenant.talk import Talk
from gateway.client.admin import Admin, Current, Document
from gateway.client.changes import diff, faults, pretty, read
from gateway.client.errors import RefusedError, UsageError
from gateway.client.problem import Problem


def edit(admin: Admin, options: argparse.Namespace, talk: Talk) -> int:
    """Edit, check, show, ask, put; again where it is wrong or came too late."""
    base = admin.get(options.tenant)
    if base.is_kept_in_a_file:
        raise UsageError(f"{options.tenant} is kept in a file by the gateway itself, which is where it can be changed.")
    with tempfile.TemporaryDirectory(prefix="upload-gateway-") as folder:
        file = Path(folder) / f"{options.tenant}.json"
        file.write_text(pretty(base.document), "utf-8")
        return _Editing(admin=admin, options=options, talk=talk, file=file, base=base).run()


class _Editing:
    """One document in an editor; `base` is the state that the change is made against."""

    def __init__(self, *, admin: Admin, options: argparse.Namespace, talk: Talk, file: Path, base: Current) -> None:
        self._admin = admin
        self._options = options
        self._talk = talk
        self._file = file
        self._base = base

    def run(self) -> int:
        while True:
            text = self._edited()
            document = read(text)
            outcome = self._wrong(text, document) if isinstance(document, Problem) else self._offered(text, document)
            if outcome is not None:
                return outcome

    def _edited(self) -> str:
        command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        try:
            subprocess.run([*shlex.split(command), str(self._file)], check=True)  # noqa: S603 - the user's own editor
            return self._file.read_text("utf-8")
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise CommandError(f"The editor {command!r} failed ({error}); nothing was changed.") from None

    def _wrong(self, text: str, problem: Problem) -> int | None:
        """Say what is wrong where; None: it is edited again."""
        lines = text.splitlines()
        for fault in faults(text, problem, self._file.name):
            self._talk.say(fault, "red")
            number = int(fault.removeprefix(f"{self._file.name}:").partition(":")[0])
            self._talk.say(f"    {lines[number - 1].strip() if number <= len(lines) else ''}", "dim")
        return self._again("The document is wrong.")

    def _again(self, told: str) -> int | None:
        """Whether it is edited again; there is nobody to edit where nobody can be asked."""
        if self._options.yes:
            raise CommandError(f"{told} Nothing was changed.", status=REFUSED)
        return None if self._talk.confirmed(f"{told} Edit it again?") else self._talk.declined()

    def _offered(self, text: str, document: Document) -> int | None:
        """Show what it would change, and put it; None: it is edited again."""
        tenant = self._options.tenant
        try:
            tried = self._admin.try_out(tenant, document, self._base)
            if tried["document"] == self._base.document:
                self._talk.say("Nothing changed.")
                return 0
            self._talk.diff(diff(self._base.document, tried["document"]))
            self._talk.differing(tried["differing"])
            reason = self._options.reason or self._reason()
            if not self._talk.confirmed(f"Put it in force for {tenant}?"):
                return self._again("It is not in force.")
            after = self._admin.put(tenant, document, self._base, reason)
        except RefusedError as error:
            if error.problem.code == "precondition-failed":
                return self._late()
            if error.problem.code != "request-invalid":
                raise
            return self._wrong(text, error.problem)
        if self._options.json:
            self._talk.json(after)
        self._talk.say(f"{tenant} is changed.", "green")
        return 0

    def _reason(self) -> str:
        return "" if self._options.yes else self._talk.asked("Why (for the history)? ")

    def _late(self) -> int | None:
        """Somebody else changed it meanwhile: show what, and let the change be made anew upon theirs."""
        tenant = self._options.tenant
        self._talk.say(f"{tenant} was changed meanwhile; nothing of yours was put in force.", "red")
        self._talk.say(meanwhile(self._admin, tenant, self._base))
        now = self._admin.find(tenant)
        if now is None:
            raise CommandError(f"{tenant} was deleted meanwhile.", status=REFUSED)
        self._base = now
        return self._again("Your document would undo that.")

"""The verbs that change whole tenants: apply a folder, roll back, delete. First a plan, then a question, then it."""

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import Final

from gateway.cli.errors import CommandError
from gateway.cli.tenant.talk import Talk
from gateway.client.admin import Admin, Current
from gateway.client.changes import Kind, Step, carry_out, diff, planned
from gateway.client.errors import RefusedError, UsageError

REFUSED: Final = 1
WOULD_CHANGE: Final = 2

_SIGNS: Final = {Kind.CREATE: "+", Kind.CHANGE: "~", Kind.DELETE: "-"}
_STYLES: Final = {Kind.CREATE: "green", Kind.CHANGE: "yellow", Kind.DELETE: "red"}


def apply(admin: Admin, options: argparse.Namespace, talk: Talk) -> int:
    """Make the gateway's tenants those of a folder."""
    steps = planned(admin, options.folder, prune=options.prune)
    todo = [step for step in steps if step.kind is not Kind.UNCHANGED]
    if options.json:
        talk.json({"plan": [_described(step) for step in steps]})
    else:
        _show(steps, talk)
    if options.dry_run or not todo:
        return WOULD_CHANGE if todo else 0
    if not talk.confirmed("Make it so?"):
        return talk.declined()
    for done, step in enumerate(todo):
        try:
            carry_out(admin, step, options.reason)
        except RefusedError as error:
            raise _stopped(
                admin, step, error, f"{done} of {len(todo)} are done; run it again for a new plan."
            ) from None
        talk.say(f"{step.tenant}: {step.kind}d", _STYLES[step.kind])
    return 0


def _show(steps: Sequence[Step], talk: Talk) -> None:
    for step in steps:
        if step.kind is Kind.UNCHANGED:
            continue
        talk.say(f"{_SIGNS[step.kind]} {step.tenant}: {step.kind}", _STYLES[step.kind])
        if step.kind is not Kind.DELETE:
            talk.diff(diff(None if step.base is None else step.base.document, step.after))
        talk.differing(step.differing)
    counted = Counter(step.kind for step in steps)
    talk.say(", ".join(f"{counted[kind]} to {kind}" for kind in _SIGNS) + f", {counted[Kind.UNCHANGED]} unchanged")


def _described(step: Step) -> dict[str, object]:
    return {
        "tenant": step.tenant,
        "action": str(step.kind),
        "before": None if step.base is None else step.base.document,
        "after": step.after,
        "differing": list(step.differing),
    }


def roll_back(admin: Admin, options: argparse.Namespace, talk: Talk) -> int:
    """Put an earlier version in force again, as a new one."""
    base = admin.get(options.tenant)
    versions = {each["version"]: each["document"] for each in admin.history(options.tenant)}
    document = versions.get(options.version)
    if document is None:
        raise UsageError(f"{options.tenant} has no document of version {options.version}: see its history.")
    tried = admin.try_out(options.tenant, document, base)
    if tried["document"] == base.document:
        talk.say("That is what is in force.")
        return 0
    talk.diff(diff(base.document, tried["document"]))
    talk.differing(tried["differing"])
    if not talk.confirmed(f"Put version {options.version} of {options.tenant} in force again?"):
        return talk.declined()
    try:
        after = admin.roll_back(options.tenant, options.version, base, options.reason)
    except RefusedError as error:
        raise lost(admin, options.tenant, base, error) from None
    if options.json:
        talk.json(after)
    talk.say(f"{options.tenant} is as in version {options.version} again.")
    return 0


def delete(admin: Admin, options: argparse.Namespace, talk: Talk) -> int:
    """End a tenant, once its name was typed."""
    base = admin.get(options.tenant)
    used = admin.usage(options.tenant)
    talk.say(
        f"{options.tenant} has {used['objects']} objects of {used['bytes']} bytes, which stay, and"
        f" {len(admin.keys(options.tenant))} keys, which end."
    )
    if not talk.confirmed(f"Delete {options.tenant}?", options.tenant):
        return talk.declined()
    try:
        admin.delete(options.tenant, base, options.reason)
    except RefusedError as error:
        raise lost(admin, options.tenant, base, error) from None
    talk.say(f"{options.tenant} is deleted.")
    return 0


def lost(admin: Admin, tenant: str, base: Current | None, error: RefusedError) -> CommandError:
    """What a refusal comes to; where somebody else was faster, who, and what they changed."""
    if error.problem.code != "precondition-failed":
        return CommandError(str(error), status=REFUSED)
    return CommandError(f"{tenant} was changed meanwhile, so nothing was.\n{meanwhile(admin, tenant, base)}")


def _stopped(admin: Admin, step: Step, error: RefusedError, told: str) -> CommandError:
    return CommandError(f"{lost(admin, step.tenant, step.base, error)}\n{told}", status=REFUSED)


def meanwhile(admin: Admin, tenant: str, base: Current | None) -> str:
    """What others made of a tenant since, as text."""
    now = admin.find(tenant)
    last = next(iter(admin.history(tenant)), None)
    who = "" if last is None else f"Version {last['version']} at {last['at']} by {last['by']}: {last['reason']}\n"
    before = None if base is None else base.document
    return who + "\n".join(diff(before, None if now is None else now.document, names=("before", "now")))

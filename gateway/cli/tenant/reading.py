"""The verbs that change nothing: list, show, history, usage, evaluate."""

import argparse
from collections.abc import Mapping
from typing import Any

from rich.filesize import decimal

from gateway.cli.tenant.talk import Talk
from gateway.client.admin import Admin
from gateway.client.changes import changed, diff
from gateway.client.errors import UsageError


def list_tenants(admin: Admin, options: argparse.Namespace, talk: Talk) -> int:
    """All of them, a line each."""
    tenants = list(admin.tenants())
    if options.json:
        talk.json({"tenants": tenants})
        return 0
    rows = (
        (
            each["tenant"],
            each["status"],
            ", ".join(each["backends"]),
            f"{decimal(each['size']['min'])} to {decimal(each['size']['max'])}",
            len(each["types"]),
            _limit(each["quota"]["bytes"]),
            "none" if each["rate"] is None else f"{each['rate']['per_second']:g}/s a {each['rate']['per']}",
        )
        for each in tenants
    )
    talk.table(("tenant", "status", "backends", "size", "types", "quota", "rate"), rows, empty="There is no tenant.")
    return 0


def show(admin: Admin, options: argparse.Namespace, talk: Talk) -> int:
    """The document in force."""
    found = admin.get(options.tenant)
    if not options.json:
        kept = ", kept in a file by the gateway" if found.is_kept_in_a_file else ""
        talk.say(f"{options.tenant}, etag {found.etag}{kept}", "dim")
    talk.json(found.document)
    return 0


def history(admin: Admin, options: argparse.Namespace, talk: Talk) -> int:
    """Every version, with what it changed."""
    versions = list(admin.history(options.tenant))
    if options.json:
        talk.json({"versions": versions})
        return 0
    before = [*(version["document"] for version in versions[1:]), None]
    if options.diff:
        for version, old in zip(versions, before, strict=True):
            talk.result(f"version {version['version']}, {version['at']}, {version['by']}: {version['reason']}", "bold")
            talk.diff(diff(old, version["document"]), result=True)
        return 0
    rows = (
        (version["version"], version["at"], version["by"].rpartition("#")[2], version["reason"], _what(version, old))
        for version, old in zip(versions, before, strict=True)
    )
    talk.table(("version", "at", "by", "reason", "changed"), rows, empty="There is no version.")
    return 0


def _what(version: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    if version["document"] is None:
        return "deleted"
    return "created" if before is None else ", ".join(changed(before, version["document"])) or "nothing"


def usage(admin: Admin, options: argparse.Namespace, talk: Talk) -> int:
    """What is there, what is reserved, and what there may be."""
    used = admin.usage(options.tenant)
    if options.json:
        talk.json(used)
        return 0
    rows = [
        ("bytes", decimal(used["bytes"]), decimal(used["reserved_bytes"]), _limit(used["quota"]["bytes"])),
        ("objects", used["objects"], used["reserved_objects"], used["quota"]["objects"] or "none"),
    ]
    talk.table(("", "stored", "reserved", "quota"), rows, empty="")
    rate = used["rate"]
    if rate is not None:
        left = "" if rate["left"] is None else f", {rate['left']} left now"
        talk.result(f"rate: {rate['per_second']:g} a second, {rate['burst']} at once, per {rate['per']}{left}")
    return 0


def _limit(count: int | None) -> str:
    return "none" if count is None else decimal(count)


def evaluate(admin: Admin, options: argparse.Namespace, talk: Talk) -> int:
    """The decision, and every rule; status 1 for a refusal."""
    said = admin.evaluate(options.tenant, _question(options))
    granted = said["decision"] == "grant"
    if options.json:
        talk.json(said)
        return 0 if granted else 1
    told = f"granted as {said['grant']['key']}" if granted else f"refused: {said['problem']['detail']}"
    talk.result(f"version {said['policy_version']}: {told}", "green" if granted else "red")
    talk.table(("rule", "outcome"), ((each["rule"], each["outcome"]) for each in said["rules"]), empty="")
    return 0 if granted else 1


def _question(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "backend": options.backend,
        "name": options.name,
        "size": options.size,
        "content_type": options.type,
        "headers": dict(_pair(each, ":", "--header is NAME:VALUE") for each in options.header),
        "claims": {"sub": "operator", "scope": "files:write"}
        | dict(_pair(each, "=", "--claim is NAME=VALUE") for each in options.claim),
    }


def _pair(text: str, mark: str, told: str) -> tuple[str, str]:
    name, found, value = text.partition(mark)
    if not found or not name:
        raise UsageError(f"{told}, not {text!r}.")
    return name.strip(), value.strip()

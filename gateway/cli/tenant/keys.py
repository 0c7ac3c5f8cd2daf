"""A tenant's API keys: list, create, revoke."""

import argparse
import re
from datetime import UTC, datetime, timedelta

from gateway.cli.tenant.talk import Talk
from gateway.client.admin import Admin


def list_keys(admin: Admin, options: argparse.Namespace, talk: Talk) -> int:
    """Its keys, a line each."""
    keys = admin.keys(options.tenant)
    if options.json:
        talk.json({"keys": keys})
        return 0
    rows = (
        (
            each["id"],
            each["name"],
            " ".join(each["scopes"]),
            each["name_prefix"],
            each["created_at"],
            each["expires_at"] or "never",
            each["last_used_at"] or "never",
        )
        for each in keys
    )
    columns = ("id", "name", "scopes", "prefix", "created", "expires", "last used")
    talk.table(columns, rows, empty=f"{options.tenant} has no keys.")
    return 0


def create(admin: Admin, options: argparse.Namespace, talk: Talk) -> int:
    """A key: its secret alone on standard output, so that it can go straight to where it is kept."""
    wanted = {"name": options.name, "scopes": options.scope or ["files:write"]}
    if options.expires:
        wanted["expires_at"] = _moment(options.expires)
    if options.name_prefix:
        wanted["name_prefix"] = options.name_prefix
    key = admin.create_key(options.tenant, wanted, options.reason)
    if options.json:
        talk.json(key)
        return 0
    talk.say(f"Key {key['id']} of {options.tenant}, {key['name']!r}, expires {key['expires_at'] or 'never'}.")
    talk.say("This is its secret; it is told now and never again:")
    print(key["secret"])
    return 0


def revoke(admin: Admin, options: argparse.Namespace, talk: Talk) -> int:
    """End a key, once it is sure which one is meant."""
    named = next((each["name"] for each in admin.keys(options.tenant) if each["id"] == options.key), None)
    if named is not None and not talk.confirmed(f"Revoke {options.key} ({named}) of {options.tenant}?"):
        return talk.declined()
    admin.revoke_key(options.tenant, options.key, options.reason)
    talk.say(f"{options.key} is revoked.")
    return 0


def _moment(text: str) -> str:
    """RFC 3339 as it was typed, or so many days from now."""
    days = re.fullmatch(r"([0-9]{1,5})d", text, re.ASCII)
    if days is None:
        return text
    return (datetime.now(UTC) + timedelta(days=int(days[1]))).strftime("%Y-%m-%dT%H:%M:%SZ")

"""What the code asked of AWS when everything was used, role by role: a file that a test compares and can write anew."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.infra.wire_calls import Made, calls_of

FILE = Path(__file__).with_name("recorded_calls.json")

Recorded = dict[str, list[str]]


def lines(made: Iterable[Made], roles: Mapping[str, str]) -> Recorded:
    """Calls as the file has them, by the logical ids of the roles; `roles` has those of access keys that are others."""
    found: dict[str, set[str]] = {}
    for call in made:
        role = next((name for key, name in roles.items() if call.key.startswith(key)), call.key)
        found.setdefault(role, set()).add(" ".join((call.action, call.resource, *call.how)))
    return {role: sorted(calls) for role, calls in sorted(found.items())}


def parsed(line: str) -> tuple[str, str, dict[str, str]]:
    """A line's action, its resource, and its condition keys."""
    action, *rest = line.split(" ")
    context = dict(part.split("=", 1) for part in rest if "=" in part)
    return action, " ".join(part for part in rest if "=" not in part), context


def load() -> Recorded:
    """The file."""
    found: Recorded = json.loads(FILE.read_text())
    return found


def of_the_definition(definition: Mapping[str, Any]) -> frozenset[Made]:
    """What API Gateway asks of S3 by a definition: each of its integrations, with every header that it maps."""
    made: set[Made] = set()
    credential = "AWS4-HMAC-SHA256 Credential=ProxyRole/20261123/eu-central-1/s3/aws4_request"
    for operations in definition["paths"].values():
        for operation in operations.values():
            integration = operation.get("x-amazon-apigateway-integration", {})
            if ":s3:" not in str(integration.get("uri")):
                continue
            prefix = "integration.request.header."
            mapped = {name.removeprefix(prefix): "*" for name in integration["requestParameters"] if prefix in name}
            for headers in (mapped, {name: "*" for name in mapped if name != "if-none-match"}):
                sent = {"authorization": credential, **headers}
                made |= set(calls_of(integration["httpMethod"], "/bucket/key", sent, b"", 200))
    return frozenset(made)

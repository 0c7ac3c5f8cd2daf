"""API Gateway's own API as far as usage plans and keys go, over HTTP: what boto3 sends, to the pretended plans."""

import json
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.proxy.usage_plans import PretendedPlans

_OPERATIONS = {
    ("GET", "usageplans"): ("get_usage_plans",),
    ("POST", "usageplans"): ("create_usage_plan",),
    ("PATCH", "usageplans", 1): ("update_usage_plan", "usagePlanId"),
    ("DELETE", "usageplans", 1): ("delete_usage_plan", "usagePlanId"),
    ("GET", "usageplans", "keys"): ("get_usage_plan_keys", "usagePlanId"),
    ("POST", "usageplans", "keys"): ("create_usage_plan_key", "usagePlanId"),
    ("DELETE", "usageplans", "keys", 1): ("delete_usage_plan_key", "usagePlanId", "keyId"),
    ("GET", "apikeys"): ("get_api_keys",),
    ("POST", "apikeys"): ("create_api_key",),
    ("DELETE", "apikeys", 1): ("delete_api_key", "apiKey"),
}
"""By method and path (API Gateway REST API Reference): the operation and what the path's ids are to it."""


def answer(plans: PretendedPlans, method: str, target: str, body: bytes) -> tuple[int, bytes]:
    """Status and JSON."""
    split = urlsplit(target)
    parts = [unquote(part) for part in split.path.strip("/").split("/")]
    kinds, ids = parts[::2], parts[1::2]
    found = _OPERATIONS[(method, *kinds, 1) if len(ids) == len(kinds) else (method, *kinds)]
    asked = dict(zip(found[1:], ids, strict=True)) | (json.loads(body) if body else {})
    query = {{"name": "nameQuery"}.get(name, name): value for name, value in parse_qsl(split.query)}
    asked |= {name: int(value) if name == "limit" else value for name, value in query.items()}
    said = getattr(plans, found[0])(**asked)
    said = {"item" if name == "items" else name: value for name, value in said.items()}
    return (202 if method == "DELETE" else 201 if method == "POST" else 200), json.dumps(said).encode()

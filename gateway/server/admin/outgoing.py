"""What goes out of the admin API: values of the core as the bodies that `models` describes; nothing may be cached."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fastapi import Response

from gateway.identity.apikeys import ApiKeyRecord, MintedApiKey
from gateway.policy.grant import Grant
from gateway.policy.problems import Refusal
from gateway.tenants.decisions import Decision
from gateway.tenants.evaluation import Evaluation
from gateway.tenants.insight import Preview, TenantUsage, UsageOverTime
from gateway.tenants.pages import Page
from gateway.tenants.policies import PolicyVersion
from gateway.tenants.replay import Difference
from gateway.tenants.service import Tenant


def answer(body: Mapping[str, Any] | None, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer, or an empty one."""
    content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
    media_type = None if body is None else "application/json"
    return Response(
        content, status_code=status, media_type=media_type, headers={"cache-control": "no-store", **(headers or {})}
    )


def tenant_list_body(page: Page[Tenant]) -> dict[str, Any]:
    """One page of tenants, and which of them can't be changed from here."""
    documents = [tenant.document for tenant in page.items]
    read_only = [tenant.document["tenant"] for tenant in page.items if tenant.read_only]
    return {"tenants": documents, "cursor": page.cursor, "read_only": read_only}


def tenant_answer(tenant: Tenant) -> Response:
    """The document with its etag; 201 for one that is new, `Allow` (RFC 9110 section 10.2.1) for a read-only one."""
    where = {"location": f"/admin/tenants/{tenant.document['tenant']}"} if tenant.created else {}
    allow = {"allow": "GET"} if tenant.read_only else {}
    headers = {"etag": f'"{tenant.etag}"', **where, **allow}
    return answer(tenant.document, status=201 if tenant.created else 200, headers=headers)


def version_body(version: PolicyVersion) -> dict[str, Any]:
    """One line of the history."""
    return {
        "version": version.version,
        "etag": version.etag,
        "at": moment(version.at),
        "by": version.by,
        "reason": version.reason,
        "document": version.document,
    }


def usage_body(usage: TenantUsage) -> dict[str, Any]:
    """What is counted, beside what may be."""
    rate = usage.document["rate"]
    return {
        **asdict(usage.counted),
        "quota": usage.document["quota"],
        "rate": None if rate is None else {**rate, "left": usage.left},
    }


def usage_history_body(over_time: UsageOverTime) -> dict[str, Any]:
    """What was counted, oldest first."""
    return {
        "since": moment(over_time.since),
        "until": moment(over_time.until),
        "step": over_time.step,
        "samples": [{"at": moment(each.at), **asdict(each.usage)} for each in over_time.samples],
    }


def decision_body(decision: Decision) -> dict[str, Any]:
    """A remembered decision."""
    request = decision.members["request"]
    more = {name: request[name] for name in ("issuer", "scopes", "checksum")}
    return {**_decided(decision.at, request), **more, "outcome": decision.members["outcome"]}


def _decided(at: float, request: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked; a name that could not be read is none."""
    name = request["name"]
    asked = {member: request[member] for member in ("backend", "size", "content_type", "subject")}
    return {"at": moment(at), "name": name if isinstance(name, str) else None, **asked}


def evaluation_body(evaluation: Evaluation, request_id: str) -> dict[str, Any]:
    """The decision, its reasons and every rule."""
    decision = evaluation.decision
    said = (
        {"decision": "refusal", "problem": decision.body(request_id)}
        if isinstance(decision, Refusal)
        else {"decision": "grant", "grant": _grant_body(decision)}
    )
    rules = [{"rule": name, "outcome": str(outcome)} for name, outcome in evaluation.rules]
    return {**said, "policy_version": evaluation.policy_version, "rules": rules}


def _grant_body(grant: Grant) -> dict[str, Any]:
    return {
        "key": grant.key,
        "name": grant.name,
        "size": grant.size,
        "content_type": grant.content_type,
        "create_only": grant.create_only,
        "url_lifetime": grant.url_lifetime,
        "headers": dict(grant.s3_headers()),
    }


def preview_body(preview: Preview) -> dict[str, Any]:
    """What a PUT would do."""
    return {
        "dry_run": True,
        "document": preview.document,
        "decisions": preview.decisions,
        "differing": [_difference_body(each) for each in preview.differing],
    }


def _difference_body(difference: Difference) -> dict[str, Any]:
    return {**_decided(difference.at, difference.request), "was": difference.was, "would_be": difference.would_be}


def key_body(key: ApiKeyRecord) -> dict[str, Any]:
    """A key without what proves the right to it."""
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": moment(key.created_at),
        "expires_at": None if key.expires_at is None else moment(key.expires_at),
        "name_prefix": key.name_prefix,
        "last_used_at": None if key.last_used_at is None else moment(key.last_used_at),
    }


def created_key_answer(minted: MintedApiKey) -> Response:
    """A new key with its secret."""
    where = f"/admin/tenants/{minted.record.tenant}/keys/{minted.record.id}"
    body = {**key_body(minted.record), "secret": minted.text}
    return answer(body, status=201, headers={"location": where})


def moment(at: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

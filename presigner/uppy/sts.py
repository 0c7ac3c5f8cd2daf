"""`GET /s3/sts`: temporary credentials for clients that sign for themselves (boto3, Uppy's `getCredentials`).

Such credentials escape size, type, metadata and create-only, so all that is promised is the prefix, and a tenant has to
list `sts` among its clients. They may put, and list and abort parts, under the one prefix that every key of the caller
begins with, and nothing else; how long they live is STS's least.
"""

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from gateway.allowance import Caller
from gateway.asgi.problems import STORAGE_UNAVAILABLE, RefusedError, invalid_body
from gateway.journal import STS as ACTION
from gateway.policy.names import key_prefix
from gateway.policy.problems import Fault, Refusal
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials
from gateway.storage.sts import SHORTEST, Sts
from presigner.desk import Desk, demand_query
from presigner.plans import rfc3339
from presigner.reading import granted
from presigner.uppy.rendering import SaidTwice
from presigner.wire import json_answer

STS_CLIENT: Final = "sts"
"""What a tenant's `clients` must list."""

_ACTIONS: Final = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")

_WILD: Final = frozenset("*?$")
"""What IAM would read as more than itself in a resource (IAM User Guide, "Policy variables" and "Wildcards")."""


def sts_routes(desk: Desk, sts: Sts | None, endpoint: Endpoint, region: str) -> APIRouter:
    """The route `/s3/sts`; without `sts` it says that there are no such credentials here."""
    router = APIRouter(tags=["uppy"], prefix="/s3", route_class=SaidTwice)

    @router.get("/sts")
    async def credentials(request: Request) -> Response:
        """Temporary credentials for the caller's prefix."""
        demand_query(request)
        caller = await desk.caller(request, client=STS_CLIENT)
        if sts is None:
            raise RefusedError(invalid_body(Fault("", "This gateway issues no temporary credentials of S3.")))
        policy = session_policy(granted(prefix_of(caller)), endpoint.bucket, region)
        await desk.pace(caller)
        made = granted(await _session(sts, caller, policy, desk.planner.clock))
        desk.admission.journal.acted(caller, ACTION, "granted")
        answer = json_answer({"credentials": _said(made), "bucket": endpoint.bucket, "region": region})
        answer.headers["cache-control"] = "private, no-store"
        return answer

    return router


async def _session(
    sts: Sts, caller: Caller, policy: dict[str, Any], clock: Callable[[], float]
) -> Credentials | Refusal:
    """A session that does not outlive the caller's own credential by more than STS can't help."""
    try:
        session = await sts.session(f"t.{caller.policy.tenant}"[:64], policy, SHORTEST)
    except OSError:
        return STORAGE_UNAVAILABLE
    return session if (session.expires_at or 0) > clock() else STORAGE_UNAVAILABLE


def prefix_of(caller: Caller) -> str | Refusal:
    """What every key of the caller begins with, if a policy can say it."""
    prefix = key_prefix(caller.policy, caller.principal)
    if isinstance(prefix, Refusal) or _WILD.isdisjoint(prefix):
        return prefix
    return invalid_body(Fault("", "The caller's prefix has a character that a policy can't hold to; use /s3/sign."))


def session_policy(prefix: str, bucket: str, region: str) -> dict[str, Any]:
    """The IAM policy of a session: the actions of an upload, on keys with this prefix only."""
    partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rpartition("-")[0].rpartition("-")[0], "aws")
    resource = f"arn:{partition}:s3:::{bucket}/{prefix}*"
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": list(_ACTIONS), "Resource": [resource]}],
    }


def _said(made: Credentials) -> dict[str, str | None]:
    return {
        "AccessKeyId": made.access_key,
        "SecretAccessKey": made.secret_key,
        "SessionToken": made.session_token,
        "Expiration": rfc3339(made.expires_at or 0),
    }

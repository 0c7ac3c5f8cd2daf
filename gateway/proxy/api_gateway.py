"""What API Gateway makes of the proxy's answers, applied on one machine under `--limits aws`.

A Lambda authorizer can only deny, so every refusal of ours is a `403` that carries the problem and the status it would
have had (API Gateway Developer Guide, "Gateway response types": ACCESS_DENIED). A payload over the limit never reaches
the authorizer: its `413` is API Gateway's own ("Known issues": it can't be customised).
"""

import json
from typing import Final

from gateway.asgi.wire import Reply, stamped
from gateway.policy.problems import Code, Refusal

PAYLOAD_LIMIT: Final = 10_485_760
"""The most bytes of a request through API Gateway (API Gateway Developer Guide, "Quotas for REST APIs")."""


def denied(refusal: Refusal, request_id: str) -> Reply:
    """A refusal of the authorizer's as it leaves API Gateway."""
    body = refusal.body(request_id)
    too_large = refusal.code is Code.SIZE_EXCEEDS_LIMIT and refusal.limit == PAYLOAD_LIMIT
    status = refusal.status if too_large else 403
    if status != refusal.status:
        body |= {"status": status, "intended_status": refusal.status}
    encoded = json.dumps(body, ensure_ascii=False).encode()
    return stamped(Reply(status=status, headers=refusal.response_headers(), body=encoded), request_id)

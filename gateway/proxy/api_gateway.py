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


def denied(outcome: Reply | Refusal, request_id: str) -> Reply:
    """The reply as it leaves API Gateway."""
    if isinstance(outcome, Reply):
        return stamped(outcome, request_id)
    body = outcome.body(request_id)
    too_large = outcome.code is Code.SIZE_EXCEEDS_LIMIT and outcome.limit == PAYLOAD_LIMIT
    status = outcome.status if too_large else 403
    if status != outcome.status:
        body |= {"status": status, "intended_status": outcome.status}
    encoded = json.dumps(body, ensure_ascii=False).encode()
    return stamped(Reply(status=status, headers=outcome.response_headers(), body=encoded), request_id)

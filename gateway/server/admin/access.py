"""Who may use the admin API: operators, by a token of their own issuer with the scope `tenants:admin`, and nobody else.

The authenticator here believes the operators' issuers alone: no directory of tenants' issuers, no API keys. So what a
tenant's token claims is never even looked at; its issuer is not accepted.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from gateway.admission import Authenticator
from gateway.asgi.problems import RefusedError
from gateway.asgi.request_id import STATE_KEY
from gateway.asgi.switches import Exposure, is_apart
from gateway.asgi.verified import verified
from gateway.identity.credential import credential
from gateway.policy.document import ADMIN_SCOPE
from gateway.policy.model import Principal
from gateway.policy.problems import Code, Refusal
from gateway.server.admin.incoming import reason
from gateway.tenants.service import Operation

_CHALLENGE: Final = f'Bearer realm="upload-gateway", error="insufficient_scope", scope="{ADMIN_SCOPE}"'
_BEARER: Final = HTTPBearer(
    auto_error=False,
    scheme_name="operator",
    bearerFormat="JWT",
    description=f"A token of an operators' issuer with the scope {ADMIN_SCOPE}.",
)

Access = Callable[[Request, object], Awaitable[Operation]]
OnRefused = Callable[[Operation, Code], Awaitable[object]]
"""Told of each operator whose valid token was not enough."""


def operator_access(authenticator: Authenticator, on_refused: OnRefused) -> Access:
    """A dependency of every route: the operator and what they say about their request, or a refusal."""

    async def access(request: Request, _documented: Annotated[object, Depends(_BEARER)]) -> Operation:
        principal = verified(request.scope) or await authenticated(request)
        if isinstance(principal, Refusal):
            raise RefusedError(principal)
        operation = Operation(
            issuer=principal.issuer,
            subject=principal.subject,
            request_id=getattr(request.state, STATE_KEY, ""),
        )
        if ADMIN_SCOPE not in principal.scopes:
            await on_refused(operation, Code.SCOPE_MISSING)
            raise RefusedError(_scope_missing())
        return Operation(
            issuer=operation.issuer,
            subject=operation.subject,
            request_id=operation.request_id,
            reason=reason(request),
        )

    async def authenticated(request: Request) -> Principal | Refusal:
        pairs = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.scope["headers"])
        presented = credential(pairs)
        return presented if isinstance(presented, Refusal) else await authenticator.authenticate_async(presented)

    return access


def metrics_access(authenticator: Authenticator | None, exposure: Exposure) -> Callable[[Request], Awaitable[None]]:
    """A dependency of `/metrics`: nothing is asked where it is open or asked for apart, else an operator's token.

    It is read often and by machines, so what it refuses has no line in the audit.
    """

    async def nobody(_operation: Operation, _code: Code) -> None:
        """Write nothing down."""

    operator = None if authenticator is None else operator_access(authenticator, nobody)

    async def access(request: Request) -> None:
        if exposure is Exposure.OPEN or is_apart(request.scope):
            return
        if operator is None:
            raise RefusedError(Refusal(code=Code.NOT_FOUND, detail="There is nothing at this path."))
        await operator(request, None)

    return access


def _scope_missing() -> Refusal:
    return Refusal(
        code=Code.SCOPE_MISSING,
        detail=f"The credential does not have the scope {ADMIN_SCOPE}.",
        headers=(("www-authenticate", _CHALLENGE),),  # RFC 6750 section 3.1
    )

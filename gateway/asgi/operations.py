"""What an orchestrator asks: is the process alive, can it serve, and how does it go."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response

from gateway.metrics import CONTENT_TYPE, Metrics, exposition

Check = Callable[[], Awaitable[bool]]
"""Whether one thing the gateway needs can be reached now; never raises."""


def operations_routes(checks: Mapping[str, Check], draining: Callable[[], bool] = lambda: False) -> APIRouter:
    """The routes `/healthz` and `/readyz`; `checks` by the name that `/readyz` says.

    A process that is `draining` is not ready, whatever it can reach: no new client should be sent to it.
    """
    router = APIRouter(tags=["operations"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Alive."""
        return {"status": "alive"}

    @router.get("/readyz", responses={503: {"description": "Something the gateway needs can't be reached."}})
    async def readyz(response: Response) -> dict[str, str | dict[str, str]]:
        """Ready: storage, policies and keys can be reached."""
        if draining():
            response.status_code = 503
            response.headers["cache-control"] = "no-store"
            return {"status": "draining", "checks": {}}
        outcomes = {name: "reachable" if await check() else "unreachable" for name, check in checks.items()}
        ready = set(outcomes.values()) <= {"reachable"}
        response.status_code = 200 if ready else 503
        response.headers["cache-control"] = "no-store"
        return {"status": "ready" if ready else "not ready", "checks": outcomes}

    return router


_EXAMPLE: Final = 'upload_gateway_requests_total{resource="proxy",status="200"} 1027'
_TEXT: Final[dict[str, Any]] = {"schema": {"type": "string"}, "example": _EXAMPLE}


def metrics_routes(metrics: Metrics, access: Callable[[Request], Awaitable[object]]) -> APIRouter:
    """The route `/metrics`: all workers of this machine in one answer; `access` raises for who may not ask."""
    router = APIRouter(tags=["operations"], dependencies=[Depends(access)])

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": _TEXT}}})
    async def scrape() -> Response:
        """The gateway's figures for Prometheus."""
        return Response(exposition(metrics.seats), headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})

    return router

"""The connections: one pool for this machine, past every proxy, and one for all others, as the environment has it.

No redirect is followed: a token goes where its user sent it, and nowhere else.
"""

from types import TracebackType
from typing import Any, Final, Self

import httpx

from gateway.client.address import in_the_clear, on_loopback
from gateway.client.errors import RefusedError
from gateway.client.problem import Problem, shown

_TIMEOUT: Final = httpx.Timeout(connect=15, read=120, write=60, pool=None)
"""Seconds; S3 may take a minute and more to put 10,000 parts together."""

_UNVERIFIED: Final = "CERTIFICATE_VERIFY_FAILED"


class Transport:
    """An async context manager; `insecure` allows plain HTTP to other machines."""

    def __init__(self, *, insecure: bool) -> None:
        self._insecure = insecure
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        settings: dict[str, Any] = {
            "timeout": _TIMEOUT,
            "limits": limits,
            "follow_redirects": False,
            "headers": {"user-agent": "upload-gateway"},
        }
        self._here = httpx.AsyncClient(trust_env=False, **settings)
        self._outside = httpx.AsyncClient(trust_env=True, **settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._here.aclose()
        await self._outside.aclose()

    async def send(self, method: str, url: str, **request: Any) -> httpx.Response | Problem:
        """The answer, whole; a `Problem` of status 0 where there was none. Raises RefusedError before it is unsafe."""
        if not self._insecure and in_the_clear(url):
            origin = shown(url.partition("?")[0])
            detail = f"{origin} is plain HTTP to another machine: everybody on the way could read. See --insecure."
            raise RefusedError(Problem(status=0, code="", detail=detail))
        client = self._here if on_loopback(url) else self._outside
        try:
            return await client.request(method, url, **request)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            return _unanswered(url, error)


def _unanswered(url: str, error: Exception) -> Problem:
    host = httpx.URL(url).netloc.decode("ascii", "replace")
    why = shown(str(error)) or type(error).__name__
    problem = Problem(status=0, code="", detail=f"{host} does not answer ({why}).")
    if _UNVERIFIED in why:
        raise RefusedError(problem) from None
    return problem

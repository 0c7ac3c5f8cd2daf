"""The gateway's upload API as this client calls it: every call may be repeated, and is until patience is over."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx

from gateway.client import answers
from gateway.client.answers import Detail, Listed, Plan, Urls
from gateway.client.credential import Credential
from gateway.client.errors import RefusedError, UnavailableError
from gateway.client.patience import Patience
from gateway.client.problem import Problem, problem_of
from gateway.client.transport import Transport

Told = Callable[[str], None]
"""Told what the user should know meanwhile: a wait, a new beginning."""

_PASSING: Final = frozenset({0, 408, 429, 500, 502, 503, 504})
_RENEWALS: Final = 2
_PAGES: Final = 20
_PAGE: Final = 100


def passes(problem: Problem) -> bool:
    """Whether the same call may be answered otherwise later."""
    if problem.code == "quota-exceeded":
        return problem.retry_after is not None
    return problem.status in _PASSING or (problem.status == 409 and problem.retry_after is not None)


class Gateway:
    """Calls one gateway with one credential; `base` has no slash at its end."""

    def __init__(
        self, *, base: str, transport: Transport, credential: Credential, patience: Patience, told: Told
    ) -> None:
        self.base = base
        self._transport = transport
        self._credential = credential
        self._patience = patience
        self._told = told

    async def create(self, request: Mapping[str, Any], key: str) -> Plan:
        """`POST /uploads`; the same key gives the same answer."""
        try:
            return answers.plan(await self._call("POST", "/uploads", request, {"idempotency-key": key}))
        except RefusedError as error:
            if error.problem.status == 404:
                raise RefusedError(_nobody_there(self.base, error.problem)) from None
            raise

    async def unfinished(self) -> list[Listed]:
        """The caller's unfinished uploads; none where the gateway keeps no list."""
        found: list[Listed] = []
        cursor: str | None = ""
        for _ in range(_PAGES):
            at = f"&cursor={quote(cursor, safe='')}" if cursor else ""
            try:
                page, cursor = answers.listed(await self._call("GET", f"/uploads?limit={_PAGE}{at}"))
            except RefusedError as error:
                if error.problem.code == "request-invalid":
                    return found
                raise
            found += page
            if cursor is None:
                break
        return found

    async def detail(self, upload_id: str) -> Detail:
        """`GET /uploads/{id}`: the state, and the parts that S3 has."""
        return answers.detail(await self._call("GET", f"/uploads/{upload_id}"))

    async def urls(self, upload_id: str, numbers: list[int], checksums: Mapping[int, str]) -> Urls:
        """Fresh URLs of parts; a checksum that is given is signed."""
        return answers.urls(await self._sign(upload_id, numbers, checksums))

    async def part_size(self, upload_id: str) -> int:
        """How long the parts of an upload are that was begun elsewhere, in bytes."""
        return answers.first_size(await self._sign(upload_id, [1], {}))

    async def complete(self, upload_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """`POST /uploads/{id}/complete`: what is stored."""
        return answers.body_of(await self._call("POST", f"/uploads/{upload_id}/complete", body))

    async def abort(self, upload_id: str) -> None:
        """`DELETE /uploads/{id}`."""
        await self._call("DELETE", f"/uploads/{upload_id}")

    async def _sign(self, upload_id: str, numbers: list[int], checksums: Mapping[int, str]) -> httpx.Response:
        body: dict[str, Any] = {"numbers": numbers}
        if checksums:
            body["checksums"] = {str(number): value for number, value in checksums.items()}
        return await self._call("POST", f"/uploads/{upload_id}/parts", body)

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        tries, renewals = self._patience.began(), 0
        while True:
            token = await self._credential.token()
            sent = {**(headers or {}), "authorization": f"Bearer {token}"}
            answer = await self._transport.send(method, self.base + path, json=body, headers=sent)
            if isinstance(answer, httpx.Response) and answer.is_success:
                return answer
            problem = answer if isinstance(answer, Problem) else _problem(answer)
            if problem.status == 401 and renewals < _RENEWALS and await self._credential.renewed(token):
                renewals += 1
                continue
            if not passes(problem):
                raise RefusedError(problem)
            self._told(f"{problem.detail} Trying again.")
            if not await tries.again(problem.retry_after):
                raise _given_up(problem)


def _given_up(problem: Problem) -> Exception:
    return RefusedError(problem) if problem.code == "quota-exceeded" else UnavailableError(problem.sentence)


def _problem(answer: httpx.Response) -> Problem:
    return problem_of(answer.status_code, answer.headers, answer.content)


def _nobody_there(base: str, problem: Problem) -> Problem:
    detail = f"There is no upload API at {base}. A prefix is written {base.rpartition('/')[0]}/uploads/PREFIX/."
    return Problem(status=problem.status, code=problem.code, detail=detail, instance=problem.instance)

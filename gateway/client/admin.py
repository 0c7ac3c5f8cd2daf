"""The gateway's tenant API as an operator's program calls it; a change always names the state it was made against."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from gateway.client.address import on_loopback
from gateway.client.credential import TokenSource
from gateway.client.errors import RefusedError, UnavailableError
from gateway.client.problem import problem_of, shown

Document = dict[str, Any]

_TIMEOUT: Final = httpx.Timeout(30)
_PASSING: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """A tenant's document in force, its defaults filled in, and the quoted etag that names the state."""

    document: Document
    etag: str

    @property
    def is_kept_in_a_file(self) -> bool:
        """Whether it can be changed only where the gateway keeps its file (docs/reference/admin-api.md)."""
        return self.etag.startswith('"file-')


class Admin:
    """Calls one gateway as an operator; a context manager. Every verb raises `RefusedError` or `UnavailableError`."""

    def __init__(self, base: str, token: TokenSource) -> None:
        self._base = base
        self._source = token
        self._token: str | None = None
        # A token for this machine does not go through a proxy of the environment.
        self._http = httpx.Client(timeout=_TIMEOUT, trust_env=not on_loopback(base), follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def tenants(self) -> Iterator[Document]:
        """All tenants' documents."""
        return self._pages("/admin/tenants", "tenants")

    def get(self, tenant: str) -> Current:
        """The document in force."""
        answer = self._call("GET", _path(tenant))
        return Current(document=_object(answer), etag=answer.headers.get("etag", ""))

    def find(self, tenant: str) -> Current | None:
        """The document in force; None where there is no such tenant."""
        try:
            return self.get(tenant)
        except RefusedError as error:
            if error.problem.code == "not-found":
                return None
            raise

    def put(self, tenant: str, document: Document, base: Current | None, reason: str) -> Document:
        """Put a document in force in the place of `base`, None: of nothing. The document with its defaults."""
        return _object(self._call("PUT", _path(tenant), document, {**_against(base), **_because(reason)}))

    def try_out(self, tenant: str, document: Document, base: Current | None) -> Document:
        """What a PUT would do: `document` with its defaults, and the `differing` ones of the last `decisions`."""
        return _object(self._call("PUT", _path(tenant) + "?dry_run=true", document, _against(base)))

    def delete(self, tenant: str, base: Current, reason: str) -> None:
        """End the tenant."""
        self._call("DELETE", _path(tenant), None, {**_against(base), **_because(reason)})

    def history(self, tenant: str) -> Iterator[Document]:
        """Its versions, newest first."""
        return self._pages(_path(tenant) + "/history", "versions")

    def roll_back(self, tenant: str, version: int, base: Current, reason: str) -> Document:
        """Put an earlier version in force again."""
        headers = {**_against(base), **_because(reason)}
        return _object(self._call("POST", _path(tenant) + "/rollback", {"version": version}, headers))

    def usage(self, tenant: str) -> Document:
        """What it has in S3, and what is reserved."""
        return _object(self._call("GET", _path(tenant) + "/usage"))

    def evaluate(self, tenant: str, question: Document) -> Document:
        """What would be decided on a request."""
        return _object(self._call("POST", _path(tenant) + "/evaluate", question))

    def keys(self, tenant: str) -> Sequence[Document]:
        """Its API keys, without their secrets."""
        return list(_object(self._call("GET", _path(tenant) + "/keys"))["keys"])

    def create_key(self, tenant: str, key: Document, reason: str) -> Document:
        """A new key with its secret, which is never told again."""
        return _object(self._call("POST", _path(tenant) + "/keys", key, _because(reason)))

    def revoke_key(self, tenant: str, key: str, reason: str) -> None:
        """End a key."""
        self._call("DELETE", f"{_path(tenant)}/keys/{quote(key, safe='')}", None, _because(reason))

    def _pages(self, path: str, member: str) -> Iterator[Document]:
        cursor: str | None = ""
        while cursor is not None:
            page = _object(self._call("GET", path + (f"?cursor={quote(cursor, safe='')}" if cursor else "")))
            yield from page[member]
            cursor = page["cursor"]

    def _call(
        self, method: str, path: str, body: Document | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        for renewed in (False, True):
            self._token = self._source() if self._token is None or renewed else self._token
            answer = self._sent(method, path, body, headers or {})
            if answer.status_code != 401:
                break
        if answer.is_success:
            return answer
        problem = problem_of(answer.status_code, answer.headers, answer.content)
        if problem.status in _PASSING:
            wait = "" if problem.retry_after is None else f" Try again in {problem.retry_after} s."
            raise UnavailableError(problem.sentence + wait)
        raise RefusedError(problem)

    def _sent(self, method: str, path: str, body: Document | None, headers: Mapping[str, str]) -> httpx.Response:
        sent = {**headers, "authorization": f"Bearer {self._token}"}
        try:
            return self._http.request(method, self._base + path, json=body, headers=sent)
        except httpx.RequestError as error:
            raise UnavailableError(f"{self._base} does not answer ({shown(str(error))}).") from None


def _path(tenant: str) -> str:
    return f"/admin/tenants/{quote(tenant, safe='')}"


def _against(base: Current | None) -> dict[str, str]:
    """The state that a change was made against: that of `base`, or that there is no such tenant."""
    return {"if-none-match": "*"} if base is None else {"if-match": base.etag}


def _because(reason: str) -> dict[str, str]:
    """Why, as RFC 8187 has it, since a header is ASCII."""
    return {"x-change-reason": f"UTF-8''{quote(reason, safe='')}"} if reason else {}


def _object(answer: httpx.Response) -> Document:
    try:
        value = json.loads(answer.content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UnavailableError(f"{answer.url.netloc.decode('ascii', 'replace')} answers, but not as a gateway does.")
    return value

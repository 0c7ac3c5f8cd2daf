"""`/files`: the first backend of the tenant's preference that can carry the request; not on AWS."""

from collections.abc import Mapping

from gateway.admission import Admission
from gateway.allowance import Caller
from gateway.asgi.front import PREFLIGHT, RequestIds, render
from gateway.asgi.wire import Application, Receive, Reply, Scope, Send, raw_request, send_reply
from gateway.intake import RawRequest, is_preflight
from gateway.policy.model import Backend, Carriage, Intent
from gateway.policy.problems import Refusal

BASE = "/files"


class FilesFront:
    """Asks the policy about each backend in turn and hands the request to the first that is granted (ASGI)."""

    def __init__(
        self,
        *,
        admission: Admission,
        carriages: Mapping[Backend, Carriage],
        backends: Mapping[Backend, Application],
        request_ids: RequestIds,
    ) -> None:
        self._admission = admission
        self._carriages = carriages
        self._backends = backends
        self._request_ids = request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        raw = raw_request(scope)
        request_id = self._request_ids(scope)
        chosen: Backend | Reply | Refusal = PREFLIGHT if is_preflight(raw) else await self._choose(raw, request_id)
        if isinstance(chosen, Backend):
            path = f"/{chosen}".encode("ascii") + scope["raw_path"].removeprefix(BASE.encode("ascii"))
            await self._backends[chosen]({**scope, "raw_path": path}, receive, send)
            return
        await send_reply(send, render(chosen, request_id))

    async def _choose(self, raw: RawRequest, request_id: str) -> Backend | Refusal:
        """The backend that can carry this request, or the last one's refusal."""
        intent = self._admission.read(raw, base=BASE, carriage=self._carriages[Backend.PROXY])
        if isinstance(intent, Refusal):
            return intent
        caller = await self._admission.caller(raw.headers, request_id=request_id)
        if isinstance(caller, Refusal):
            return caller
        return self._first_granted(raw, caller)

    def _first_granted(self, raw: RawRequest, caller: Caller) -> Backend | Refusal:
        last: tuple[Intent, Refusal] | None = None
        for backend in caller.policy.backends:
            intent = self._admission.read(raw, base=BASE, carriage=self._carriages[backend])
            if isinstance(intent, Refusal):
                return intent
            outcome = self._admission.judge(caller, intent)
            if not isinstance(outcome, Refusal):
                return backend
            last = intent, outcome
        if last is None:
            raise ValueError("A policy has at least one backend.")
        return self._admission.refused(caller, *last)

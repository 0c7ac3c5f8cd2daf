"""`POST /uploads`: from a request's body to a plan's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from gateway.allowance import Caller
from gateway.asgi.problems import RefusedError, invalid_body
from gateway.asgi.wire import Reply
from gateway.policy.problems import Fault, Refusal
from presigner.desk import Desk
from presigner.idempotency import idempotency_key, scope_of
from presigner.plans import CreateUpload, faults, wanted
from presigner.reading import Asked, gathered, granted, parse_body
from presigner.wire import accepts_gzip, fitting, json_reply

PATH: Final = "/uploads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """Makes plans of bodies for callers that are known (`presigner.front.Call`)."""

    desk: Desk

    method: ClassVar[str] = "POST"
    path: ClassVar[str] = PATH
    client: ClassVar[None] = None
    takes_query: ClassVar[bool] = False

    def problem_members(self, _refusal: Refusal) -> Mapping[str, str]:
        """None of its own."""
        return {}

    async def reply(self, caller: Caller, asked: Asked) -> Reply:
        """The plan, as it goes out; raises RefusedError."""
        key = granted(idempotency_key(asked.headers))
        body = parse_body(await gathered(asked.chunks), CreateUpload)
        if found := faults(body, caller.policy):
            raise RefusedError(invalid_body(*found))
        whole = await self.desk.planner.whole(await self._made(caller, key, body))
        gzip = accepts_gzip(value for name, value in asked.headers if name.lower() == "accept-encoding")
        return json_reply(whole if gzip else fitting(whole, self.desk.most_bytes), status=201, gzip=gzip)

    async def _made(self, caller: Caller, key: str | None, body: CreateUpload) -> dict[str, Any]:
        desk = self.desk

        async def plan() -> dict[str, Any] | Refusal:
            return await desk.planner.plan(caller, wanted(body, caller.policy, desk.admission.minted()))

        if key is None:
            return granted(await plan())
        if desk.replays is None:
            raise RefusedError(invalid_body(Fault("/headers/idempotency-key", "This gateway remembers no keys.")))
        return dict(granted(await desk.replays.once(scope_of(caller.principal), key, body.model_dump(), plan)))

"""`GET /s3/params`: how to send one file whole, in Companion's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

from gateway.allowance import Caller
from gateway.asgi.problems import RefusedError, invalid_body
from gateway.asgi.wire import Reply
from gateway.policy.problems import Fault, Refusal
from presigner.desk import Desk
from presigner.planner import LIFETIME
from presigner.reading import Asked, granted
from presigner.upload import Strategy
from presigner.uppy.asked import UPPY, demand, faults, queried, query_faults, single_strategy, wanted
from presigner.uppy.rendering import said_twice
from presigner.wire import json_reply

_NO_FORM: Final = (
    "The tenant never overwrites, which a form can't promise, and this client sends nothing else. "
    "Let it send in parts, or begin the upload with POST /uploads."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """A form that S3 holds to the tenant's bounds, else a PUT (`presigner.front.Call`)."""

    desk: Desk

    method: ClassVar[str] = "GET"
    path: ClassVar[str] = "/s3/params"
    client: ClassVar[str] = UPPY
    takes_query: ClassVar[bool] = True

    def problem_members(self, refusal: Refusal) -> Mapping[str, str]:
        """Those that Uppy shows."""
        return said_twice(refusal)

    async def reply(self, caller: Caller, asked: Asked) -> Reply:
        """The plan, as it goes out; raises RefusedError."""
        pairs = parse_qsl(asked.query.decode("latin-1"), keep_blank_values=True)
        demand(query_faults(pairs))
        question = queried(pairs)
        demand(faults(question, caller.policy))
        strategy = single_strategy(caller.policy)
        if strategy is Strategy.PUT and asked.by_ticket:
            raise RefusedError(invalid_body(Fault("", _NO_FORM)))  # only Uppy 6 needs tickets, and it posts forms only
        minted = self.desk.admission.minted()
        plan = await self.desk.planner.plan(caller, wanted(question, caller.policy, minted, strategy))
        return json_reply(_answer(granted(plan)))


def _answer(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan for one request in Uppy's words."""
    said = {"method": plan["method"], "url": plan["url"], "expires": plan[LIFETIME]}
    return {**said, "fields": plan["fields"]} if plan["fields"] else {**said, "headers": plan["headers"]}

"""Where every call of the upload API begins: who calls, may they, and whose upload it is."""

from dataclasses import dataclass
from typing import Final

from fastapi import Request

from gateway.admission import Admission
from gateway.allowance import Caller
from gateway.asgi.problems import RefusedError
from gateway.asgi.verified import verified
from gateway.policy.problems import Code, Refusal
from presigner.access import opened, permitted
from presigner.completion import Completer
from presigner.idempotency import Replays
from presigner.life import Life
from presigner.planner import Planner
from presigner.reading import granted, headers_of, request_id_of
from presigner.sealing import Sealer
from presigner.upload import PURPOSE, Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What serves the upload API; without `replays` an `Idempotency-Key` is refused rather than ignored.

    Without `life` and `completer` the routes of an upload that was begun are not there. `most_bytes` is the most that
    an answer may have; one that lists parts lists as many as fit.
    """

    admission: Admission
    planner: Planner
    sealer: Sealer
    replays: Replays | None
    life: Life | None
    completer: Completer | None
    most_bytes: int | None = None

    async def caller(self, request: Request, *, client: str | None = None) -> Caller:
        """Who calls, and may they; raises RefusedError.

        `client` is the kind of client that a route is for, where the tenant must list it.
        """
        headers, request_id = headers_of(request), request_id_of(request)
        caller = granted(await self.admission.caller(headers, request_id=request_id, verified=verified(request.scope)))
        request.state.caller = caller  # a refusal on its way out is written down (`gateway.asgi.problems`)
        if refusal := permitted(caller, client):
            raise RefusedError(refusal)
        return caller

    async def own(self, request: Request, sealed: str, *, client: str | None = None) -> tuple[Caller, Upload]:
        """The caller and the upload of theirs that the path names, with a token of the rate; raises RefusedError."""
        caller = await self.caller(request, client=client)
        return caller, await self.upload(caller, sealed)

    async def upload(self, caller: Caller, sealed: str, purpose: str = PURPOSE) -> Upload:
        """The caller's own upload of this id, with a token of the rate; raises RefusedError."""
        upload = granted(opened(sealed, caller, self.sealer, self.planner.clock(), purpose))
        await self.pace(caller)
        return upload

    async def pace(self, caller: Caller) -> None:
        """Take a token of the caller's rate; raises RefusedError where there is none."""
        if refusal := await self.admission.pace(caller):
            raise RefusedError(refusal)


NO_QUERY: Final = Refusal(code=Code.QUERY_NOT_ALLOWED, detail="This call has no such query parameters.")


def demand_query(request: Request, *known: str) -> None:
    """Raise RefusedError for a query parameter that is not one of those the call has."""
    if request.url.query and (not known or set(request.query_params) - set(known)):
        raise RefusedError(NO_QUERY)

"""How a refusal reaches Uppy: the same problem, with the two members from which it takes the sentence for its user.

Uppy 4 and 5 show `message` of any 4xx answer that is JSON, and take `error` in it for failure; 6 shows neither.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from gateway.policy.problems import Refusal
from presigner.problems import RefusedError
from presigner.reading import request_id_of


def sentence(refusal: Refusal) -> str:
    """What the user reads: what is wrong in particular, where that is said."""
    return " ".join(dict.fromkeys(fault.detail for fault in refusal.errors)) or refusal.detail


class SaidTwice(APIRoute):
    """A route whose problems say `error` and `message`, too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's own handler, its refusals rendered here."""
        answer = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await answer(request)
            except RefusedError as error:
                return _rendered(error.refusal, request_id_of(request))

        return answered


def _rendered(refusal: Refusal, request_id: str) -> Response:
    said = sentence(refusal)
    body = {**refusal.body(request_id), "error": said, "message": said}
    headers = dict(refusal.response_headers())
    return Response(json.dumps(body, ensure_ascii=False), status_code=refusal.status, headers=headers)

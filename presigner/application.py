"""The presigner as one FastAPI application: the upload API and the redirect, with every error a problem."""

import functools
import json
from collections.abc import Iterable

from fastapi import APIRouter, FastAPI, Response

from gateway.asgi.problems import install
from gateway.journal import Journal


def create_application(
    routers: Iterable[APIRouter], journal: Journal | None = None, *, public_url: str | None = None
) -> FastAPI:
    """An application of these routes and their schema at `/openapi.json`; drawing it is a page's business.

    `public_url` is where clients reach it, if the schema is to say so.
    """
    application = FastAPI(
        title="upload-gateway",
        summary="Uploads to S3 for people you do not trust.",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=None if public_url is None else [{"url": public_url}],
    )
    for router in routers:
        application.include_router(router)
    _describe(application)
    install(application, journal)
    return application


def _describe(application: FastAPI) -> None:
    """`/openapi.json`, written once: it is large, and anybody may ask for it as often as they like."""

    @functools.cache
    def written() -> bytes:
        return json.dumps(application.openapi(), ensure_ascii=False).encode()

    async def describe() -> Response:
        return Response(written(), media_type="application/json")

    application.add_api_route("/openapi.json", describe, include_in_schema=False)

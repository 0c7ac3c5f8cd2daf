"""The presigner as one FastAPI application: the upload API and the redirect, with every error a problem."""

from collections.abc import Iterable

from fastapi import APIRouter, FastAPI

from gateway.journal import Journal
from presigner.problems import install


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
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=None if public_url is None else [{"url": public_url}],
    )
    for router in routers:
        application.include_router(router)
    install(application, journal)
    return application

"""The pages people see: `/` to upload, `/console` for operators, `/docs` for programmers, and what they load.

Owns which files there are (a closed table read once from the bundle, so no path leads anywhere else) and the headers
that hold a browser to them: a Content-Security-Policy without inline code and without other hosts. The bundle is made
by hatch_build.py; a source tree that has none yet answers `not-found` and says how to make one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, Self

from fastapi import APIRouter, Request, Response

from gateway.asgi.problems import RefusedError
from gateway.policy.problems import Code, Refusal
from presigner.wire import accepts_gzip

_MEDIA_TYPES: Final[Mapping[str, str]] = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}

_HARDENING: Final[Mapping[str, str]] = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_NOT_BUILT: Final = Refusal(
    code=Code.NOT_FOUND, detail="This installation has no pages: they are built by `make web` and are in every wheel."
)
_NO_ASSET: Final = Refusal(code=Code.NOT_FOUND, detail="There is nothing at this path.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the bundle, and what it may do beyond loading its own script and style.

    `reaches_storage`: it sends to S3. `draws_data`: it has images in data: URLs. `trusted_types`: it never turns text
    into HTML (W3C Trusted Types), and the browser holds it to that.
    """

    path: str
    file: str
    reaches_storage: bool = False
    draws_data: bool = False
    trusted_types: bool = True

    def policy(self, storage_origin: str) -> str:
        """The Content-Security-Policy (CSP Level 3)."""
        sources = {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' data:" if self.draws_data else "'self'",
            "connect-src": f"'self' {storage_origin}" if self.reaches_storage else "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        if self.trusted_types:
            sources |= {"require-trusted-types-for": "'script'", "trusted-types": "'none'"}
        return "; ".join(f"{directive} {source}" for directive, source in sources.items())


PAGES: Final = (
    Page(path="/", file="upload.html", reaches_storage=True),
    Page(path="/console", file="console.html"),
    Page(path="/docs", file="docs.html", draws_data=True, trusted_types=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Every file of the built pages by its name; empty where nothing was built."""

    pages: Mapping[str, bytes]
    assets: Mapping[str, bytes]

    @classmethod
    def read(cls, root: Traversable | None = None) -> Self:
        """The bundle in `root`, else the one that this installation carries."""
        root = files("gateway") / "web" / "dist" if root is None else root
        return cls(pages=_contents(root), assets=_contents(root / "assets"))


def page_routes(bundle: Bundle, *, storage_origin: str) -> APIRouter:
    """The routes of the pages and of `/assets/…`; `storage_origin` is where browsers reach S3."""
    router = APIRouter(include_in_schema=False)

    def route(page: Page) -> None:
        headers = {
            "content-security-policy": page.policy(storage_origin),
            "cache-control": "no-cache",
            **_HARDENING,
        }

        async def show() -> Response:
            body = bundle.pages.get(page.file)
            if body is None:
                raise RefusedError(_NOT_BUILT)
            return Response(body, headers=headers, media_type=_MEDIA_TYPES["html"])

        router.add_api_route(page.path, show, methods=["GET", "HEAD"])

    for page in PAGES:
        route(page)

    @router.api_route("/assets/{name}", methods=["GET", "HEAD"])
    async def asset(name: str, request: Request) -> Response:
        body = bundle.assets.get(name)
        media_type = _MEDIA_TYPES.get(name.rpartition(".")[2])
        if body is None or media_type is None:
            raise RefusedError(_NO_ASSET if bundle.assets else _NOT_BUILT)
        # The name carries a hash of the content, so what is under it never changes.
        headers = {"cache-control": "public, max-age=31536000, immutable", "vary": "Accept-Encoding", **_HARDENING}
        packed = bundle.assets.get(f"{name}.gz")
        if packed is not None and accepts_gzip(request.headers.getlist("accept-encoding")):
            return Response(packed, headers={**headers, "content-encoding": "gzip"}, media_type=media_type)
        return Response(body, headers=headers, media_type=media_type)

    return router


def _contents(folder: Traversable) -> Mapping[str, bytes]:
    """The files of a folder by name; none where there is no such folder."""
    if not folder.is_dir():
        return {}
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}

"""Cross-origin pages: which origins may call, with what, and what their scripts may read. Pure; no front is known here.

The rules are those of the Fetch Standard ("CORS protocol"). An origin is allowed exactly or not at all: there is no
wildcard, because answers allow credentials, and no `null`, which any sandboxed page can send. An origin that is not
allowed is answered like any other caller; it is the browser that then keeps the answer from the page.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

Headers = tuple[tuple[str, str], ...]

MAX_AGE: Final = 7200
"""Seconds a browser may remember a preflight's answer: the most that Chromium takes (Firefox: a day)."""

_REQUESTED_METHOD: Final = "access-control-request-method"
_REQUESTED_HEADERS: Final = "access-control-request-headers"
_PREFLIGHT_VARY: Final = f"Origin, {_REQUESTED_METHOD}, {_REQUESTED_HEADERS}"

_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

CHECKSUM_HEADERS: Final = tuple(f"x-amz-checksum-{name}" for name in ("crc32", "crc32c", "crc64nvme", "sha1", "sha256"))

EXPOSED: Final = (
    "ETag",
    "Location",
    "Content-Location",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "WWW-Authenticate",
    "X-Request-Id",
    "x-amz-version-id",
    "x-amz-checksum-type",
    *CHECKSUM_HEADERS,
)
"""What a page's script may read of an answer of the gateway's."""


def origin(text: str) -> str:
    """The origin as a browser writes it (RFC 6454 section 6.2): `https://app.example`, lower case, no default port.

    Anything but http or https, a host in ASCII and perhaps a port is a `ValueError` with a sentence.
    """
    parts = urlsplit(text.lower().removesuffix("/"))
    if text in {"*", "null"}:
        raise ValueError(f"{text!r} can't be allowed as an origin: name each origin.")
    if parts.scheme not in _DEFAULT_PORTS or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{text!r} is no origin: it is http:// or https://, a host and perhaps a port.")
    host, port = _host(parts.netloc), parts.port
    if not _HOST.fullmatch(host):
        raise ValueError(f"{text!r} has no host that a browser would send; write other scripts as xn--….")
    return f"{parts.scheme}://{host}" + ("" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}")


def _host(authority: str) -> str:
    return re.sub(r":[0-9]*$", "", authority)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What a page may send to one part of the gateway: methods, headers by name and by prefix (lower case)."""

    methods: tuple[str, ...]
    headers: frozenset[str]
    prefixes: tuple[str, ...] = ()

    def takes(self, header: str) -> bool:
        """Whether a page may send this header (lower case)."""
        return header in self.headers or header.startswith(self.prefixes or ("\n",))


_CREDENTIALS: Final = frozenset({"authorization", "x-api-key"})

UPLOADS: Final = Calls(
    methods=("PUT",),
    headers=_CREDENTIALS
    | {
        "cache-control",
        "content-digest",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "content-type",
        "expires",
        "if-none-match",
        "repr-digest",
        *CHECKSUM_HEADERS,
    },
    prefixes=("x-amz-meta-",),
)
"""What a PUT may carry; whether its tenant takes them is the policy's to say, in a problem that the page can read."""

API: Final = Calls(
    methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
    headers=_CREDENTIALS
    | {
        "accept",
        "cache-control",
        "content-type",
        "idempotency-key",
        "if-match",
        "if-none-match",
        "uppy-auth-token",
        "uppy-credentials-params",
        "uppy-versions",
        "x-requested-with",
    },
)
"""What the upload API, Uppy's paths and the admin API take; the headers of Uppy's own are ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """The origins whose pages may call; none: no page of another origin, and no CORS header on any answer."""

    origins: frozenset[str] = frozenset()

    @classmethod
    def of(cls, origins: Iterable[str]) -> Self:
        """These origins as an operator wrote them; raises ValueError with a sentence for the first that is none."""
        return cls(origins=frozenset(map(origin, origins)))

    def headers(self, request: Iterable[tuple[str, str]]) -> Headers:
        """What an answer says to the page that sent a request with these headers (names in any case)."""
        if not self.origins:
            return ()
        return self._answer(_only(request, "origin"))

    def _answer(self, sender: str | None) -> Headers:
        if sender not in self.origins:
            return (("vary", "Origin"),)
        return (*_allowed(sender), ("access-control-expose-headers", ", ".join(EXPOSED)), ("vary", "Origin"))

    def preflight(self, method: str, request: Iterable[tuple[str, str]], calls: Calls) -> Headers | None:
        """The headers of the answer to a preflight; None for a request that is none, or where no origin may call."""
        pairs = tuple(request)
        sender, wanted = _only(pairs, "origin"), _only(pairs, _REQUESTED_METHOD)
        if method != "OPTIONS" or not self.origins or sender is None or wanted is None:
            return None
        vary = ("vary", _PREFLIGHT_VARY)
        if sender not in self.origins:
            return (vary,)
        names = [name.strip().lower() for name in (_only(pairs, _REQUESTED_HEADERS) or "").split(",")]
        taken = ", ".join(name for name in names if calls.takes(name))
        return (
            *_allowed(sender),
            ("access-control-allow-methods", ", ".join(calls.methods)),
            *((("access-control-allow-headers", taken),) if taken else ()),
            ("access-control-max-age", str(MAX_AGE)),
            vary,
        )


NO_PAGES: Final = Cors()
"""No page of another origin may call."""


def _allowed(sender: str) -> Headers:
    """Pages that send cookies for something before the gateway can read answers, too: the gateway itself reads none."""
    return (("access-control-allow-origin", sender), ("access-control-allow-credentials", "true"))


def _only(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    """The header's value where it is there exactly once."""
    values = [value.strip(" \t") for key, value in headers if key.lower() == name]
    return values[0] if len(values) == 1 else None

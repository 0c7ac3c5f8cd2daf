"""What AWS's S3 refuses and SeaweedFS takes: rules over a request's head, each with S3's own status and code.

Pure: bytes in, a refusal or nothing out. Sources: "Error responses" and "Authenticating Requests" (S3 API Reference),
"Creating object key names" (S3 User Guide); messages as the service words them. The tuple `RULES` is their order.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import unquote_to_bytes
from xml.sax.saxutils import escape

SINGLE_PUT_BYTES: Final = 5_368_709_120
"""S3 User Guide, "Uploading objects": 5 GB for one PUT or one part."""

KEY_BYTES: Final = 1024

_QUERY_SIGNATURES: Final = frozenset({"x-amz-algorithm", "x-amz-signature", "signature"})
_CHECKSUMS: Final = frozenset(f"x-amz-checksum-{name}" for name in ("crc32", "crc32c", "crc64nvme", "sha1", "sha256"))
_LENGTH: Final = re.compile(r"[0-9]{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A request's head as it was on the wire: method, raw path and query, header pairs with names in lower case."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, raw: bytes) -> Self | None:
        """The head of what came up to the empty line; None if it is not one of HTTP/1.1."""
        request, *fields = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        words = request.split(" ")
        if len(words) != 3 or not words[1].startswith("/") or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
            return None
        pairs = [field.partition(":") for field in fields]
        if any(not colon or not name or name != name.strip() for name, colon, _ in pairs):
            return None
        path, _, query = words[1].partition("?")
        headers = tuple((name.lower(), value.strip()) for name, _, value in pairs)
        return cls(method=words[0], path=path, query=query, headers=headers)

    def values(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for header, value in self.headers if header == name]

    @property
    def parameters(self) -> dict[str, str]:
        """The query's parameters, names in lower case, decoded."""
        pairs = (part.partition("=") for part in self.query.split("&") if part)
        return {_decoded(name).lower(): _decoded(value) for name, _, value in pairs}

    @property
    def authorization(self) -> str | None:
        """The Authorization header, if there is one."""
        return next(iter(self.values("authorization")), None)

    @property
    def length(self) -> int | None:
        """The declared length in bytes; None if it is absent or not one number."""
        lengths = self.values("content-length")
        return int(lengths[0]) if len(lengths) == 1 and _LENGTH.fullmatch(lengths[0]) else None

    @property
    def presigned(self) -> bool:
        """Whether the query carries a signature."""
        return not _QUERY_SIGNATURES.isdisjoint(self.parameters)

    @property
    def is_form(self) -> bool:
        """Whether this is a browser's form, which carries its signature in its fields."""
        return self.method == "POST" and any(v.startswith("multipart/form-data") for v in self.values("content-type"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """S3's answer to a request that it does not take; `details` are further elements of its XML."""

    status: int
    reason: str
    code: str
    message: str
    details: tuple[tuple[str, str], ...] = ()

    def body(self) -> bytes:
        """The error document (S3 API Reference, "REST error responses")."""
        elements = (("Code", self.code), ("Message", self.message), *self.details)
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in elements)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


def _bad(code: str, message: str, *details: tuple[str, str]) -> Denial:
    return Denial(status=400, reason="Bad Request", code=code, message=message, details=details)


def _forbidden(message: str, *details: tuple[str, str]) -> Denial:
    return Denial(status=403, reason="Forbidden", code="AccessDenied", message=message, details=details)


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace")


def two_signatures(head: Head) -> Denial | None:
    """One request, one authentication; the token that a client forgot to drop at a redirect counts as one."""
    if head.authorization is None or not head.presigned:
        return None
    return _bad(
        "InvalidArgument",
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter "
        "or the Authorization header should be specified",
        ("ArgumentName", "Authorization"),
        # AWS repeats the whole value; a token is nobody's to repeat, so the scheme stands for it.
        ("ArgumentValue", head.authorization.partition(" ")[0]),
    )


def foreign_scheme(head: Head) -> Denial | None:
    """Only AWS's own schemes are an Authorization."""
    if head.authorization is None or head.authorization.startswith(("AWS4-HMAC-SHA256", "AWS ")):
        return None
    scheme = head.authorization.partition(" ")[0]
    details = (("ArgumentName", "Authorization"), ("ArgumentValue", scheme))
    return _bad("InvalidArgument", "Unsupported Authorization Type", *details)


def anonymous(head: Head) -> Denial | None:
    """A private bucket takes nothing unsigned."""
    return None if head.authorization or head.presigned or head.is_form else _forbidden("Access Denied")


def unsigned_headers(head: Head) -> Denial | None:
    """Every `x-amz-*` header that is sent must be among the signed ones."""
    if head.presigned:
        names = head.parameters.get("x-amz-signedheaders")
    else:
        found = re.search(r"SignedHeaders=([^,\s]*)", head.authorization or "")
        names = None if found is None else found[1]
    if names is None:  # a form, or an older signature, which names no headers
        return None
    signed = set(names.split(";"))
    missing = sorted({name for name, _ in head.headers if name.startswith("x-amz-") and name not in signed})
    if not missing:
        return None
    message = "There were headers present in the request which were not signed"
    return _forbidden(message, ("HeadersNotSigned", ", ".join(missing)))


def transfer_encoding(head: Head) -> Denial | None:
    """S3 implements no chunked request bodies but its own, which say their length."""
    if not head.values("transfer-encoding"):
        return None
    return Denial(
        status=501,
        reason="Not Implemented",
        code="NotImplemented",
        message="A header you provided implies functionality that is not implemented",
        details=(("Header", "Transfer-Encoding"),),
    )


def missing_length(head: Head) -> Denial | None:
    """A body's length must be said before it."""
    if head.method not in ("PUT", "POST") or head.length is not None:
        return None
    if head.values("content-length"):
        return _bad("InvalidRequest", "Content-Length must be one non-negative number")
    return Denial(
        status=411,
        reason="Length Required",
        code="MissingContentLength",
        message="You must provide the Content-Length HTTP header.",
    )


def too_large(head: Head) -> Denial | None:
    """One PUT, of an object or of a part, has a largest size."""
    if head.method != "PUT" or (head.length or 0) <= SINGLE_PUT_BYTES:
        return None
    return _bad(
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
        ("ProposedSize", str(head.length)),
        ("MaxSizeAllowed", str(SINGLE_PUT_BYTES)),
    )


def key_too_long(head: Head) -> Denial | None:
    """A key is at most 1,024 bytes of UTF-8; the path is `/bucket/key`."""
    key = unquote_to_bytes(head.path[1:].partition("/")[2])
    if len(key) <= KEY_BYTES:
        return None
    details = (("Size", str(len(key))), ("MaxSizeAllowed", str(KEY_BYTES)))
    return _bad("KeyTooLongError", "Your key is too long", *details)


def many_checksums(head: Head) -> Denial | None:
    """One request, one checksum (SeaweedFS verifies the first it knows and stays silent about the rest)."""
    if len(_CHECKSUMS.intersection(name for name, _ in head.headers)) < 2:
        return None
    message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
    return _bad("InvalidRequest", message)


def conditional_value(head: Head) -> Denial | None:
    """A conditional PUT knows `If-None-Match: *` alone (S3 User Guide, "Conditional writes")."""
    if head.method != "PUT" or all(value == "*" for value in head.values("if-none-match")):
        return None
    return Denial(
        status=501,
        reason="Not Implemented",
        code="NotImplemented",
        message="A header you provided implies functionality that is not implemented",
        details=(("Header", "If-None-Match"),),
    )


RULES: Final[tuple[Callable[[Head], Denial | None], ...]] = (
    two_signatures,
    foreign_scheme,
    anonymous,
    unsigned_headers,
    transfer_encoding,
    missing_length,
    too_large,
    key_too_long,
    many_checksums,
    conditional_value,
)


def refuse(head: Head) -> Denial | None:
    """The first rule's refusal, or None for what S3 would look at; preflights carry no signature and pass."""
    if head.method == "OPTIONS":
        return None
    return next((denial for rule in RULES if (denial := rule(head))), None)

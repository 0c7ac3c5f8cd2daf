"""The catalogue of problems: every way the gateway can say no, once.

A problem's code, status and title live here and nowhere else; a rule that refuses names the code and
adds the sentence for this request. Rendering (RFC 9457) is a plain mapping, so that every front, with or
without a framework, says the same words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

TYPE_PREFIX: Final = "urn:upload-gateway:problem:"
MEDIA_TYPE: Final = "application/problem+json"

INTERNAL_DETAIL: Final = "This is a defect of the gateway; its operator can find it by the id in 'instance'."
"""All that a client learns of an `internal` problem."""


class Code(StrEnum):
    """The problem codes of the wire contract; the value is what a client sees after the type prefix."""

    TOKEN_MISSING = "token-missing"  # noqa: S105 - a problem code
    TOKEN_INVALID = "token-invalid"  # noqa: S105 - a problem code
    TOKEN_EXPIRED = "token-expired"  # noqa: S105 - a problem code
    SCOPE_MISSING = "scope-missing"
    TENANT_UNKNOWN = "tenant-unknown"
    TENANT_SUSPENDED = "tenant-suspended"
    BACKEND_NOT_ALLOWED = "backend-not-allowed"
    NAME_INVALID = "name-invalid"
    NAME_NOT_ALLOWED = "name-not-allowed"
    QUERY_NOT_ALLOWED = "query-not-allowed"
    HEADER_NOT_ALLOWED = "header-not-allowed"
    CHECKSUM_REQUIRED = "checksum-required"
    CHECKSUM_MISMATCH = "checksum-mismatch"
    REQUEST_INVALID = "request-invalid"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    NOT_FOUND = "not-found"
    LENGTH_REQUIRED = "length-required"
    SIZE_EXCEEDS_LIMIT = "size-exceeds-limit"
    SIZE_BELOW_MINIMUM = "size-below-minimum"
    TYPE_NOT_ALLOWED = "type-not-allowed"
    TYPE_MISMATCH = "type-mismatch"
    CONTENT_MISMATCH = "content-mismatch"
    OBJECT_EXISTS = "object-exists"
    UPLOAD_NOT_FOUND = "upload-not-found"
    UPLOAD_INCOMPLETE = "upload-incomplete"
    IDEMPOTENCY_CONFLICT = "idempotency-conflict"
    PRECONDITION_REQUIRED = "precondition-required"
    PRECONDITION_FAILED = "precondition-failed"
    REQUEST_TIMEOUT = "request-timeout"
    REQUEST_TOO_LONG = "request-too-long"
    RATE_LIMITED = "rate-limited"
    QUOTA_EXCEEDED = "quota-exceeded"
    STORAGE_UNAVAILABLE = "storage-unavailable"
    IDENTITY_UNAVAILABLE = "identity-unavailable"
    INTERNAL = "internal"


CATALOGUE: Final[Mapping[Code, tuple[int, str]]] = {
    Code.TOKEN_MISSING: (401, "A credential is required"),
    Code.TOKEN_INVALID: (401, "The credential is not valid"),
    Code.TOKEN_EXPIRED: (401, "The credential has expired"),
    Code.SCOPE_MISSING: (403, "The credential does not allow uploads"),
    Code.TENANT_UNKNOWN: (403, "The credential belongs to no tenant"),
    Code.TENANT_SUSPENDED: (403, "The tenant is suspended"),
    Code.BACKEND_NOT_ALLOWED: (403, "The tenant may not use this backend"),
    Code.NAME_INVALID: (400, "The name can't become an object key"),
    Code.NAME_NOT_ALLOWED: (400, "The tenant does not allow this name"),
    Code.QUERY_NOT_ALLOWED: (400, "A query string is not allowed"),
    Code.HEADER_NOT_ALLOWED: (400, "A header is not allowed"),
    Code.CHECKSUM_REQUIRED: (400, "A checksum is required"),
    Code.CHECKSUM_MISMATCH: (400, "The bytes do not match the checksum"),
    Code.REQUEST_INVALID: (400, "The request is not valid"),
    Code.METHOD_NOT_ALLOWED: (405, "The method is not allowed"),
    Code.NOT_FOUND: (404, "There is nothing here"),
    Code.LENGTH_REQUIRED: (411, "Content-Length is required"),
    Code.SIZE_EXCEEDS_LIMIT: (413, "The upload is too large"),
    Code.SIZE_BELOW_MINIMUM: (400, "The upload is too small"),
    Code.TYPE_NOT_ALLOWED: (415, "The tenant does not allow this type"),
    Code.TYPE_MISMATCH: (415, "The extension does not belong to the type"),
    Code.CONTENT_MISMATCH: (422, "The bytes are not what was declared"),
    Code.OBJECT_EXISTS: (412, "An object of this name exists"),
    Code.UPLOAD_NOT_FOUND: (404, "There is no such upload"),
    Code.UPLOAD_INCOMPLETE: (409, "The upload is not complete"),
    Code.IDEMPOTENCY_CONFLICT: (409, "The idempotency key was used for another request"),
    Code.PRECONDITION_REQUIRED: (428, "A precondition is required"),
    Code.PRECONDITION_FAILED: (412, "The precondition does not hold"),
    Code.REQUEST_TIMEOUT: (408, "The request took too long"),
    Code.REQUEST_TOO_LONG: (431, "The request's head is too long"),
    Code.RATE_LIMITED: (429, "Too many requests"),
    Code.QUOTA_EXCEEDED: (429, "The tenant's quota is used up"),
    Code.STORAGE_UNAVAILABLE: (503, "Storage is not available"),
    Code.IDENTITY_UNAVAILABLE: (503, "The credential can't be verified now"),
    Code.INTERNAL: (500, "Something went wrong on our side"),
}
"""Code to status and title. Where the contract gives two statuses (414 or 431), a `Refusal` overrides it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a document or a body.

    `pointer` is an RFC 6901 JSON pointer into what was sent, `detail` a sentence for a person.
    """

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that will not be served: a value until a front renders it.

    `detail` is a sentence for the person who sent the request; it names nothing that the request or its
    credential did not. `limit` is in bytes, `retry_after` in seconds, `headers` are response headers that belong
    to this refusal (`Allow`, `WWW-Authenticate`). `outcome_unknown`: the object may have been stored all the same.
    """

    code: Code
    detail: str
    limit: int | None = None
    retry_after: int | None = None
    errors: tuple[Fault, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    status_override: int | None = field(default=None, repr=False)
    outcome_unknown: bool = field(default=False, repr=False)

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return self.status_override or CATALOGUE[self.code][0]

    @property
    def title(self) -> str:
        """The code's one title."""
        return CATALOGUE[self.code][1]

    def body(self, instance: str) -> dict[str, Any]:
        """The RFC 9457 members, `instance` being the request id."""
        members: dict[str, Any] = {
            "type": TYPE_PREFIX + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        if self.limit is not None:
            members["limit"] = self.limit
        if self.errors:
            members["errors"] = [{"pointer": f.pointer, "detail": f.detail} for f in self.errors]
        return members

    def response_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers the answer must carry beside the request id: type, no-store, `Retry-After`, its own."""
        retry = () if self.retry_after is None else (("retry-after", str(self.retry_after)),)
        return (("content-type", MEDIA_TYPE), ("cache-control", "no-store"), *retry, *self.headers)

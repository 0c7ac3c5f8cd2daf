"""The permission to store one object: what a backend enacts, and all that it may.

A grant can't be built outside this room: its constructor wants a token that only `decide` holds. What S3 must see is
said once, in `Grant.s3_headers`; a presigner signs those headers, a proxy sends them, the edge sets them.
"""

from dataclasses import InitVar, dataclass, fields
from typing import Final, Never, final

from gateway.policy.headers import METADATA_PREFIX
from gateway.policy.model import Backend, Checksum, ObjectKey, TenantId

MINT: Final = object()
"""Held by `gateway.policy.decide` alone (a test holds the rest of the code to it)."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One upload that may happen, with every bound that S3 is to enforce.

    `size` is in bytes: exact, unless `least` is lower because the client did not say it; then they are the bounds that
    S3 is to hold it to. `content_type` is verbatim, None to send none. `url_lifetime` is in seconds.
    `subject` and `issuer` say who asked. Raises TypeError when built outside the policy room, copied, pickled or
    subclassed: a changed grant is one that nobody decided.
    """

    tenant: TenantId
    issuer: str
    subject: str
    backend: Backend
    name: str
    key: ObjectKey
    least: int
    size: int
    content_type: str | None
    checksum: Checksum | None
    create_only: bool
    metadata: tuple[tuple[str, str], ...]
    object_headers: tuple[tuple[str, str], ...]
    url_lifetime: int
    mint: InitVar[object]

    def __post_init__(self, mint: object) -> None:
        if mint is not MINT:
            raise TypeError("A Grant is made by decide() only.")

    def __init_subclass__(cls) -> Never:
        raise TypeError("A Grant has no subclasses, which could leave out its check.")

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("A Grant is neither copied nor pickled, because neither goes through its check.")

    @property
    def exact(self) -> bool:
        """Whether the size is known to the byte."""
        return self.least == self.size

    def within(self, most: int) -> "Grant":
        """The same permission for at most `most` bytes; what would widen it, or leave no size at all, is a ValueError.

        For room that is smaller than what was granted: narrowing needs no second decision.
        """
        if most == self.size:
            return self
        if not self.least <= most < self.size:
            raise ValueError("a grant is only narrowed, and not below its least size")
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Grant(**{**values, "size": most}, mint=MINT)

    def s3_headers(self) -> tuple[tuple[str, str], ...]:
        """The exact headers S3 must see, lower-case names, `content-length` first; nothing else may be added.

        A length that is not exact can't be said in a header.
        """
        headers = [("content-length", str(self.size))] if self.exact else []
        if self.content_type is not None:
            headers.append(("content-type", self.content_type))
        if self.checksum is not None:
            headers.append((self.checksum.header, self.checksum.value))
        if self.create_only:
            headers.append(("if-none-match", "*"))
        headers += self.object_headers
        headers += ((METADATA_PREFIX + key, value) for key, value in self.metadata)
        return tuple(headers)

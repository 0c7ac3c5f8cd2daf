"""The permission to store one object: what a backend enacts, and all that it may.

A grant can't be built outside this room: its constructor wants a token that only `decide` holds. What S3 must see is
said once, in `Grant.s3_headers`; a presigner signs those headers, a proxy sends them, the edge sets them.
"""

from dataclasses import InitVar, dataclass
from typing import Final, Never, final

from gateway.policy.headers import METADATA_PREFIX
from gateway.policy.model import Backend, Checksum, ObjectKey, TenantId

MINT: Final = object()
"""Held by `gateway.policy.decide` alone (a test holds the rest of the code to it)."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One upload that may happen, with every bound that S3 is to enforce.

    `size` is exact, in bytes. `content_type` is verbatim, None to send none. `url_lifetime` is in seconds.
    `subject` and `issuer` say who asked. Raises TypeError when built outside the policy room, copied, pickled or
    subclassed: a changed grant is one that nobody decided.
    """

    tenant: TenantId
    issuer: str
    subject: str
    backend: Backend
    name: str
    key: ObjectKey
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

    def s3_headers(self) -> tuple[tuple[str, str], ...]:
        """The exact headers S3 must see, lower-case names, `content-length` first; nothing else may be added."""
        headers = [("content-length", str(self.size))]
        if self.content_type is not None:
            headers.append(("content-type", self.content_type))
        if self.checksum is not None:
            headers.append((self.checksum.header, self.checksum.value))
        if self.create_only:
            headers.append(("if-none-match", "*"))
        headers += self.object_headers
        headers += ((METADATA_PREFIX + key, value) for key, value in self.metadata)
        return tuple(headers)

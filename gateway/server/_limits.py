"""What one connection may cost: the limits of the HTTP front, in one frozen value.

Owns the numbers and where they come from; enforcing them is `_head`, `_framing`, `_deadlines` and `_connection`.
"""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Limits of the HTTP front. Sizes are bytes, durations seconds; every one must be positive (`ValueError`).

    Attributes:
        max_target_bytes: the request target; more is 414 (RFC 9112 section 3 recommends at least 8000).
        max_head_bytes: request line and headers together; more is 431 (RFC 6585 section 5).
        max_headers: header lines; more is 431 (Apache's default is 100, too).
        header_deadline: from the first byte (on a new connection: from its start) to the end of the head.
        keep_alive: how long an idle connection is kept after an answer.
        body_idle: the longest silence inside a body while the gateway is reading.
        body_min_rate: bytes a second a body must arrive at on the whole, once `body_grace` is over.
        body_grace: seconds a slow body is given before `body_min_rate` counts.
        body_buffer: received and not yet taken by the application; from here on the socket is not read.
        write_idle: the longest time a client may leave the answer unread.
        max_connections: beyond it a connection is answered 429, beyond twice as many it is dropped.
        linger_bytes: discarded after a final answer, so that the client can read it without a reset.
        linger_seconds: the same in time (RFC 9112 section 9.6).
        reusable_rest: an unread rest of a body up to this size is discarded and the connection kept.
    """

    max_target_bytes: int = 8_192
    max_head_bytes: int = 32_768
    max_headers: int = 100
    header_deadline: float = 10.0
    keep_alive: float = 30.0
    body_idle: float = 30.0
    body_min_rate: float = 1_024.0
    body_grace: float = 30.0
    body_buffer: int = 65_536
    write_idle: float = 30.0
    max_connections: int = 1_024
    linger_bytes: int = 16_777_216
    linger_seconds: float = 10.0
    reusable_rest: int = 65_536

    def __post_init__(self) -> None:
        """Refuse a limit that is no limit."""
        wrong = [field.name for field in fields(self) if not getattr(self, field.name) > 0]
        if wrong:
            raise ValueError(f"must be positive: {', '.join(wrong)}")

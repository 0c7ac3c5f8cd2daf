"""Content: whether the first bytes of a body are what its `Content-Type` says, before the first of them goes on.

Pure and sans-I/O: bytes in, a sentence or nothing out. It tells formats apart by how they begin; it does not read
them, and a file that is a valid one of its kind may be something else as well further down.
"""

from typing import Final

from gateway.content.declared import formats_of
from gateway.content.formats import WEAK, look_of
from gateway.policy.media import essence

__all__ = ["HELD", "mismatch"]

HELD: Final[int] = 4096
"""How many first bytes are enough, in bytes: tar's header block (512), PDF's leading white space (1,024), brands of
ISO media (256), and enough of a body to tell text from what is none."""


def mismatch(content_type: str | None, head: bytes, *, whole: bool) -> str | None:
    """Why the bytes are not what was declared: a sentence with the type and what they look like; None if they are.

    `head` is the first `HELD` bytes of the body, or all of it; `whole` says that it is all. An absent or malformed
    type, one that has no signature, and an empty body are not checked. Never raises, whatever the bytes.
    """
    named = essence(content_type) if content_type is not None else None
    allowed = formats_of(named) if named is not None else None
    if allowed is None or (whole and not head):
        return None
    seen = bytes(head[:HELD])
    if any(each.test(seen) for each in allowed if each not in WEAK):
        return None
    look = look_of(seen)
    if look in allowed:
        return None
    words = "are no known type's" if look is None else f"look like {look.words}"
    return f"The body was declared as {named}, but its first bytes {words}."

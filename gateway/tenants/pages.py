"""One page of a listing and how to ask for the next; cursors are the store's own and opaque to everyone else."""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from gateway.tenants.errors import CursorError

MAX_PAGE: Final = 100
"""The most items of one page; DynamoDB's BatchGetItem takes as many (API reference)."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """Items in the listing's order, and the cursor of the next page, None at the end."""

    items: tuple[Item, ...]
    cursor: str | None


def page_size(limit: int) -> int:
    """`limit` within 1 to `MAX_PAGE`."""
    return min(max(limit, 1), MAX_PAGE)


def number_cursor(cursor: str | None) -> int | None:
    """The number that a cursor of a numbered listing is; raises CursorError."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise CursorError("the cursor is not one of this listing")
    return int(cursor)

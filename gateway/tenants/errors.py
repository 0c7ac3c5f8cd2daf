"""What can go wrong with a store, other than an expected answer (those are values).

StoreError
├── StoreUnavailableError   it does not answer now; also an OSError, so that a cache knows it may serve what it has
└── StoreVersionError       the file or table was made by a newer version of the gateway
CursorError                 a cursor that no page of ours gave; also a ValueError
"""


class StoreError(Exception):
    """A store can't do its work."""


class StoreUnavailableError(StoreError, OSError):
    """The store does not answer; nothing was changed that the next try can't find. `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreVersionError(StoreError):
    """The store's schema is newer than this code; starting an older version over it would lose something."""


class CursorError(ValueError):
    """The cursor was not made by the store that reads it."""

"""When API keys were last used, kept in batches: a look at a key on the hot path is never a write.

A process that is killed forgets the uses of its last seconds, and nobody decides anything by them.
"""

import threading
from typing import Final

from gateway.identity.apikeys import ApiKeyRecord, ApiKeySource

MOST_WAITING: Final = 10_000
"""Keys whose use waits to be written; that of more is not kept until there is room."""


class KeyUses:
    """An `ApiKeySource` over another, whose uses `keep` brings to it; for threads and event loops alike."""

    def __init__(self, source: ApiKeySource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._used: dict[str, float] = {}

    def api_key(self, key_id: str) -> ApiKeyRecord | None:
        """The record of this id."""
        return self._source.api_key(key_id)

    def api_key_used(self, key_id: str, at: float) -> None:
        """Note the use; never waits."""
        with self._lock:
            if key_id in self._used or len(self._used) < MOST_WAITING:
                self._used[key_id] = at

    def keep(self) -> int:
        """Write what was noted, and how many that were; waits for the store, so it is called beside the event loop."""
        with self._lock:
            used, self._used = self._used, {}
        for key_id, at in used.items():
            self._source.api_key_used(key_id, at)
        return len(used)

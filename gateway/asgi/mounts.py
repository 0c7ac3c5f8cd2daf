"""Several applications behind one: the first segment of the raw path says which answers.

Routing compares bytes as they came and decodes nothing, so no spelling of a path reaches another part than it names.
"""

from collections.abc import Mapping

from gateway.asgi.direct import Answer
from gateway.asgi.wire import Application, Receive, Scope, Send


class Mounts:
    """Hands each request to the mount whose base (`/proxy`) begins its raw path, and the rest to `fallback`.

    `direct` are mounts that can be asked without ASGI, too (`gateway.asgi.direct`).
    """

    def __init__(
        self, *, mounts: Mapping[str, Application], fallback: Application, direct: Mapping[str, Answer] | None = None
    ) -> None:
        self._mounts = {base.encode("ascii"): application for base, application in mounts.items()}
        self._direct = {base.encode("ascii"): answer for base, answer in (direct or {}).items()}
        self._fallback = fallback

    def direct(self, raw_path: bytes) -> Answer | None:
        """What answers requests for this path directly."""
        return self._direct.get(_base(raw_path))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        application = self._fallback
        if scope["type"] == "http":
            application = self._mounts.get(_base(scope["raw_path"]), self._fallback)
        await application(scope, receive, send)


def _base(raw_path: bytes) -> bytes:
    """The first segment with its slash."""
    end = raw_path.find(b"/", 1)
    return raw_path if end < 0 else raw_path[:end]

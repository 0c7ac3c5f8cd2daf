"""Several applications behind one: the first segment of the raw path says which answers.

Routing compares bytes as they came and decodes nothing, so no spelling of a path reaches another part than it names.
"""

from collections.abc import Mapping

from gateway.asgi.wire import Application, Receive, Scope, Send


class Mounts:
    """Hands each request to the mount whose base (`/proxy`) begins its raw path, and the rest to `fallback`."""

    def __init__(self, *, mounts: Mapping[str, Application], fallback: Application) -> None:
        self._mounts = {base.encode("ascii"): application for base, application in mounts.items()}
        self._fallback = fallback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        application = self._fallback
        if scope["type"] == "http":
            base, _, _ = scope["raw_path"][1:].partition(b"/")
            application = self._mounts.get(b"/" + base, self._fallback)
        await application(scope, receive, send)

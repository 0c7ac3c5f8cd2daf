"""What a function's `/readyz` asks: do its bucket and its table answer."""

from collections.abc import Mapping
from typing import Final

from gateway.asgi.operations import Check
from gateway.storage.endpoint import Endpoint
from gateway.storage.upstream import Upstream
from gateway.tenants.aside import Aside
from gateway.tenants.stores import Stores

_PROBE: Final = "readyz"
"""The tenant that is asked for to see whether the store answers; whether there is one does not matter."""


def function_checks(
    stores: Stores, aside: Aside, *, upstream: Upstream | None = None, endpoint: Endpoint | None = None
) -> Mapping[str, Check]:
    """The checks by name; of the bucket only where there is one."""

    async def policies() -> bool:
        try:
            await aside(lambda: stores.policies.get(_PROBE))
        except OSError:
            return False
        return True

    if upstream is None or endpoint is None:
        return {"policies": policies}
    origin, reach = endpoint.origin, upstream.reachable

    async def storage() -> bool:
        return await reach(origin)

    return {"storage": storage, "policies": policies}

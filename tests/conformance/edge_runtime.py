"""The packaged edge function as CloudFront would run it: the zip, Lambda's runtime, CloudFront's model before it."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from gateway.local.cloudfront import Distribution, OriginRequestPolicy
from gateway.server.carriages import Limits, edge_headers
from gateway.server.composition import request_id
from gateway.server.http1 import Server
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials, Signer
from gateway.storage.upstream import Timeouts, Upstream
from tests.lambda_runtime import RUNTIME, Function, Sandbox, scripted

MEMORY: Final = 128


def build(settings: Mapping[str, Any], folder: Path) -> Path:
    """The package, built as `make edge-package` does, for the Python that runs this."""
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / "edge.json"
    told.write_text(json.dumps(settings))
    package = folder / "edge.zip"
    command = ("scripts/edge-package", "--settings", str(told), "--output", str(package))
    scripted(*command, "--runtime", RUNTIME, "--python", sys.executable)
    return package


def edge_sandbox(package: Path, folder: Path, credentials: Credentials) -> Sandbox:
    """A sandbox of the function: only the reserved variables, and its role's credentials among them."""
    function = Function(
        package=package,
        handler="edge_auth.lambda_function.lambda_handler",
        variables={"AWS_ACCESS_KEY_ID": credentials.access_key, "AWS_SECRET_ACCESS_KEY": credentials.secret_key},
        memory=MEMORY,
    )
    return Sandbox(function, folder, is_answer=_is_answer)


def _is_answer(answer: Any) -> bool:
    return isinstance(answer, dict) and isinstance(answer.get("status"), str)


class CloudFront:
    """CloudFront's model around a sandbox, as a server on loopback."""

    def __init__(self, sandbox: Sandbox, *, origin: Endpoint, access_control: Signer) -> None:
        self._sandbox = sandbox
        self._origin = origin
        self._access_control = access_control
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._stack = AsyncExitStack()
        self.port = 0

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(30)

    def stop(self) -> None:
        """Stop listening."""
        asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _open(self) -> None:
        upstream = await self._stack.enter_async_context(Upstream(timeouts=Timeouts()))
        distribution = Distribution(
            handler=self._sandbox,
            origin=self._origin,
            access_control=self._access_control,
            upstream=upstream,
            clock=time.time,
            request_ids=request_id,
            request_policy=OriginRequestPolicy(headers=edge_headers(Limits.AWS)),
        )
        server = Server(distribution)
        self._stack.push_async_callback(server.stop)
        await server.start()
        self.port = server.port

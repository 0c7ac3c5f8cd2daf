"""`upload-gateway demo`: the whole product on one machine, as one process and the S3 it starts."""

import asyncio
import gc
import importlib
import logging
import shlex
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.cors import NO_PAGES, Cors
from gateway.local.crew import Crew
from gateway.local.embedded_s3 import EmbeddedS3
from gateway.local.errors import DemoError
from gateway.local.files import prepare, write_object, write_private
from gateway.local.issuer import DevelopmentIssuer
from gateway.local.strict_s3 import serve_strict_front
from gateway.local.supervision import SupervisedS3
from gateway.server.http1 import Server, new_event_loop
from gateway.server.listening import close_all, on_port
from gateway.storage.endpoint import Endpoint

HOST: Final = "127.0.0.1"
DEMO_FILE: Final = "demo.json"
ORIGINS_FILE: Final = "origins.json"
"""Whose pages may call, for `upload-gateway doctor`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the command line says: the gateway's port (0: any), the directory, whose limits, how strict an S3.

    `cors` names the origins of pages elsewhere that may call, beside the demo's own page. `published_edge`: whether
    the edge decides by documents that are published for it, as in CloudFront. With several `workers` they are
    processes of their own, under a supervisor.
    """

    port: int
    data: Path
    limits: str
    strict_s3: bool
    cors: Cors = NO_PAGES
    published_edge: bool = False
    workers: int = 1


def run(options: DemoOptions) -> int:
    """Run the demo until Ctrl-C; raises DemoError with one sentence for a person when it can't start or go on."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    listeners = _listen(options.port, options.workers)
    port = listeners[0].getsockname()[1]
    try:
        prepare(options.data)
        crew = Crew.forked(options.data.absolute(), listeners) if options.workers > 1 else None
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_main(options, port, crew or listeners[0]))
    finally:
        close_all(listeners)
    return 0


async def _main(options: DemoOptions, port: int, answering: "Crew | socket.socket") -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _running(options, port, answering) as (described, failed):
        write_object(options.data / DEMO_FILE, described)
        # What is there now lives as long as the process: no collection need look at it again.
        gc.collect()
        gc.freeze()
        print(_welcome(options, described["url"]), flush=True)
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait((stopped, failed), return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            stopped.cancel()
            raise failed.result()
        print("Stopping.", flush=True)


@asynccontextmanager
async def _running(
    options: DemoOptions, port: int, answering: "Crew | socket.socket"
) -> AsyncIterator[tuple[dict[str, Any], asyncio.Future[DemoError]]]:
    """Everything started, in order, and described for scripts; stopped in the opposite order.

    What answers is a crew of workers, or this process on the socket that is given.
    """
    async with AsyncExitStack() as stack:
        page = f"http://{HOST}:{port}"
        cors = Cors(origins=options.cors.origins | {page, f"http://localhost:{port}"})
        store = EmbeddedS3(directory=options.data, origins=sorted(cors.origins))
        supervised = SupervisedS3(store)
        stack.push_async_callback(supervised.stop)
        if isinstance(answering, Crew):
            stack.push_async_callback(answering.stop)
        starting = asyncio.create_task(supervised.start())
        if not isinstance(answering, Crew):
            # The server's libraries take as long to import as the S3 takes to start, so both happen at once.
            await asyncio.to_thread(importlib.import_module, "gateway.local.wiring")
        await starting
        # Only now is the directory ours; what an earlier start wrote there is true no more.
        (options.data / DEMO_FILE).unlink(missing_ok=True)
        write_object(options.data / ORIGINS_FILE, {"origins": sorted(cors.origins)})
        endpoint = await _endpoint(options, store, stack)
        issuer = stack.enter_context(DevelopmentIssuer.open(options.data).serving())
        failures = [asyncio.ensure_future(supervised.failed())]
        if isinstance(answering, Crew):
            await answering.start(_told(options, store, endpoint, cors))
            failures.append(asyncio.ensure_future(answering.failed()))
        else:
            await _serving(options, stack, store=store, endpoint=endpoint, issuer=issuer, cors=cors, listener=answering)
        failed = asyncio.ensure_future(_first(failures))
        stack.push_async_callback(_cancelled, failed, *failures)
        yield _described(page, endpoint, store, issuer), failed


async def _serving(
    options: DemoOptions,
    stack: AsyncExitStack,
    *,
    store: EmbeddedS3,
    endpoint: Endpoint,
    issuer: DevelopmentIssuer,
    cors: Cors,
    listener: socket.socket,
) -> None:
    """Answer in this process from now on, to the end of the stack."""
    wiring = importlib.import_module("gateway.local.wiring")
    wiring.prepared(options.data)
    place = wiring.Place(
        data=options.data,
        endpoint=endpoint,
        region=store.region,
        identities=store.identities,
        issuer=issuer,
        limits=options.limits,
        cors=cors,
        documents=_documents(options, store),
    )
    metrics = wiring.Metrics()
    application = await stack.enter_async_context(wiring.gateway(place, metrics=metrics))
    server = Server(application, observer=wiring.CountedFront(metrics))
    stack.push_async_callback(server.stop)
    await server.start(sock=listener)


async def _first(failures: Sequence[asyncio.Future[DemoError]]) -> DemoError:
    done, _ = await asyncio.wait(failures, return_when=asyncio.FIRST_COMPLETED)
    return next(iter(done)).result()


async def _cancelled(*futures: asyncio.Future[DemoError]) -> None:
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)


def _told(options: DemoOptions, store: EmbeddedS3, endpoint: Endpoint, cors: Cors) -> dict[str, Any]:
    """What the workers must know beside what is in the directory."""
    return {
        "endpoint": endpoint.origin,
        "bucket": store.bucket,
        "region": store.region,
        "limits": options.limits,
        "origins": sorted(cors.origins),
        "documents": [store.endpoint, store.documents] if options.published_edge else None,
    }


def _documents(options: DemoOptions, store: EmbeddedS3) -> Endpoint | None:
    return Endpoint.at(store.endpoint, store.documents) if options.published_edge else None


async def _endpoint(options: DemoOptions, store: EmbeddedS3, stack: AsyncExitStack) -> Endpoint:
    """Where clients reach the bucket: the embedded S3 itself, or the strict front before it."""
    if not options.strict_s3:
        return Endpoint.at(store.endpoint, store.bucket)
    front = await serve_strict_front(HOST, store.port or 0)
    stack.push_async_callback(front.close)
    return Endpoint.at(f"http://{store.host}:{front.port}", store.bucket)


def _described(url: str, endpoint: Endpoint, store: EmbeddedS3, issuer: DevelopmentIssuer) -> dict[str, Any]:
    """What `demo.json` says; clients reach S3 at `endpoint`, which may be the strict front's."""
    return {"url": url, **store.describe(), "s3_endpoint": endpoint.origin, **issuer.describe()}


def _listen(port: int, workers: int) -> list[socket.socket]:
    """Bound sockets, taken before anything is started, so that a port in use costs nothing."""
    try:
        return on_port(HOST, port, workers=workers)
    except (OSError, OverflowError) as error:
        raise DemoError(
            f"Port {port} can't be used ({getattr(error, 'strerror', None) or error}); choose another with --port."
        ) from error


def _welcome(options: DemoOptions, url: str) -> str:
    """What a person reads when the demo is ready: a line for each backend that works when it is pasted."""
    data = options.data.absolute()
    sample = data / "hello.txt"
    write_private(sample, b"Hello from the upload gateway.\n")
    program = Path(sys.argv[0]).absolute()
    token = f"$({shlex.quote(str(program))} token --data {shlex.quote(str(data))} --tenant acme)"
    lines = [
        f'curl -L -T {shlex.quote(str(sample))} -H "Authorization: Bearer {token}" '
        f"-H 'Content-Type: text/plain' {url}/{backend}/hello.txt"
        for backend in ("proxy", "presigned", "edge")
    ]
    return "\n".join(
        [
            f"upload-gateway is ready at {url}. Ctrl-C stops it. Upload through each backend from another terminal:",
            "",
            *lines,
            "",
        ]
    )

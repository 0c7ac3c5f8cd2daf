"""A crowd of slow clients of every kind, in short; `benchmarks/slow_clients.py` is the long form, with two thousand."""

import asyncio
from collections import Counter
from typing import Any

from benchmarks.slow_clients import KINDS, one
from gateway.server.http1 import HttpLimits, Receive, Scope, Send, Server, new_event_loop
from tests.http.conftest import read_body, respond

CLIENTS = 40
HURRY = HttpLimits(
    header_deadline=0.5, keep_alive=0.5, body_idle=0.5, body_grace=0.5, write_idle=0.5, linger_seconds=0.5
)


class Told:
    """What the front said."""

    def __init__(self) -> None:
        self.refusals: Counter[str] = Counter()
        self.there = 0

    def connections(self, change: int) -> None:
        """Count."""
        self.there += change

    def refused(self, why: str) -> None:
        """Count."""
        self.refusals[why] += 1


class Target:
    """What the crowd's clients know of a gateway."""

    def __init__(self, port: int) -> None:
        self.port = port

    def gateway_head(self, base: str, name: str, size: int, _media_type: str) -> bytes:
        """The head of a PUT."""
        return f"PUT {base}/{name} HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n".encode()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, and answers with more than a socket takes."""
    if await read_body(receive) is not None:
        await respond(send, 200, bytes(200_000))


def test_every_slow_client_is_ended_and_counted() -> None:
    """By a deadline, whatever it is slow at; nothing of them is left."""
    told, ends = Told(), Counter[str]()

    async def run() -> None:
        server = Server(application, limits=HURRY, observer=told)
        await server.start()
        target: Any = Target(server.port)
        kinds = [(name, make(target)) for name, make in KINDS.items()]
        crowd = (one(*kinds[number % len(kinds)], server.port, ends) for number in range(CLIENTS))
        await asyncio.gather(*crowd)
        await server.stop(0.2)
        assert server.connections == 0

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(run())

    each = CLIENTS // len(KINDS)
    assert ends == {f"{kind}: ended by the gateway": each for kind in KINDS}
    assert told.refusals == {"request-timeout": 2 * each, "silent": each, "unread": each}
    assert told.there == 0

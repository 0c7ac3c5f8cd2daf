"""A server on loopback whose answers are a script, for what no real one does on demand; it keeps what it was sent."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

RESET = b""
"""Instead of an answer: the connection is dropped when the head has come."""


def answer(status: int, body: bytes | dict[str, Any] = b"", **headers: str) -> bytes:
    """An HTTP answer; underscores in the names of headers are hyphens."""
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    lines = [f"HTTP/1.1 {status} -", f"content-length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def problem(status: int, code: str, **headers: str) -> bytes:
    """A problem of the gateway."""
    body = {"type": f"urn:upload-gateway:problem:{code}", "detail": f"It is {code}."}
    return answer(status, body, content_type="application/problem+json", **headers)


@dataclass(slots=True)
class Scripted:
    """Answers one request after the other with `answers`, the last one for ever; an async context manager."""

    answers: list[bytes]
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where it is."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def requests(self) -> list[str]:
        """The first line of each request."""
        return [head.partition(" HTTP/")[0] for head in self.heads]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answered(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if said is RESET:
            return False
        lengths = [int(line.partition(":")[2]) for line in head.lower().splitlines() if "content-length:" in line]
        self.bodies.append(await reader.readexactly(sum(lengths)))
        writer.write(said)
        await writer.drain()
        return True

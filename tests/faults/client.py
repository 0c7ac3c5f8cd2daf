"""A client of the gateway that can stop anywhere: one connection, one PUT, byte by byte if need be."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.faults.tcp import Side

PATIENCE: Final = 20.0
"""Seconds after which a test gives up; only a defect makes it wait so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the gateway said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document; every refusal must be one."""
        assert self.headers.get("content-type") == "application/problem+json", self
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        assert document["instance"] == self.headers["x-request-id"]
        return document

    @property
    def code(self) -> str:
        """The problem's code."""
        return str(self.problem["type"]).rpartition(":")[2]


def sha256(body: bytes) -> dict[str, str]:
    """The header that declares a body's checksum."""
    return {"x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(body).digest()).decode()}


class Client:
    """One connection to the gateway."""

    def __init__(self, side: Side) -> None:
        self.side = side

    @classmethod
    async def connect(cls, port: int) -> "Client":
        """Connect on loopback."""
        return cls(Side(*await asyncio.open_connection("127.0.0.1", port)))

    async def head(
        self, target: str, headers: Mapping[str, str], *, method: str = "PUT", host: str = "127.0.0.1"
    ) -> None:
        """Send the head of a request."""
        fields = (f"{name}: {value}" for name, value in headers.items())
        lines = [f"{method} {target} HTTP/1.1", f"host: {host}", *fields]
        await self.side.send("\r\n".join([*lines, "", ""]).encode())

    async def answer(self) -> Answer | None:
        """The answer; None where the connection ended without one."""
        async with asyncio.timeout(PATIENCE):
            try:
                head = await self.side.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            status, *lines = head.decode("latin-1").strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await self.side.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(status=int(status.split(" ")[1]), headers=headers, body=body)

    async def close(self) -> None:
        """Close this side."""
        self.side.writer.close()

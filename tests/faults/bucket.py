"""A look into the bucket, past the gateway, with the operator's keys."""

import http.client
import re
import time
from dataclasses import dataclass, field
from urllib.parse import quote

from gateway.storage.sigv4 import UNSIGNED_PAYLOAD, Credentials, Signer
from tests.faults.client import PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The bucket `name` behind a loopback port whose `Host` is `host`."""

    port: int
    host: str
    name: str
    region: str
    who: Credentials = field(repr=False)

    def get(self, key: str) -> bytes | None:
        """An object's bytes; None where there is none."""
        status, body = self._ask(key, ())
        if status not in (200, 404):
            raise RuntimeError(f"{key}: {status} {body!r}")
        return body if status == 200 else None

    def keys(self, prefix: str) -> list[str]:
        """The keys of all objects under a prefix; keys are of plain characters."""
        return sorted(self.sizes(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        """The same, with each object's bytes."""
        found: dict[str, int] = {}
        after = ""
        while True:
            query = (("list-type", "2"), ("prefix", prefix), *((("start-after", after),) if after else ()))
            status, body = self._ask("", query)
            if status != 200:
                raise RuntimeError(f"list: {status} {body!r}")
            page = re.findall(r"<Key>([^<]*)</Key>.*?<Size>(\d+)</Size>", body.decode(), flags=re.DOTALL)
            found |= {key: int(size) for key, size in page}
            if not page or b"<IsTruncated>true" not in body:
                return found
            after = page[-1][0]

    def _ask(self, key: str, query: tuple[tuple[str, str], ...]) -> tuple[int, bytes]:
        path = f"/{self.name}/{key}".removesuffix("/")
        signer = Signer(self.who, self.region)
        headers = signer.sign_headers(
            "GET", self.host, path, now=time.time(), query=query, payload_hash=UNSIGNED_PAYLOAD
        )
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        target = quote(path) + "?" * bool(query) + "&".join(f"{name}={quote(value, safe='')}" for name, value in query)
        try:
            connection.request("GET", target, headers={"Host": self.host, **headers})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

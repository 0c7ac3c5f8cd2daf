#!/usr/bin/env python3
"""Ticks off what is assumed of API Gateway, against a deployed proxy.

    python infra/verify/proxy.py --url https://api.example/stage --token-file token [--id A3]

The token must be a tenant's that may overwrite (the objects are small and lie under `verify/`). Every check is one
assumption of `docs/reference/api-gateway.md`; the exit status is the number of those that do not hold. Only the
standard library is used, so that it runs anywhere.
"""

import argparse
import http.client
import json
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

OVERRIDE = "X-HTTP-Method-Override"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The problem's code; empty where the answer is none."""
        try:
            return str(json.loads(self.body)["type"]).rpartition(":")[2]
        except (ValueError, KeyError, TypeError):
            return ""


class Proxy:
    """The deployed proxy, for one caller."""

    def __init__(self, url: str, token: str) -> None:
        self._url = urlsplit(url.rstrip("/"))
        self._token = token

    def send(self, name: str, *, method: str = "PUT", body: bytes = b"verify", **headers: str) -> Answer:
        """Send one request; `name` stands in the path as it is, header names have underscores for hyphens."""
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._url.netloc, timeout=30)
        sent = {"Authorization": f"Bearer {self._token}", "Content-Type": "text/plain"}
        sent |= {header.replace("_", "-"): value for header, value in headers.items()}
        try:
            connection.request(method, f"{self._url.path}/proxy/{name}", body=body, headers=sent)
            response = connection.getresponse()
            found = {header.lower(): value for header, value in response.getheaders()}
            return Answer(status=response.status, headers=found, body=response.read())
        finally:
            connection.close()


def fresh(rest: str = "a.txt") -> str:
    """A name that nobody used before."""
    return f"verify/{secrets.token_hex(8)}/{rest}"


def slashes(proxy: Proxy) -> bool:
    """A key with slashes reaches S3 as it is: the object's ETag is what was sent, and it is found again under it."""
    name = fresh("one/two/three.txt")
    first, second = proxy.send(name), proxy.send(name, If_None_Match="*")
    return first.status == 200 and second.status == 412


def absent_context(proxy: Proxy) -> bool:
    """A header that is mapped from an absent member of the context is not sent: overwriting works."""
    name = fresh()
    return [proxy.send(name).status, proxy.send(name).status] == [200, 200]


def create_only(proxy: Proxy) -> bool:
    """If-None-Match reaches S3."""
    name = fresh()
    return [proxy.send(name, If_None_Match="*").status, proxy.send(name, If_None_Match="*").status] == [200, 412]


def checksum(proxy: Proxy) -> bool:
    """A checksum reaches S3, which holds the bytes against it."""
    answer = proxy.send(fresh(), x_amz_checksum_crc32="AAAAAA==")
    return answer.status == 400 and answer.code == "checksum-mismatch"


def problem(proxy: Proxy) -> bool:
    """A denial carries its problem, as application/problem+json, with the authorizer's id."""
    answer = proxy.send("a//b.txt")
    same = json.loads(answer.body or b"{}").get("instance") == answer.headers.get("x-request-id")
    kind = answer.headers.get("content-type", "").startswith("application/problem+json")
    return answer.status == 403 and answer.code == "name-invalid" and same and kind


def raw_path(proxy: Proxy) -> bool:
    """The authorizer sees the path undecoded: an encoded escape of a dot segment is refused as a name."""
    return proxy.send("verify/%2e%2e/a.txt").code == "name-invalid"


def content_length(proxy: Proxy) -> bool:
    """The authorizer is told Content-Length: without it nothing could be granted."""
    return proxy.send(fresh()).code != "length-required"


def preflight(proxy: Proxy) -> bool:
    """OPTIONS is answered beside binary media types, by the authorizer's headers."""
    answer = proxy.send(fresh(), method="OPTIONS", body=b"")
    return answer.status == 204 and "PUT" in answer.headers.get("allow", "")


def override(proxy: Proxy) -> bool:
    """A request that overrides its method is refused."""
    return proxy.send(fresh(), method="POST", **{OVERRIDE: "PUT"}).code == "method-not-allowed"


def too_large(proxy: Proxy) -> bool:
    """More than 10 MiB is API Gateway's own 413."""
    return proxy.send(fresh(), body=bytes(10_485_761)).status == 413


def binary(proxy: Proxy) -> bool:
    """Bytes that are no text arrive as they are: S3's MD5 ETag is the client's own (an SSE-S3 bucket)."""
    import hashlib  # noqa: PLC0415 - this check alone

    body = bytes(range(256)) * 16
    answer = proxy.send(fresh("a.bin"), body=body, Content_Type="application/octet-stream")
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return answer.headers.get("etag", "").strip('"') == digest


CHECKS: Mapping[str, Callable[[Proxy], bool]] = {
    "A1": raw_path,
    "A2": content_length,
    "A3": absent_context,
    "A4": slashes,
    "A5": binary,
    "A6": checksum,
    "A7": problem,
    "A8": preflight,
    "A9": create_only,
    "A10": override,
    "A11": too_large,
}


def main() -> int:
    """The number of assumptions that do not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="where the API is, stage included")
    parser.add_argument("--token-file", required=True, type=Path)
    parser.add_argument("--id", choices=CHECKS, action="append", help="only this one; may be repeated")
    options = parser.parse_args()
    proxy = Proxy(options.url, options.token_file.read_text(encoding="ascii").strip())
    failed = 0
    for name in options.id or CHECKS:
        holds = CHECKS[name](proxy)
        failed += not holds
        print(f"{name:>4} {'holds' if holds else 'DOES NOT HOLD'}: {(CHECKS[name].__doc__ or '').splitlines()[0]}")
    return failed


if __name__ == "__main__":
    sys.exit(main())

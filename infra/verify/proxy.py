#!/usr/bin/env python3
"""Ticks off what is assumed of API Gateway, against a deployed proxy.

    python infra/verify/proxy.py --url https://api.example/stage --token-file token [--id A3]

The token must be a tenant's that may overwrite (the objects are small and lie under `verify/`). Every check is one
assumption of `docs/reference/api-gateway.md`; the exit status is the number of those that do not hold.
"""

import hashlib
import json
import sys

from wire import Backend, fresh, run

OVERRIDE = "X-HTTP-Method-Override"


def slashes(proxy: Backend) -> bool:
    """A key with slashes reaches S3 as it is: the object's ETag is what was sent, and it is found again under it."""
    name = fresh("one/two/three.txt")
    first, second = proxy.send(name), proxy.send(name, If_None_Match="*")
    return first.status == 200 and second.status == 412


def absent_context(proxy: Backend) -> bool:
    """A header that is mapped from an absent member of the context is not sent: overwriting works."""
    name = fresh()
    return [proxy.send(name).status, proxy.send(name).status] == [200, 200]


def create_only(proxy: Backend) -> bool:
    """If-None-Match reaches S3."""
    name = fresh()
    return [proxy.send(name, If_None_Match="*").status, proxy.send(name, If_None_Match="*").status] == [200, 412]


def checksum(proxy: Backend) -> bool:
    """A checksum reaches S3, which holds the bytes against it."""
    answer = proxy.send(fresh(), x_amz_checksum_crc32="AAAAAA==")
    return answer.status == 400 and answer.code == "checksum-mismatch"


def problem(proxy: Backend) -> bool:
    """A denial carries its problem, as application/problem+json, with the authorizer's id."""
    answer = proxy.send("a//b.txt")
    same = json.loads(answer.body or b"{}").get("instance") == answer.headers.get("x-request-id")
    kind = answer.headers.get("content-type", "").startswith("application/problem+json")
    return answer.status == 403 and answer.code == "name-invalid" and same and kind


def raw_path(proxy: Backend) -> bool:
    """The authorizer sees the path undecoded: an encoded escape of a dot segment is refused as a name."""
    return proxy.send("verify/%2e%2e/a.txt").code == "name-invalid"


def content_length(proxy: Backend) -> bool:
    """The authorizer is told Content-Length: without it nothing could be granted."""
    return proxy.send(fresh()).code != "length-required"


def preflight(proxy: Backend) -> bool:
    """OPTIONS is answered beside binary media types, by the authorizer's headers."""
    answer = proxy.send(fresh(), method="OPTIONS", body=b"")
    return answer.status == 204 and "PUT" in answer.headers.get("allow", "")


def override(proxy: Backend) -> bool:
    """A request that overrides its method is refused."""
    return proxy.send(fresh(), method="POST", **{OVERRIDE: "PUT"}).code == "method-not-allowed"


def too_large(proxy: Backend) -> bool:
    """More than 10 MiB is API Gateway's own 413."""
    return proxy.send(fresh(), body=bytes(10_485_761)).status == 413


def binary(proxy: Backend) -> bool:
    """Bytes that are no text arrive as they are: S3's MD5 ETag is the client's own (an SSE-S3 bucket)."""
    body = bytes(range(256)) * 16
    answer = proxy.send(fresh("a.bin"), body=body, Content_Type="application/octet-stream")
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return answer.headers.get("etag", "").strip('"') == digest


CHECKS = {
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


if __name__ == "__main__":
    sys.exit(run(CHECKS, "/proxy", __doc__ or ""))

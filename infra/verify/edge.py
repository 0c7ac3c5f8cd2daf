#!/usr/bin/env python3
"""Ticks off what is assumed of CloudFront, Lambda@Edge and origin access control, against a deployed distribution.

    python infra/verify/edge.py --url https://d111111abcdef8.cloudfront.net --token-file token [--id E3]

The token must be a tenant's that may overwrite (the objects are small and lie under `verify/`). Every check is one
assumption of `docs/reference/verified.md`; the exit status is the number of those that do not hold.
"""

import hashlib
import sys

from wire import Backend, fresh, run


def put(edge: Backend) -> bool:
    """The distribution signs and may put: the bucket's policy takes it for the service that it is."""
    return edge.send(fresh()).status == 200


def bytes_as_sent(edge: Backend) -> bool:
    """Bytes arrive as they are: S3's MD5 ETag is the client's own (a bucket with SSE-S3)."""
    body = bytes(range(256)) * 16
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    answer = edge.send(fresh("a.bin"), body=body, Content_Type="application/octet-stream")
    return answer.headers.get("etag", "").strip('"') == digest


def create_only(edge: Backend) -> bool:
    """If-None-Match reaches S3."""
    name = fresh()
    return [edge.send(name, If_None_Match="*").status, edge.send(name, If_None_Match="*").status] == [200, 412]


def checksum(edge: Backend) -> bool:
    """A checksum reaches S3, which holds the bytes against it."""
    return edge.send(fresh(), x_amz_checksum_crc32="AAAAAA==").status == 400


def characters(edge: Backend) -> bool:
    """A key with spaces, umlauts and a plus is one key, however often it is encoded on the way."""
    name = fresh("a%20b%C3%BC%2B.txt")
    return [edge.send(name, If_None_Match="*").status, edge.send(name, If_None_Match="*").status] == [200, 412]


def raw_path(edge: Backend) -> bool:
    """The function sees the path undecoded: an encoded dot segment is refused as a name."""
    return edge.send("verify/%2e%2e/a.txt").code == "name-invalid"


def doubled_slash(edge: Backend) -> bool:
    """The function sees the path as it is, and not as behaviours are matched with it."""
    return edge.send("verify//a.txt").code == "name-invalid"


def elsewhere(edge: Backend) -> bool:
    """Nothing is reached but through the function: any other path is its own not-found."""
    return edge.ask("GET", "/verify/a.txt", b"", {}).code in {"not-found", "method-not-allowed"}


def stranger(edge: Backend) -> bool:
    """Without a token the function answers itself, with a challenge."""
    answer = edge.ask("PUT", "/edge/verify/a.txt", b"verify", {"Content-Type": "text/plain"})
    return answer.status == 401 and answer.code == "token-missing" and "www-authenticate" in answer.headers


def nothing_else(edge: Backend) -> bool:
    """An upload can't be read or deleted."""
    name = fresh()
    edge.send(name)
    return {edge.send(name, method=method, body=b"").status for method in ("GET", "DELETE")} == {405}


CHECKS = {
    "E1": put,
    "E2": bytes_as_sent,
    "E3": create_only,
    "E4": checksum,
    "E5": characters,
    "E6": raw_path,
    "E7": doubled_slash,
    "E8": elsewhere,
    "E9": stranger,
    "E10": nothing_else,
}

if __name__ == "__main__":
    sys.exit(run(CHECKS, "/edge", __doc__ or ""))

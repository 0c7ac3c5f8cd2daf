#!/usr/bin/env python3
"""Ticks off what is assumed of S3 and of API Gateway before the presigner's function, against a deployed one.

    python infra/verify/presigner.py --url https://api.example/stage --token-file token [--id P3]

The token must be a tenant's that may overwrite (the objects are small and lie under `verify/`). Every check is one
assumption of `docs/reference/verified.md`; the exit status is the number of those that do not hold.
"""

import json
import sys
from typing import Any

from wire import Answer, Backend, ask, fresh, run

LARGE = 5_000_000
"""More than a function can be sent as a body (Lambda quotas: 6 MB, in base64)."""

PART = 5_242_880


def plan(backend: Backend, name: str, size: int) -> dict[str, Any]:
    """The plan of an upload of this size."""
    body = json.dumps({"name": name, "size": size, "content_type": "text/plain"}).encode()
    answer = backend.ask("POST", "/uploads", body, {**backend.credential, "Content-Type": "application/json"})
    found: dict[str, Any] = json.loads(answer.body)
    return found


def put(request: dict[str, Any], body: bytes, **headers: str) -> Answer:
    """What a plan says to send."""
    changed = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    sent = {name.lower(): value for name, value in request["headers"].items()}
    return ask("PUT", request["url"], body, sent | changed)


def single(backend: Backend) -> bool:
    """A plan's URL takes the bytes: the signing role may put, and the Region's own host answers."""
    return put(plan(backend, fresh(), 6), b"verify").status == 200


def signed_headers(backend: Backend) -> bool:
    """A header that was signed can't be sent otherwise."""
    return put(plan(backend, fresh(), 6), b"verify", Content_Type="text/html").status == 403


def signed_length(backend: Backend) -> bool:
    """A URL takes as many bytes as were planned, and no more."""
    return put(plan(backend, fresh(), 6), b"verify more").status == 403


def other_key(backend: Backend) -> bool:
    """A URL is for its own key alone."""
    request = plan(backend, fresh("one.txt"), 6)
    return put({**request, "url": request["url"].replace("one.txt", "two.txt")}, b"verify").status == 403


def parts(backend: Backend) -> bool:
    """Uploads in parts pass the bucket's policy: one is begun, a part is taken, and it is aborted."""
    planned = plan(backend, fresh("large.txt"), 200_000_000)
    size = planned["part_size"]
    taken = put(planned["parts"][0], bytes(size)).status
    path = f"/uploads/{planned['id']}"
    return taken == 200 and backend.ask("DELETE", path, b"", backend.credential).status == 204


def redirect(backend: Backend) -> bool:
    """A PUT is redirected, and S3 takes it where it is sent to."""
    answer = backend.send(fresh())
    headers = {"Content-Type": "text/plain"}
    return answer.status == 307 and ask("PUT", answer.headers["location"], b"verify", headers).status == 200


def waits(backend: Backend) -> bool:
    """A client that waits is redirected before it sends a body that no function could take."""
    return backend.promised(fresh(), LARGE) == 307


def raw_path(backend: Backend) -> bool:
    """The function sees the path undecoded: an encoded dot segment is refused as a name."""
    return backend.send("verify/%2e%2e/a.txt").code == "name-invalid"


def problem(backend: Backend) -> bool:
    """A refusal is the function's own problem, with its status and its type."""
    answer = backend.send("a//b.txt")
    kind = answer.headers.get("content-type", "")
    return answer.status == 400 and answer.code == "name-invalid" and kind.startswith("application/problem+json")


CHECKS = {
    "P1": single,
    "P2": signed_headers,
    "P3": signed_length,
    "P4": other_key,
    "P5": parts,
    "P6": redirect,
    "P7": waits,
    "P8": raw_path,
    "P9": problem,
}

if __name__ == "__main__":
    sys.exit(run(CHECKS, "/presigned", __doc__ or ""))

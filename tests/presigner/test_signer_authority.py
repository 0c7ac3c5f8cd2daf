"""What the identity that signs URLs may do, beyond what a URL of ours says: put objects, and nothing else."""

import time
from http.client import HTTPConnection

import pytest

from gateway.local.embedded_s3 import EmbeddedS3
from gateway.storage.sigv4 import Signer


@pytest.mark.parametrize(
    ("method", "key", "query"),
    [
        ("GET", "acme/a", ()),
        ("DELETE", "acme/a", ()),
        ("GET", "", (("list-type", "2"),)),
        ("GET", "", (("uploads", ""),)),
        ("POST", "", (("delete", ""),)),
        ("DELETE", "", ()),
        ("PUT", "", (("cors", ""),)),
        ("PUT", "", (("policy", ""),)),
        ("DELETE", "", (("policy", ""),)),
        ("PUT", "", (("lifecycle", ""),)),
        ("DELETE", "acme/a", (("uploadId", "x"),)),
        ("GET", "acme/a", (("uploadId", "x"),)),
        ("PUT", "acme/a", (("acl", ""),)),
        ("PUT", "acme/a", (("tagging", ""),)),
        ("DELETE", "acme/a", (("tagging", ""),)),
    ],
)
def test_the_signer_may_put_and_nothing_else(
    store: EmbeddedS3, method: str, key: str, query: tuple[tuple[str, str], ...]
) -> None:
    """Refused by S3 itself, whatever somebody might get signed."""
    body = b"<Delete><Object><Key>acme/a</Key></Object></Delete>" if method == "POST" else b""
    host, path = f"localhost:{store.port}", f"/{store.bucket}/{key}".rstrip("/")
    headers = Signer(store.identities.signer, store.region).sign_headers(
        method, host, path, now=time.time(), query=query
    )
    connection = HTTPConnection("127.0.0.1", store.port, timeout=20)
    target = path + "?" * bool(query) + "&".join(f"{name}={value}" for name, value in query)
    connection.request(method, target, body, {"Host": host, **headers})
    answer = connection.getresponse()
    said = answer.read()
    connection.close()

    assert answer.status == 403 or b"<Error><Code>AccessDenied</Code>" in said, (answer.status, said)

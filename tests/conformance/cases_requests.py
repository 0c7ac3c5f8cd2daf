"""Queries, methods and framing: what makes a request one upload and nothing else."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from botocore.loaders import Loader

from tests.conformance.case import EVERYWHERE, Answered, Case, Forced, Stored, refused

TEXT: Final = ("Content-Type", "text/plain")

OTHER_QUERIES: Final = (
    "?partNumber=1&uploadId=x",
    "?uploadId=x",
    "?x-id=PutObject",
    "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00",
    "?x-amz-acl=public-read",
    "?AWSAccessKeyId=a&Signature=b&Expires=4102444800",
    "?tenant=globex",
    "?_method=DELETE",
    "?a",
    "?a=b",
    "?=",
    "?&",
    "??",
    "?/../../globex",
    "?%61cl",
    "?ACL",
)
"""Queries beyond S3's model: presigning by hand, parameters of ours that do not exist, odd spellings."""


@cache
def sub_resources() -> tuple[str, ...]:
    """Every query that S3's service model knows: sub-resources in its URIs and query parameters of its inputs."""
    model: dict[str, Any] = Loader().load_service_model("s3", "service-2")
    uris = (operation["http"]["requestUri"] for operation in model["operations"].values())
    found = {uri.partition("?")[2] for uri in uris if "?" in uri}
    inputs = (operation["input"]["shape"] for operation in model["operations"].values() if "input" in operation)
    members = (member for shape in inputs for member in model["shapes"][shape]["members"].values())
    found |= {f"{member['locationName']}=1" for member in members if member.get("location") == "querystring"}
    return tuple(sorted(found))


def query_cases() -> Iterator[Case]:
    """No query reaches S3; an empty one says nothing and is none."""
    for query in (*(f"?{name}" for name in sub_resources()), *OTHER_QUERIES):
        lost = (Forced(row="api-gateway-query", expect=Stored(name="{u}/a.txt")),) if query == "?&" else ()
        yield Case(
            id=f"query-{query}",
            rows=("S03", "M19"),
            query=query,
            expect=refused("query-not-allowed"),
            forced=lost,
            backends=("proxy", "presigned", "edge") if lost else EVERYWHERE,  # `/files` itself sees every query
        )
    yield Case(id="query-empty", rows=("S03",), query="?", expect=Stored(name="{u}/a.txt"))


METHODS: Final = (
    "GET",
    "HEAD",
    "POST",
    "DELETE",
    "PATCH",
    "TRACE",
    "LINK",
    "COPY",
    "MOVE",
    "PROPFIND",
    "LOCK",
    "put",
    "Put",
    "PUTT",
    "BREW",
)


def method_cases() -> Iterator[Case]:
    """Only PUT uploads, and no header changes a method."""
    for method in METHODS:
        bare = method in {"GET", "HEAD", "TRACE"}
        yield Case(
            id=f"method-{method}",
            rows=("S04", "M20"),
            method=method,
            headers=() if bare else (TEXT,),
            body=b"" if bare else b"upload me\n",
            length=None if bare else "auto",
            expect=refused("method-not-allowed"),
        )
    yield Case(
        id="method-OPTIONS",
        rows=("S04", "H05"),
        method="OPTIONS",
        headers=(),
        body=b"",
        length=None,
        credential="no-credential",
        expect=Answered(statuses=(200, 204)),
    )
    obeyed = (Forced(row="api-gateway-override", expect=refused("method-not-allowed")),)
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"):
        yield Case(
            id=f"method-override-ignored-{name}",
            rows=("S04", "M20"),
            headers=(TEXT, (name, "DELETE")),
            expect=Stored(name="{u}/a.txt"),
            forced=obeyed if name == "X-HTTP-Method-Override" else (),
        )
        yield Case(
            id=f"method-override-does-not-help-{name}",
            rows=("S04", "M20"),
            method="POST",
            headers=(TEXT, (name, "PUT")),
            expect=refused("method-not-allowed"),
        )


MALFORMED_LENGTHS: Final = (
    "0010",
    "",
    "abc",
    "-1",
    "+10",
    "10, 10",
    "10 10",
    "0x0a",
    "1e1",
    "10.0",
    "10;",
    "\u00b9\u00b2",
    "_10",
)
CHUNKED: Final = b"a\r\nupload me\n\r\n0\r\n\r\n"


def framing_cases() -> Iterator[Case]:
    """The length is said once, in digits, and is the only framing."""
    rows = ("H01", "F08", "CVE-2025-43859 h11<0.16")
    yield Case(id="length-absent", rows=rows, body=b"", length=None, expect=refused("length-required"))
    yield Case(
        id="length-absent-chunked",
        rows=rows,
        headers=(TEXT, ("Transfer-Encoding", "chunked")),
        body=CHUNKED,
        length=None,
        expect=refused("length-required"),
    )
    for index, length in enumerate(MALFORMED_LENGTHS):
        yield Case(
            id=f"length-malformed-{index}", rows=rows, length=length, malformed=True, expect=refused("request-invalid")
        )
    for label, extra in (
        ("repeated", ("Content-Length", "10")),
        ("repeated-differing", ("Content-Length", "11")),
        ("and-chunked", ("Transfer-Encoding", "chunked")),
        ("and-unknown-coding", ("Transfer-Encoding", "xchunked")),
        ("and-identity", ("Transfer-Encoding", "identity")),
    ):
        yield Case(
            id=f"length-{label}", rows=rows, headers=(TEXT, extra), malformed=True, expect=refused("request-invalid")
        )
    yield Case(
        id="expect-100-continue",
        rows=("H01",),
        headers=(TEXT, ("Expect", "100-continue")),
        expect=Stored(name="{u}/a.txt"),
    )
    yield Case(id="body-empty", rows=("F08",), body=b"", expect=Stored(name="{u}/a.txt"))

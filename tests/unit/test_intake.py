"""The one decoder: what a raw request wants, and what is refused before any credential is looked at."""

import pytest

from gateway.intake import RawRequest, is_preflight, read_intent
from gateway.policy.model import Backend, Carriage, Intent, Minted
from gateway.policy.problems import Code, Refusal

Headers = tuple[tuple[str, str], ...]

MINTED = Minted(at=1_795_000_000.0, uuid="0" * 32)
PROXY = Carriage(backend=Backend.PROXY)
PRESIGNED = Carriage(backend=Backend.PRESIGNED, adds_headers=False)


def read(
    *,
    method: str = "PUT",
    path: str = "/proxy/a.png",
    query: str = "",
    headers: Headers = (("content-length", "5"),),
    base: str = "/proxy",
    carriage: Carriage = PROXY,
) -> Intent | Refusal:
    raw = RawRequest(method=method, path=path, query=query, headers=headers)
    return read_intent(raw, base=base, carriage=carriage, minted=MINTED)


def wanted(outcome: Intent | Refusal) -> Intent:
    assert isinstance(outcome, Intent)
    return outcome


def refused(outcome: Intent | Refusal) -> Refusal:
    assert isinstance(outcome, Refusal)
    return outcome


def test_an_intent_holds_what_was_sent_decoded_once() -> None:
    """Name, length, type and metadata arrive; what nobody reads does not."""
    headers = (
        ("Content-Length", "20480"),
        ("Content-Type", "Image/PNG; a=b"),
        ("X-Amz-Meta-K", "v"),
        ("If-None-Match", "*"),
        ("Authorization", "Bearer secret"),
        ("Cache-Control", "public"),
    )

    assert read(path="/proxy/a%20b%2525.png", headers=headers) == Intent(
        carriage=PROXY,
        name="a b%25.png",
        size=20480,
        content_type="Image/PNG; a=b",
        checksum=None,
        create_only=True,
        metadata=(("k", "v"),),
        object_headers=(),
        minted=MINTED,
    )


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "DELETE", "PATCH", "put", "PUT ", "", "CONNECT", "TRACE", "OPTIONS", "PROPFIND"]
)
def test_an_upload_is_a_put(method: str) -> None:
    """Any other method is refused and told what is allowed; methods are case-sensitive (RFC 9110 section 9.1)."""
    refusal = refused(read(method=method))

    assert refusal.code is Code.METHOD_NOT_ALLOWED
    assert refusal.headers == (("allow", "PUT, OPTIONS"),)


@pytest.mark.parametrize("name", ["x-http-method-override", "x-method-override", "x-http-method"])
def test_override_headers_have_no_effect(name: str) -> None:
    """A method is what the request line says, in both directions."""
    headers = (("content-length", "5"), (name, "PUT"))

    assert refused(read(method="POST", headers=headers)).code is Code.METHOD_NOT_ALLOWED
    assert wanted(read(headers=(("content-length", "5"), (name, "DELETE")))).size == 5


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((), Code.LENGTH_REQUIRED),
        ((("transfer-encoding", "chunked"),), Code.LENGTH_REQUIRED),
        ((("content-length", "5"), ("Transfer-Encoding", "chunked")), Code.LENGTH_REQUIRED),
        ((("content-length", "5"), ("transfer-encoding", "identity")), Code.LENGTH_REQUIRED),
        ((("content-length", "5"), ("Content-Length", "5")), Code.REQUEST_INVALID),
        ((("content-length", "5, 5"),), Code.REQUEST_INVALID),
        ((("content-length", ""),), Code.REQUEST_INVALID),
        ((("content-length", "-1"),), Code.REQUEST_INVALID),
        ((("content-length", "+5"),), Code.REQUEST_INVALID),
        ((("content-length", "5.0"),), Code.REQUEST_INVALID),
        ((("content-length", "0x5"),), Code.REQUEST_INVALID),
        ((("content-length", "5_0"),), Code.REQUEST_INVALID),
        ((("content-length", "\u0665"),), Code.REQUEST_INVALID),
        ((("content-length", "\xb2"),), Code.REQUEST_INVALID),
        ((("content-length", "5\n"),), Code.REQUEST_INVALID),
        ((("content-length", "9" * 31),), Code.REQUEST_INVALID),
        ((("content-length", "9" * 10_000),), Code.REQUEST_INVALID),
    ],
)
def test_a_length_that_is_not_one_number_is_refused(headers: Headers, expected: Code) -> None:
    """Two readings of a body's end are one too many."""
    refusal = refused(read(headers=headers))

    assert refusal.code is expected
    assert bool(refusal.errors) is (expected is Code.REQUEST_INVALID)


@pytest.mark.parametrize(
    ("value", "size"), [("0", 0), ("007", 7), (" 5\t", 5), ("5368709121", 5_368_709_121), ("9" * 30, 10**30 - 1)]
)
def test_a_length_is_read_whatever_its_size(value: str, size: int) -> None:
    """How much is too much is the policy's to say."""
    assert wanted(read(headers=(("Content-LENGTH", value),))).size == size


@pytest.mark.parametrize("query", ["a", "a=b", "uploads", "X-Amz-Signature=1", "=", "&", "%00"])
def test_a_query_is_refused(query: str) -> None:
    """A query would make another operation of an S3 PUT."""
    assert refused(read(query=query)).code is Code.QUERY_NOT_ALLOWED


@pytest.mark.parametrize(
    "path",
    ["/", "", "/a.png", "/proxya", "/proxy%2Fa", "/PROXY/a", "//proxy/a", "/x/../proxy/a", "proxy/a", "/presigned/a"],
)
def test_a_path_outside_the_base_is_nothing(path: str) -> None:
    """A function that runs for every path must not make a name of one that is not its own."""
    assert refused(read(path=path)).code is Code.NOT_FOUND


@pytest.mark.parametrize(
    ("base", "path", "name"),
    [
        ("/proxy", "/proxy/a", "a"),
        ("/proxy", "/proxy/proxy/a", "proxy/a"),
        ("/proxy", "/proxy/%2Fa", None),
        ("/proxy", "/proxy//a", None),
        ("/proxy", "/proxy/", None),
        ("/proxy", "/proxy", None),
        ("/proxy", "/proxy/a/", None),
        ("/proxy", "/proxy/\udcff", None),
        ("", "/a/b", "a/b"),
        ("", "/", None),
    ],
)
def test_the_name_is_what_follows_the_base(base: str, path: str, name: str | None) -> None:
    """A name that can't be decoded is kept as the refusal it will become in its turn."""
    found = wanted(read(base=base, path=path)).name

    assert (found if isinstance(found, str) else None) == name
    assert isinstance(found, str) or found.code is Code.NAME_INVALID


@pytest.mark.parametrize(
    ("carriage", "expected"), [(PROXY, None), (Carriage(backend=Backend.EDGE), None), (PRESIGNED, True)]
)
def test_an_api_key_header_is_refused_where_a_client_would_repeat_it_to_s3(
    carriage: Carriage, expected: bool | None
) -> None:
    """Only a redirect makes the client send it on."""
    headers = (("content-length", "5"), ("X-Api-Key", "ugk_secret"))

    fault = wanted(read(headers=headers, carriage=carriage)).header_fault

    assert (fault is not None and fault.code is Code.HEADER_NOT_ALLOWED) is bool(expected)
    assert "secret" not in repr(fault)


def test_a_header_fault_waits_for_its_turn() -> None:
    """The credential is judged before the headers, so a bad header is remembered and not said."""
    intent = wanted(read(headers=(("content-length", "5"), ("x-amz-acl", "public-read"))))

    assert intent.header_fault is not None
    assert intent.header_fault.code is Code.HEADER_NOT_ALLOWED


def test_digests_s3_does_not_read_are_remembered() -> None:
    """Where nothing can translate them, the rules need to know their names."""
    digest = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"

    assert wanted(read(headers=(("content-length", "0"), ("Repr-Digest", digest)))).unread_headers == ("repr-digest",)


def test_a_raw_request_does_not_show_its_headers() -> None:
    """A credential is among them, and a request may be logged."""
    assert "secret" not in repr(RawRequest(method="PUT", path="/", query="", headers=(("authorization", "secret"),)))


@pytest.mark.parametrize(("method", "expected"), [("OPTIONS", True), ("options", False), ("PUT", False)])
def test_only_options_is_a_preflight(method: str, *, expected: bool) -> None:
    """What asks what is allowed is told apart by its method alone."""
    assert is_preflight(RawRequest(method=method, path="/", query="", headers=())) is expected

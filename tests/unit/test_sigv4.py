"""Signing, held against AWS's published suite, and the refusals and caches that the suite does not know."""

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from gateway.storage._canonical import normalized_path
from gateway.storage.sigv4 import (
    EMPTY_PAYLOAD,
    S3,
    UNSIGNED_PAYLOAD,
    Credentials,
    PostCondition,
    Service,
    Signer,
    encode_key,
)

SUITE = Path(__file__).parents[3] / "shared/data/sigv4/aws-signing-test-suite/v4"
NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
PLAIN = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY = Credentials(PLAIN.access_key, PLAIN.secret_key, "token/with+signs==")

needs_suite = pytest.mark.skipif(not SUITE.is_dir(), reason=f"AWS's signing test suite is not at {SUITE}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One case of the suite: the request as parsed, its context, and where its expected answers are."""

    folder: Path
    context: dict[str, Any]
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def signer(self) -> Signer:
        # `omit_session_token` means: add the token after signing. To a signer it is then a request without one.
        given = self.context["credentials"]
        token = None if self.context.get("omit_session_token") else given.get("token")
        service = Service(
            name=self.context["service"],
            normalize_path=self.context["normalize"],
            content_hash_header=self.context["sign_body"],
        )
        credentials = Credentials(given["access_key_id"], given["secret_access_key"], token)
        return Signer(credentials, self.context["region"], service)

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self.context["timestamp"])

    @property
    def payload_hash(self) -> str:
        """The hash that the expected canonical request ends in; all but two vectors sign an empty body."""
        return self.expected("header-canonical-request").rsplit("\n", 1)[-1]

    def expected(self, name: str) -> str:
        return (self.folder / f"{name}.txt").read_text("utf-8").strip()


def load(folder: Path) -> Vector:
    """A vector from its folder; a folded header line (RFC 9112 section 5.2) becomes one value, as a parser makes it."""
    head, _, body = (folder / "request.txt").read_bytes().partition(b"\n\n")
    request_line, *lines = re.sub(r"\n[ \t]+", " ", head.decode()).strip().split("\n")
    method, target = request_line.removesuffix(" HTTP/1.1").split(" ", 1)
    path, _, query = target.partition("?")
    pairs = (part.partition("=") for part in query.split("&") if part)
    headers = (line.partition(":") for line in lines)
    return Vector(
        folder=folder,
        context=json.loads((folder / "context.json").read_text("utf-8")),
        method=method,
        path=path,
        query=tuple((unquote(name), unquote(value)) for name, _, value in pairs),
        headers=tuple((name, value) for name, _, value in headers),
        body=body,
    )


VECTORS = sorted(SUITE.iterdir()) if SUITE.is_dir() else []


@needs_suite
def test_the_suite_is_whole() -> None:
    """All 38 vectors are there, so that a run over none of them can't pass for a run."""
    assert len(VECTORS) == 38


@needs_suite
@pytest.mark.parametrize("folder", VECTORS, ids=lambda folder: folder.name)
def test_header_signature_is_the_suites(folder: Path) -> None:
    """Every vector's Authorization header comes out as published, and with it all that it hashes."""
    vector = load(folder)
    added = vector.signer.sign_headers(
        vector.method,
        "example.amazonaws.com",
        vector.path,
        query=vector.query,
        headers=vector.headers,
        payload_hash=vector.payload_hash,
        now=vector.now,
    )

    published = vector.expected("header-signed-request")
    assert f"Authorization:{added['authorization']}" in published.split("\n")
    assert added["authorization"].endswith(f"Signature={vector.expected('header-signature')}")


@needs_suite
@pytest.mark.parametrize("folder", VECTORS, ids=lambda folder: folder.name)
def test_query_signature_is_the_suites(folder: Path) -> None:
    """Every vector's presigned URL carries the published signature over the published parameters."""
    vector = load(folder)
    url = vector.signer.presign(
        vector.method,
        "https://example.amazonaws.com",
        vector.path,
        query=vector.query,
        headers=vector.headers,
        expires=vector.context["expiration_in_seconds"],
        payload_hash=vector.expected("query-canonical-request").rsplit("\n", 1)[-1],
        now=vector.now,
    )

    published = vector.expected("query-signed-request").split("\n")[0].removesuffix(" HTTP/1.1").partition("?")[2]
    after_signing = {"X-Amz-Security-Token"} if vector.context.get("omit_session_token") else set()
    expected = [pair for pair in parse_qsl(published, keep_blank_values=True) if pair[0] not in after_signing]
    actual = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    assert actual[-1] == ("X-Amz-Signature", vector.expected("query-signature"))
    assert sorted(actual) == sorted(expected)


@pytest.mark.parametrize(
    ("key", "encoded"),
    [
        ("a/b.png", "a/b.png"),
        ("-._~/", "-._~/"),
        ("a b+c%20", "a%20b%2Bc%2520"),
        ("//a/../b/./", "//a/../b/./"),
        ("quote'\"(*)!", "quote%27%22%28%2A%29%21"),
        ("Köln", "K%C3%B6ln"),
        ("🎉", "%F0%9F%8E%89"),
        ("?#&=;:@$,", "%3F%23%26%3D%3B%3A%40%24%2C"),
        ("", ""),
    ],
)
def test_key_is_encoded_once(key: str, encoded: str) -> None:
    """Everything but the unreserved characters and the slash is escaped, once, and nothing is normalised."""
    assert encode_key(key) == encoded


def test_key_without_utf8_is_refused() -> None:
    """A lone surrogate has no UTF-8, so there is no URL for it."""
    with pytest.raises(ValueError, match="surrogates"):
        encode_key("a\ud800")


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("/", "/"),
        ("", "/"),
        ("//", "/"),
        ("/a/", "/a/"),
        ("/a/.", "/a/"),
        ("/a/b/..", "/a/"),
        ("/../a", "/a"),
        ("/a/./b//c", "/a/b/c"),
        ("/..", "/"),
    ],
)
def test_path_is_normalised_as_rfc_3986_has_it(path: str, normal: str) -> None:
    """Dot segments and empty ones go, a directory keeps its slash."""
    assert normalized_path(path) == normal


def presign(signer: Signer, **changes: Any) -> str:
    """A presigned PUT of `/k`, but for what is given."""
    method, origin, path = changes.pop("method", "PUT"), changes.pop("origin", "https://h"), changes.pop("path", "/k")
    return signer.presign(method, origin, path, **{"expires": 60, "now": NOW, **changes})


@pytest.mark.parametrize("expires", [0, -1, 604_801])
def test_lifetime_outside_s3s_bounds_is_refused(expires: int) -> None:
    """S3 takes 1 to 604,800 seconds; a URL it would refuse is not made."""
    with pytest.raises(ValueError, match="604,800"):
        presign(Signer(PLAIN, "r"), expires=expires)


@pytest.mark.parametrize("expires", [1, 604_800])
def test_lifetime_at_s3s_bounds_is_signed(expires: int) -> None:
    """Both ends are allowed."""
    assert f"&X-Amz-Expires={expires}&" in presign(Signer(PLAIN, "r"), expires=expires)


@pytest.mark.parametrize(
    "header",
    [
        ("x-a", "one\nx-b:two"),
        ("x-a", "one\r\nx-b: two"),
        ("x-a", "one\n"),
        ("x-a", "nul\0"),
        ("x-a\nx-b", "one"),
        ("x-a:x-b", "one"),
        ("x-a;x-b", "one"),
        ("", "one"),
        ("x a", "one"),
        ("x-ä", "one"),
    ],
)
def test_header_that_would_sign_another_is_refused(header: tuple[str, str]) -> None:
    """A newline, a colon or a semicolon where it does not belong could make one signature fit two requests."""
    with pytest.raises(ValueError, match="a header to sign"):
        presign(Signer(PLAIN, "r"), headers=[header])


@pytest.mark.parametrize("origin", ["https://h\nx-b:two", "https://h\r"])
def test_host_with_a_control_character_is_refused(origin: str) -> None:
    """The host is a signed header like any other."""
    with pytest.raises(ValueError, match="control character"):
        presign(Signer(PLAIN, "r"), origin=origin)


@pytest.mark.parametrize("name", ["X-Amz-Expires", "x-amz-expires", "X-AMZ-SIGNATURE", "X-Amz-Security-Token"])
def test_parameter_that_speaks_for_the_signature_is_refused(name: str) -> None:
    """A caller's query can't bring a second lifetime, credential or signature."""
    with pytest.raises(ValueError, match="signature's own"):
        presign(Signer(PLAIN, "r"), query=[(name, "1")])


def test_every_given_header_is_signed() -> None:
    """The URL lists all headers given, and host, in code-point order."""
    url = presign(Signer(PLAIN, "r"), headers=[("X-B", "2"), ("content-length", "0"), ("x-a", "1"), ("Host", "other")])
    assert "&X-Amz-SignedHeaders=content-length%3Bhost%3Bx-a%3Bx-b&" in url


def test_rare_token_characters_in_a_header_name_are_encoded() -> None:
    """A name may hold `!` or `'`, which the list of signed names in a URL may not."""
    url = presign(Signer(PLAIN, "r"), headers=[("x-amz-meta-it's!", "1")])
    assert "&X-Amz-SignedHeaders=host%3Bx-amz-meta-it%27s%21&" in url


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a b", "  a \t b ", True),
        ("a b", "a\u00a0\u2003b\u00a0", True),
        ("a b", "ab", False),
        ("a b", "a\u200db", False),
        ("a", "A", False),
    ],
)
def test_runs_of_white_space_count_as_one_space(one: str, other: str, same: bool) -> None:
    """Outer white space and the length of inner runs are not signed, the rest of a value is, case included."""
    signer = Signer(PLAIN, "r")
    assert (presign(signer, headers=[("x-a", one)]) == presign(signer, headers=[("x-a", other)])) is same


def test_raw_path_and_query_of_s3_are_encoded_in_the_url() -> None:
    """What is sent is what was signed: the key and the query, encoded once, the caller's query first."""
    url = presign(Signer(PLAIN, "r"), path="/a b/%2F?.png", query=[("uploadId", "x/y+z"), ("partNumber", "7")])
    assert url.startswith("https://h/a%20b/%252F%3F.png?uploadId=x%2Fy%2Bz&partNumber=7&X-Amz-Algorithm=")


def test_order_of_the_callers_query_does_not_change_the_signature() -> None:
    """The canonical query is sorted by name, then value, whatever order it is sent in."""
    signer, pairs = Signer(PLAIN, "r"), [("a", "1"), ("a", "0"), ("a-b", "2"), ("uploads", ""), ("z", "")]
    signatures = {presign(signer, query=order)[-64:] for order in (pairs, pairs[::-1])}
    assert len(signatures) == 1


def test_query_may_be_an_iterator() -> None:
    """Pairs are read once, from any iterable."""
    signer = Signer(PLAIN, "r")
    assert presign(signer, query=iter([("a", "1")])) == presign(signer, query=[("a", "1")])


@pytest.mark.parametrize(
    "same",
    [
        NOW.timestamp(),
        NOW.timestamp() + 0.999,
        NOW + timedelta(microseconds=999_999),
        NOW.astimezone(timezone(timedelta(hours=-7))),
    ],
)
def test_one_moment_has_one_stamp(same: datetime | float) -> None:
    """An aware time in any zone and seconds since the epoch say the same; fractions of a second are dropped."""
    assert presign(Signer(PLAIN, "r"), now=same) == presign(Signer(PLAIN, "r"))


def test_naive_time_is_refused() -> None:
    """A time without a zone would be read as the machine's own."""
    with pytest.raises(ValueError, match="without a zone"):
        presign(Signer(PLAIN, "r"), now=datetime(2015, 8, 30, 12, 36))  # noqa: DTZ001 - the point of the test


def test_signer_that_signed_before_signs_as_a_new_one() -> None:
    """What is remembered of a day or a second never changes an answer, also when time goes back."""
    signer, day = Signer(TEMPORARY, "r"), timedelta(days=1)
    moments = [NOW + day * step for step in (0, 1, 0, 5, 2, 3, 4, 0, 0)]
    assert [presign(signer, now=now) for now in moments] == [
        presign(Signer(TEMPORARY, "r"), now=now) for now in moments
    ]


def test_days_remembered_are_bounded() -> None:
    """A signer that lives for years does not grow."""
    signer = Signer(PLAIN, "r")
    for day in range(100):
        presign(signer, now=NOW + timedelta(days=day))
    assert len(signer._held.days) <= 4


def test_signers_share_nothing() -> None:
    """Another key, region or service is another signature, also after the first has signed."""
    signers = [
        Signer(PLAIN, "r"),
        Signer(PLAIN, "r2"),
        Signer(PLAIN, "r", Service(name="sts")),
        Signer(Credentials(PLAIN.access_key, "other"), "r"),
        Signer(TEMPORARY, "r"),
    ]
    assert len({presign(signer)[-64:] for signer in signers}) == len(signers)


def test_secrets_do_not_print() -> None:
    """Neither credentials nor a signer show the secret key or the session token."""
    signer = Signer(TEMPORARY, "r")
    presign(signer)
    printed = f"{TEMPORARY!r} {signer!r} {signer._held.days!r} {signer._held.last!r}"
    assert "AKIDEXAMPLE" in printed
    assert not [secret for secret in (PLAIN.secret_key, "token/with+signs") if secret in printed]


@pytest.mark.parametrize(
    ("expires_at", "lifetime"), [(None, 900), (2000.0, 900), (1900.0, 900), (1899.9, 899), (1000.0, 0), (0.0, 0)]
)
def test_lifetime_ends_with_the_credentials(expires_at: float | None, lifetime: int) -> None:
    """A URL is never promised to live longer than what signed it."""
    credentials = Credentials("a", "b", "c", expires_at=expires_at)
    assert credentials.lifetime(900, 1000.0) == lifetime


def test_signed_put_says_its_payload_is_unsigned() -> None:
    """A proxied S3 request carries the date, the payload's marker, the token and the signature, and nothing else."""
    added = Signer(TEMPORARY, "eu-central-1").sign_headers("PUT", "h", "/k", headers=[("x-a", "1")], now=NOW)

    assert added.pop("authorization").startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-central-1/s3/aws4_request, "
        "SignedHeaders=host;x-a;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature="
    )
    assert added == {
        "x-amz-date": "20150830T123600Z",
        "x-amz-content-sha256": UNSIGNED_PAYLOAD,
        "x-amz-security-token": "token/with+signs==",
    }


def test_header_of_the_signers_own_name_is_replaced() -> None:
    """A date, hash or token that came with the request never stands beside the signer's own."""
    signer, stale = Signer(TEMPORARY, "r"), [("X-Amz-Date", "20010101T000000Z"), ("X-Amz-Security-Token", "old")]
    assert signer.sign_headers("PUT", "h", "/k", headers=stale, now=NOW) == signer.sign_headers(
        "PUT", "h", "/k", now=NOW
    )


def test_post_policy_holds_the_conditions_and_the_fields() -> None:
    """The policy is the form's conditions and those of the fields added, with its end in UTC."""
    conditions: list[PostCondition] = [{"key": "a/Ä.png"}, ["content-length-range", 1, 10]]
    fields = Signer(TEMPORARY, "r").sign_post_policy(conditions, expiration=NOW + timedelta(minutes=5), now=NOW)

    policy = json.loads(base64.b64decode(fields["policy"]))
    signing = {name: value for name, value in fields.items() if name not in {"policy", "x-amz-signature"}}
    assert policy["expiration"] == "2015-08-30T12:41:00Z"
    assert policy["conditions"] == [*conditions, *({name: value} for name, value in signing.items())]
    assert set(signing) == {"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token"}


def test_constants_are_what_s3_expects() -> None:
    """The hash of nothing and S3's rules for a path."""
    assert EMPTY_PAYLOAD == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (S3.name, S3.raw_path, S3.normalize_path, S3.content_hash_header) == ("s3", True, False, True)

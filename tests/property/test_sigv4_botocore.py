"""Our signatures beside botocore's, byte for byte, over keys, headers, tokens, queries and times nobody thought of.

Where the two differ on purpose the strategies stay away and `tests/unit/test_sigv4.py` says why: botocore leaves some
hop-by-hop headers unsigned, and refuses neither control characters in a value nor a second `X-Amz-Date` in a query.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from botocore.auth import AUTH_TYPE_MAPS, S3SigV4Auth, S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from gateway.storage.endpoint import Addressing, Endpoint
from gateway.storage.sigv4 import Credentials, Signer, encode_key

Pair = tuple[str, str]

NEVER_IN_A_VALUE = [chr(code) for code in [*range(0x20), 0x7F]]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
keys = st.one_of(
    texts.filter(bool),
    st.text("abc/+ %&=?#'\"~!*()éß漢🎉\u200d", min_size=1, max_size=60),
    st.sampled_from(
        ["a b", "a+b", "100%", "%2F", "%252f", "//a//", "./a/..", 'o\'clock "x"', "👩\u200d👧.png", "a\nb"]
    ),
)
values = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters=NEVER_IN_A_VALUE), max_size=30),
    st.text(" \tab,;:=\u0085\u00a0\u2003\u3000", max_size=20),
)
names = st.one_of(
    st.sampled_from(["Content-Type", "content-md5", "If-None-Match", "x-amz-checksum-sha256", "Cache-Control"]),
    st.text("abcxyz019-_.", min_size=1, max_size=20).map(lambda name: f"x-amz-meta-{name}"),
)
headers = st.tuples(
    st.dictionaries(names, values, max_size=6).filter(lambda found: len({n.lower() for n in found}) == len(found)),
    st.integers(0, 5_368_709_120),
).map(lambda drawn: [*drawn[0].items(), ("content-length", str(drawn[1]))])
queries = st.dictionaries(
    # A name of the signature's own is refused by us; botocore lets it stand twice.
    st.one_of(st.sampled_from(["uploadId", "partNumber", "uploads", "x-id"]), texts).filter(
        lambda name: not name.lower().startswith("x-amz-")
    ),
    texts,
    max_size=4,
)
moments = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001 - hypothesis takes naive bounds
credentials = st.builds(
    Credentials,
    st.text("ABCDEFGHIJKLMNOP234567", min_size=16, max_size=24),
    st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1, max_size=40),
    st.none() | st.text("abcXYZ019+/=", min_size=1, max_size=200),
)
regions = st.sampled_from(["us-east-1", "eu-central-1", "ap-southeast-2"])


@pytest.fixture(scope="module")
def stopped() -> Any:
    """Sets the time that botocore signs at: the one thing of it that is replaced, for it takes none as a parameter."""
    with pytest.MonkeyPatch.context() as patch:

        def stop(moment: datetime) -> None:
            patch.setattr("botocore.auth.get_current_datetime", lambda: moment.replace(tzinfo=None))

        # Where awscrt is installed, botocore signs with it, by a clock that nobody can stop.
        patch.setitem(AUTH_TYPE_MAPS, "s3v4-query", S3SigV4QueryAuth)
        yield stop


def botocore_request(method: str, url: str, pairs: Sequence[Pair], query: dict[str, str]) -> AWSRequest:
    """A request as botocore's signers take it: the path already encoded, the payload unsigned."""
    request = AWSRequest(method=method, url=url, headers=dict(pairs), params=dict(query))
    request.context["client_config"] = Config(s3={"payload_signing_enabled": False})
    return request


def theirs(given_credentials: Credentials) -> BotocoreCredentials:
    """The same credentials for botocore."""
    return BotocoreCredentials(
        given_credentials.access_key, given_credentials.secret_key, given_credentials.session_token
    )


@given(
    key=keys,
    pairs=headers,
    query=queries,
    now=moments,
    who=credentials,
    region=regions,
    expires=st.integers(1, 604_800),
)
def test_presigned_url_is_botocores(
    *,
    stopped: Any,
    key: str,
    pairs: list[Pair],
    query: dict[str, str],
    now: datetime,
    who: Credentials,
    region: str,
    expires: int,
) -> None:
    """The URL is the same string, whatever is signed."""
    stopped(now)
    endpoint = Endpoint.at("http://localhost:8333", "acme-files")
    request = botocore_request("PUT", endpoint.url_for(key), pairs, query)
    S3SigV4QueryAuth(theirs(who), "s3", region, expires=expires).add_auth(request)

    url = Signer(who, region).presign(
        "PUT", endpoint.origin, endpoint.path_for(key), headers=pairs, query=query.items(), expires=expires, now=now
    )

    assert url == request.url


@given(
    key=keys,
    pairs=headers,
    query=queries,
    now=moments,
    who=credentials,
    numbers=st.lists(st.integers(0, 10_000), min_size=1, max_size=3),
    varying=st.sampled_from(["partNumber", "A", "z", "part number"]),
)
def test_urls_of_a_family_are_botocores(
    *,
    stopped: Any,
    key: str,
    pairs: list[Pair],
    query: dict[str, str],
    now: datetime,
    who: Credentials,
    numbers: list[int],
    varying: str,
) -> None:
    """What differs in one number alone is signed as if each were signed by itself, wherever that number stands."""
    stopped(now)
    endpoint = Endpoint.at("http://localhost:8333", "acme-files")
    others = {name: value for name, value in query.items() if name != varying}
    family = Signer(who, "eu-central-1").family(
        "PUT",
        endpoint.origin,
        endpoint.path_for(key),
        headers=pairs,
        query=others.items(),
        expires=60,
        now=now,
        varying=varying,
    )

    for number in numbers:
        request = botocore_request("PUT", endpoint.url_for(key), pairs, {varying: str(number), **others})
        S3SigV4QueryAuth(theirs(who), "s3", "eu-central-1", expires=60).add_auth(request)
        assert family.url(number) == request.url


@given(key=keys, pairs=headers, query=queries, now=moments, who=credentials, region=regions)
def test_signed_headers_are_botocores(
    *, stopped: Any, key: str, pairs: list[Pair], query: dict[str, str], now: datetime, who: Credentials, region: str
) -> None:
    """A request signed in its headers, payload unsigned, gets the same headers."""
    stopped(now)
    endpoint = Endpoint.at("http://localhost:8333", "acme-files")
    request = botocore_request("PUT", endpoint.url_for(key), pairs, query)
    S3SigV4Auth(theirs(who), "s3", region).add_auth(request)

    added = Signer(who, region).sign_headers(
        "PUT", endpoint.host, endpoint.path_for(key), headers=pairs, query=query.items(), now=now
    )

    given_names = {name.lower() for name, _ in pairs}
    assert added == {n.lower(): v for n, v in request.headers.items() if n.lower() not in given_names}


conditions = st.lists(
    st.one_of(
        st.dictionaries(texts, texts, min_size=1, max_size=1),
        st.tuples(st.just("content-length-range"), st.integers(0, 2**40), st.integers(0, 2**40)).map(list),
        st.tuples(st.just("starts-with"), st.just("$key"), texts).map(list),
    ),
    max_size=6,
)


@given(rules=conditions, now=moments, who=credentials, region=regions, minutes=st.integers(1, 600))
def test_post_policy_is_botocores(
    *, stopped: Any, rules: list[Any], now: datetime, who: Credentials, region: str, minutes: int
) -> None:
    """A form's fields, policy text included, are the same."""
    stopped(now)
    ends = now + timedelta(minutes=minutes)
    request = AWSRequest(method="POST", url="https://acme-files.s3.amazonaws.com/")
    request.context["s3-presign-post-policy"] = {
        "expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "conditions": list(rules),
    }
    S3SigV4PostAuth(theirs(who), "s3", region).add_auth(request)

    fields = Signer(who, region).sign_post_policy(rules, expiration=ends, now=now)

    assert fields == request.context["s3-presign-post-fields"]


@pytest.fixture(scope="module")
def clients() -> dict[Addressing, Any]:
    """boto3's own S3 clients, one a style of addressing."""
    return {
        style: boto3.client(
            "s3",
            region_name="eu-central-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
            aws_session_token="token+/=",
            config=Config(signature_version="s3v4", s3={"addressing_style": str(style)}),
        )
        for style in Addressing
    }


@given(
    key=keys.filter(lambda key: not key.startswith("/") and not {".", ".."} & set(key.split("/"))),
    now=moments,
    size=st.integers(0, 5_368_709_120),
    metadata=st.dictionaries(
        st.text("abc-", min_size=1, max_size=8), st.text("ab +%'\"", min_size=1, max_size=9), max_size=3
    ),
    style=st.sampled_from(Addressing),
)
def test_presigned_put_is_boto3s(
    *,
    stopped: Any,
    clients: dict[Addressing, Any],
    key: str,
    now: datetime,
    size: int,
    metadata: dict[str, str],
    style: Addressing,
) -> None:
    """`generate_presigned_url` for a whole PutObject gives our URL, in both styles of addressing."""
    stopped(now)
    parameters = {
        "Bucket": "acme-files",
        "Key": key,
        "ContentLength": size,
        "ContentType": "image/png",
        "IfNoneMatch": "*",
        "Metadata": metadata,
    }
    expected = clients[style].generate_presigned_url("put_object", Params=parameters, ExpiresIn=900)

    endpoint = Endpoint.aws("acme-files", "eu-central-1", addressing=style)
    signed = {"content-length": str(size), "content-type": "image/png", "if-none-match": "*"}
    signed |= {f"x-amz-meta-{name}": value for name, value in metadata.items()}
    url = Signer(Credentials("AKIDEXAMPLE", "secret", "token+/="), "eu-central-1").presign(
        "PUT", endpoint.origin, endpoint.path_for(key), headers=signed.items(), expires=900, now=now
    )

    assert url == expected


@given(key=texts)
def test_encoded_key_decodes_to_itself(key: str) -> None:
    """Nothing is lost, and what is left is in the alphabet of RFC 3986's unreserved characters, `%` and `/`."""
    from urllib.parse import quote, unquote

    encoded = encode_key(key)

    assert unquote(encoded, errors="strict") == key
    assert encoded == quote(key, safe="/")
    assert urlencode({"k": encoded}).isascii()

"""What the headers of a request declare: the allowlist, the checksums, the metadata."""

import base64
import json
from pathlib import Path

import botocore.session
import pytest

from gateway.policy.headers import DIGEST_BYTES, OBJECT_HEADERS, Declared, declared, is_checksum
from gateway.policy.model import Algorithm, Checksum
from gateway.policy.problems import Code

VECTORS = Path(__file__).parents[2] / "../shared/data/checksum_vectors.json"
ALLOWED_AMZ = {f"x-amz-checksum-{name}" for name in ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")}
SHA256 = base64.b64encode(bytes(range(32))).decode()
OTHER_SHA256 = base64.b64encode(bytes(32)).decode()
DIGEST, OTHER_DIGEST = f"sha-256=:{SHA256}:", f"sha-256=:{OTHER_SHA256}:"
RIGHT = {algorithm: base64.b64encode(b"\xfb" * size).decode() for algorithm, size in DIGEST_BYTES.items()}


def put_object_headers() -> list[str]:
    """Every `x-amz-*` header of botocore's PutObject input, lower-case."""
    model = botocore.session.get_session().get_service_model("s3").operation_model("PutObject")
    names = {shape.serialization.get("name", "").lower() for shape in model.input_shape.members.values()}
    return sorted(name for name in names if name.startswith("x-amz-") and not name.startswith("x-amz-meta-"))


def code(found: Declared) -> Code | None:
    return None if found.fault is None else found.fault.code


REFUSED_AMZ = [name for name in put_object_headers() if name not in ALLOWED_AMZ]


def test_botocore_knows_enough_headers_for_the_table_to_mean_something() -> None:
    """The table below is S3's own list, and the allowed five are on it."""
    assert set(put_object_headers()) >= ALLOWED_AMZ | {"x-amz-acl", "x-amz-tagging", "x-amz-grant-read"}
    assert len(REFUSED_AMZ) > 20


@pytest.mark.parametrize("name", REFUSED_AMZ)
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title], ids=["lower", "upper", "title"])
def test_whatever_else_s3_would_act_on_is_refused(name: str, spell: type[str]) -> None:
    """No header of PutObject gets through but the checksums, in whatever case it is written."""
    assert code(declared([(spell(name), "x")])) is Code.HEADER_NOT_ALLOWED


@pytest.mark.parametrize(
    "name",
    [
        "x-amz-",
        "x-amz-copy-source",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-trailer",
        "x-amz-decoded-content-length",
        "x-amz-checksum-sha512",
        "x-amz-checksum-md5",
        "x-amz-checksum-sha256 ",
        "x-amz-checksum-",
        "x-amz-checksum-type",
        "x-amz-meta",
        "x-amz-meta-",
        "x-amz-meta-a b",
        "x-amz-meta-a/b",
        "x-amz-meta-é",
        "x-amz-meta-a\r\nx-amz-acl",
        "x-amz-cf-ids",
        "X-Amz-Unheard-Of",
        "if-match",
        "If-Match",
        "content-range",
    ],
)
def test_what_is_not_on_the_allowlist_is_refused(name: str) -> None:
    """A header of S3's family that nobody allowed is refused, however near it comes to an allowed one."""
    assert code(declared([(name, "x")])) is Code.HEADER_NOT_ALLOWED


@pytest.mark.parametrize(
    "name",
    [
        "x-amz-cf-id",
        "X-Amz-Cf-Id",
        "x-amzn-trace-id",
        "X-Amzn-RequestId",
        "cache-control",
        "user-agent",
        "origin",
        "x-http-method-override",
        "x-forwarded-for",
        "te",
        "cookie",
        "range",
        "if-modified-since",
        "want-repr-digest",
        "x_amz_acl",
        "xx-amz-acl",
    ],
)
def test_all_other_headers_are_ignored(name: str) -> None:
    """What S3 would not act on, and what infrastructure adds, declares nothing, even twice."""
    assert declared([(name, "x"), (name, "y")]) == Declared()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-type", "image/png"),
        ("if-none-match", "*"),
        ("content-md5", RIGHT[Algorithm.MD5]),
        ("content-digest", DIGEST),
        ("repr-digest", DIGEST),
        *((f"x-amz-checksum-{a}", RIGHT[a]) for a in Algorithm if a is not Algorithm.MD5),
        *((name, "x") for name in OBJECT_HEADERS),
        ("x-amz-meta-a", "x"),
    ],
)
def test_a_header_that_must_be_single_is_refused_when_repeated(name: str, value: str) -> None:
    """Twice is refused in any casing, even with the same value, and the answer says which header."""
    fault = declared([(name, value), (name.upper(), value)]).fault

    assert fault is not None
    assert fault.code is Code.REQUEST_INVALID
    assert [error.pointer for error in fault.errors] == [f"/headers/{name}"]


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_checksum_is_taken_as_it_came(algorithm: Algorithm) -> None:
    """Each of the six is read from its own header, the white space around it left out."""
    checksum = Checksum(algorithm, RIGHT[algorithm])

    assert declared([(checksum.header.title(), f" \t{checksum.value} ")]) == Declared(checksum=checksum)


def malformed(algorithm: Algorithm) -> list[str]:
    size, right = DIGEST_BYTES[algorithm], RIGHT[algorithm]
    spare = "A" if right.rstrip("=")[-1] != "A" else "B"
    return [
        "",
        "x",
        "=" * len(right),
        base64.b64encode(b"\xfb" * (size - 1)).decode(),
        base64.b64encode(b"\xfb" * (size + 1)).decode(),
        right.rstrip("="),
        right + "=",
        right[:4] + " " + right[4:],
        right[:4] + "\t" + right[4:],
        right + ", " + right,
        base64.urlsafe_b64encode(b"\xfb" * size).decode(),
        ("fb" * size),
        f'"{right}"',
        right.rstrip("=")[:-1] + chr(ord(right.rstrip("=")[-1]) + 1) + "=" * right.count("="),
        right + spare,
    ]


@pytest.mark.parametrize(
    ("algorithm", "value"), [(algorithm, value) for algorithm in Algorithm for value in malformed(algorithm)]
)
def test_a_malformed_checksum_is_refused(algorithm: Algorithm, value: str) -> None:
    """Short, long, unpadded, of another alphabet or with stray bits: S3 is never asked about such a checksum."""
    found = declared([(Checksum(algorithm, "").header, value)])

    assert not is_checksum(algorithm, value)
    assert code(found) is Code.REQUEST_INVALID
    assert found.fault is not None
    assert found.fault.errors


@pytest.mark.skipif(not VECTORS.exists(), reason="The public checksum vectors are not beside this repository.")
@pytest.mark.parametrize("algorithm", Algorithm)
def test_real_checksums_are_well_formed(algorithm: Algorithm) -> None:
    """Every published vector is a checksum of its algorithm, and of no other of another length."""
    for vector in json.loads(VECTORS.read_text())["vectors"]:
        for other in Algorithm:
            same_length = DIGEST_BYTES[other] == DIGEST_BYTES[algorithm]

            assert is_checksum(other, vector[algorithm]) is same_length


@pytest.mark.parametrize("header", ["content-digest", "repr-digest"])
@pytest.mark.parametrize(
    "value",
    [
        DIGEST,
        f"sha-512=:AAAA:, sha-256=:{SHA256}:",
        f"sha-256=:{SHA256}:\t,  unixsum=:AA==:",
    ],
)
def test_a_digest_with_sha_256_is_a_checksum(header: str, value: str) -> None:
    """RFC 9530's fields say the same as S3's own header, and are remembered as what S3 does not read."""
    assert declared([(header, value)]) == Declared(checksum=Checksum(Algorithm.SHA256, SHA256), unread=(header,))


@pytest.mark.parametrize("header", ["content-digest", "repr-digest"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "sha-256",
        f"sha-256={SHA256}",
        f'sha-256="{SHA256}"',
        f"sha-256=:{SHA256}",
        f"SHA-256=:{SHA256}:",
        f"sha-256 =:{SHA256}:",
        f"sha-256= :{SHA256}:",
        f"sha-256=:{SHA256[:-1]}:",
        "sha-256=::",
        "sha-256=:AAAA:",
        "sha-512=:AAAA:",
        "md5=:AAAA:",
        f"sha-256=:{SHA256}:,",
        f",sha-256=:{SHA256}:",
        f"sha-256=:{SHA256}:,sha-256=:{SHA256}:",
        f"sha-256=:{SHA256}:;sha-512=:AAAA:",
        f"sha-256=:{SHA256[:5]} {SHA256[5:]}:",
    ],
)
def test_a_digest_that_is_malformed_or_without_sha_256_is_refused(header: str, value: str) -> None:
    """A digest that could not be verified is not taken for one that was not sent."""
    assert code(declared([(header, value)])) is Code.REQUEST_INVALID


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("x-amz-checksum-sha256", SHA256), ("x-amz-checksum-crc32", RIGHT[Algorithm.CRC32])], Code.REQUEST_INVALID),
        ([("x-amz-checksum-sha256", SHA256), ("content-md5", RIGHT[Algorithm.MD5])], Code.REQUEST_INVALID),
        ([("x-amz-checksum-sha256", SHA256), ("content-digest", OTHER_DIGEST)], Code.REQUEST_INVALID),
        (
            [("content-digest", DIGEST), ("repr-digest", OTHER_DIGEST)],
            Code.REQUEST_INVALID,
        ),
        (
            [("x-amz-checksum-sha1", RIGHT[Algorithm.SHA1]), ("repr-digest", DIGEST)],
            Code.REQUEST_INVALID,
        ),
        ([("x-amz-checksum-sha256", SHA256), ("x-amz-checksum-crc32", "bad")], Code.REQUEST_INVALID),
        ([("x-amz-checksum-sha256", SHA256), ("content-digest", DIGEST)], None),
        ([("content-digest", DIGEST), ("repr-digest", DIGEST)], None),
    ],
)
def test_two_different_checksums_are_refused(headers: list[tuple[str, str]], expected: Code | None) -> None:
    """One checksum said in two headers is one; two of them are a request nobody can keep."""
    assert code(declared(headers)) is expected
    assert code(declared(headers[::-1])) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("*", None),
        (" *\t", None),
        ("", Code.HEADER_NOT_ALLOWED),
        ('"abc"', Code.HEADER_NOT_ALLOWED),
        ('W/"abc"', Code.HEADER_NOT_ALLOWED),
        ("*, *", Code.HEADER_NOT_ALLOWED),
        ('"*"', Code.HEADER_NOT_ALLOWED),
        ("**", Code.HEADER_NOT_ALLOWED),
    ],
)
def test_if_none_match_is_a_star_or_refused(value: str, expected: Code | None) -> None:
    """Only `*` creates; a list of entity tags is nothing an upload may ask for."""
    found = declared([("If-None-Match", value)])

    assert code(found) is expected
    assert found.create_only is (expected is None)


@pytest.mark.parametrize("value", ["aws-chunked", "AWS-Chunked", "gzip, aws-chunked", "gzip,aws-chunked , br"])
def test_the_aws_chunked_encoding_is_refused_whatever_the_policy(value: str) -> None:
    """It would make S3 unwrap other bytes than those that were counted."""
    assert code(declared([("Content-Encoding", value)])) is Code.HEADER_NOT_ALLOWED


@pytest.mark.parametrize("name", OBJECT_HEADERS)
def test_headers_stored_with_the_object_are_kept_apart_for_the_policy(name: str) -> None:
    """Whether they may be stored is the tenant's to say, so they are declared and not judged here."""
    assert declared([(name.upper(), " x ")]) == Declared(object_headers=((name, "x"),))


@pytest.mark.parametrize(
    "name", ["content-type", "x-amz-meta-a", "content-encoding", "x-amz-checksum-sha256", "content-digest"]
)
@pytest.mark.parametrize("value", ["a\r\nb", "a\x00b", "a\x7fb", "caf\xe9", "a\u2028b", "\ud800", "a\x0bb", "a\n"])
def test_a_value_that_is_not_printable_ascii_is_refused(name: str, value: str) -> None:
    """Nothing that could end a header early, or that hops read in different encodings, goes on."""
    assert code(declared([(name, value)])) is Code.REQUEST_INVALID


def test_metadata_keeps_its_order_and_its_values() -> None:
    """Keys are lower-cased and lose their prefix; values lose the white space around them and nothing else."""
    headers = [("X-Amz-Meta-B", " two  words "), ("x-amz-meta-a~", ""), ("x-amz-meta-A.1", "a\tb")]

    assert declared(headers).metadata == (("b", "two  words"), ("a~", ""), ("a.1", "a\tb"))


def test_a_pointer_into_the_headers_is_escaped() -> None:
    """RFC 6901 gives the tilde a meaning, so a tilde in a key is written `~0`."""
    fault = declared([("x-amz-meta-a~b", "\x00")]).fault

    assert fault is not None
    assert fault.errors[0].pointer == "/headers/x-amz-meta-a~0b"


def test_a_long_or_strange_name_is_not_repeated_in_the_answer() -> None:
    """What a client learns of a refused name is bounded and printable."""
    for name in ("x-amz-" + "a" * 1000, "x-amz-\x00\ud800"):
        fault = declared([(name, "secret")]).fault

        assert fault is not None
        assert len(fault.detail) < 100
        assert fault.detail.replace("…", "").isascii()
        assert "secret" not in fault.detail

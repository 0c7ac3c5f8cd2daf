"""Multipart plans from the first call to the object, on the demo's real S3."""

import base64
import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from tests.presigner.gateway import PART, Gateway, code, pointers

BODY = bytes(range(256)) * (PART // 256) + b"the end"
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()


def test_a_large_upload_is_multipart(gateway: Gateway) -> None:
    """From the threshold on, with every part in the answer and S3's exact lengths."""
    plan = gateway.plan(len(BODY) + 2 * PART, name="large.bin")

    assert (plan["strategy"], plan["part_size"], plan["part_count"], plan["url"]) == ("multipart", PART, 4, None)
    assert [(part["number"], part["size"]) for part in plan["parts"]] == [(1, PART), (2, PART), (3, PART), (4, 7)]
    assert gateway.plan(5_999_999)["strategy"] == "put"
    assert gateway.plan(6_000_000)["strategy"] == "multipart"


@pytest.mark.parametrize("quoting", ["quoted", "bare", "mixed", "absent"])
@pytest.mark.parametrize("tenant", ["free", "once"])
def test_parts_become_the_object(gateway: Gateway, tenant: str, quoting: str) -> None:
    """However the client writes the ETags, or if it has forgotten them."""
    plan = gateway.plan(len(BODY), tenant=tenant, name=f"{quoting}.bin", strategy="multipart", metadata={"k": "v ü"})
    parts: list[dict[str, Any]] | None = gateway.send_all(plan, BODY)
    for part in parts or []:
        if quoting == "bare" or (quoting == "mixed" and part["number"] == 1):
            part["etag"] = part["etag"].strip('"')
    parts = None if quoting == "absent" else parts

    first = gateway.call("POST", f"/uploads/{plan['id']}/complete", {"parts": parts}, tenant=tenant)
    again = gateway.call("POST", f"/uploads/{plan['id']}/complete", {"parts": parts}, tenant=tenant)

    assert first.status_code == 200, first.text
    assert again.json() == first.json()
    done = first.json()
    assert (done["id"], done["key"], done["size"]) == (plan["id"], f"{tenant}/{quoting}.bin", len(BODY))
    assert done["checksum"]["algorithm"] == "crc64nvme"
    assert gateway.call("GET", f"/uploads/{plan['id']}", tenant=tenant).json()["state"] == "completed"


def test_fifty_who_complete_at_once_get_one_answer(gateway: Gateway) -> None:
    """The object is made once, and everyone is told the same."""
    plan = gateway.plan(len(BODY), tenant="once", name="fifty.bin", strategy="multipart")
    gateway.send_all(plan, BODY)
    gateway.token("once", "ann")

    def complete(_: int) -> tuple[int, str]:
        answer = gateway.call("POST", f"/uploads/{plan['id']}/complete", {}, tenant="once")
        return answer.status_code, answer.text

    with ThreadPoolExecutor(50) as pool:
        answers = set(pool.map(complete, range(50)))

    assert len(answers) == 1
    assert answers.pop()[0] == 200


@pytest.mark.parametrize("given", ["create", "complete", "both"])
def test_the_whole_checksum_is_verified_by_s3(gateway: Gateway, given: str) -> None:
    """Right: stored, and said; it may be given before or after the bytes."""
    whole = {"algorithm": "crc32", "value": CRC32}
    declared = {"algorithm": "crc32", "value": None} if given == "complete" else whole
    plan = gateway.plan(len(BODY), tenant="strict", name=f"whole-{given}", strategy="multipart", checksum=declared)
    gateway.send_all(plan, BODY)

    body = {} if given == "create" else {"checksum": whole}
    answer = gateway.call("POST", f"/uploads/{plan['id']}/complete", body, tenant="strict")

    assert (answer.status_code, answer.json()["checksum"]) == (200, whole), answer.text


def test_other_bytes_than_the_checksum_says_are_not_stored(gateway: Gateway) -> None:
    """S3 compares; the parts stay, nothing becomes an object, and the right bytes can still be completed."""
    checksum = {"algorithm": "crc32", "value": CRC32}
    plan = gateway.plan(len(BODY), tenant="strict", name="wrong.bin", strategy="multipart", checksum=checksum)
    gateway.send_all(plan, BODY[::-1])

    wrong = gateway.call("POST", f"/uploads/{plan['id']}/complete", {}, tenant="strict")
    state = gateway.call("GET", f"/uploads/{plan['id']}", tenant="strict").json()["state"]
    gateway.send_all(plan, BODY)
    right = gateway.call("POST", f"/uploads/{plan['id']}/complete", {}, tenant="strict")

    assert (code(wrong), state, right.status_code) == ("checksum-mismatch", "open", 200)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, "checksum-required"),
        ({"checksum": {"algorithm": "crc32", "value": "AAAAAA=="}}, "request-invalid"),
        ({"checksum": {"algorithm": "crc64nvme", "value": "short"}}, "request-invalid"),
        ({"checksum": {"algorithm": "crc64nvme"}}, "request-invalid"),
        ({"parts": [{"number": 1}]}, "request-invalid"),
        ({"other": 1}, "request-invalid"),
    ],
)
def test_a_complete_that_says_too_little_or_the_wrong_thing(gateway: Gateway, body: Any, refusal: str) -> None:
    """A required checksum that is missing, another algorithm than the upload's, a body that is none."""
    plan = gateway.plan(len(BODY), tenant="strict", name="little.bin", strategy="multipart")

    assert code(gateway.call("POST", f"/uploads/{plan['id']}/complete", body, tenant="strict")) == refusal


def test_what_is_missing_is_said(gateway: Gateway) -> None:
    """Nothing sent, one of two sent, an ETag that is not S3's, a part too many: incomplete, and it stays open."""
    plan = gateway.plan(len(BODY), name="missing.bin", strategy="multipart")
    path = f"/uploads/{plan['id']}/complete"

    answers = [gateway.call("POST", path, {})]
    first = gateway.send(plan["parts"][0], BODY[:PART]).headers["etag"]
    answers.append(gateway.call("POST", path, {}))
    last = gateway.send(plan["parts"][1], BODY[PART:]).headers["etag"]
    wrong: list[list[dict[str, Any]]] = [
        [{"number": 1, "etag": first}],
        [{"number": 1, "etag": last}, {"number": 2, "etag": first}],
        [{"number": 1, "etag": first}, {"number": 2, "etag": last}, {"number": 3, "etag": last}],
        [{"number": 1, "etag": first}, {"number": 1, "etag": first}, {"number": 2, "etag": last}],
        [],
    ]
    answers += [gateway.call("POST", path, {"parts": parts}) for parts in wrong]

    assert [(answer.status_code, code(answer)) for answer in answers] == [(409, "upload-incomplete")] * 7
    detail = gateway.call("GET", f"/uploads/{plan['id']}").json()
    assert detail["state"] == "open"
    assert detail["parts"] == [
        {"number": 1, "size": PART, "etag": first},
        {"number": 2, "size": len(BODY) - PART, "etag": last},
    ]


def test_a_create_only_upload_does_not_replace(gateway: Gateway) -> None:
    """What came first stays; the second is told that it exists, and can be given up."""
    plans = [gateway.plan(len(BODY), tenant="once", name="twice.bin", strategy="multipart") for _ in range(2)]
    for plan in plans:
        gateway.send_all(plan, BODY)

    answers = [gateway.call("POST", f"/uploads/{plan['id']}/complete", {}, tenant="once") for plan in plans]

    assert answers[0].status_code == 200
    assert (answers[1].status_code, code(answers[1])) == (412, "object-exists")
    assert gateway.call("DELETE", f"/uploads/{plans[1]['id']}", tenant="once").status_code == 204


@pytest.mark.parametrize(
    ("changes", "old", "new"),
    [
        (b"!", "", ""),
        (b"", "partNumber=2", "partNumber=3"),
        (b"", "partNumber=2", "partNumber=1"),
        (b"", "/free/", "/other/"),
        (b"", "partNumber=2&", ""),
        (b"", "?", "?uploads&"),
    ],
)
def test_s3_holds_a_part_to_its_url(gateway: Gateway, changes: bytes, old: str, new: str) -> None:
    """Another length, number, key or operation is refused by S3, and it has no part afterwards."""
    plan = gateway.plan(len(BODY), name="bounds.bin", strategy="multipart")
    part = plan["parts"][1]

    answer = gateway.send({**part, "url": part["url"].replace(old, new, 1)}, BODY[PART:] + changes)
    shorter = gateway.send(part, BODY[PART + 1 :])

    assert (answer.status_code in {400, 403}, shorter.status_code) == (True, 403), answer.text
    assert gateway.call("GET", f"/uploads/{plan['id']}").json()["parts"] == []


def test_fresh_urls_are_given_and_their_checksums_signed(gateway: Gateway) -> None:
    """Only for the parts asked for; other bytes than the checksum says are refused by S3."""
    plan = gateway.plan(
        len(BODY), name="fresh.bin", strategy="multipart", checksum={"algorithm": "crc32", "value": None}
    )
    crc = base64.b64encode(zlib.crc32(BODY[PART:]).to_bytes(4, "big")).decode()
    asked = {"numbers": [2], "checksums": {"2": crc}}

    answer = gateway.call("POST", f"/uploads/{plan['id']}/parts", asked)

    assert answer.status_code == 200, answer.text
    part = answer.json()["parts"][0]
    assert (part["number"], part["size"], part["headers"]) == (2, 7, {"x-amz-checksum-crc32": crc})
    wrong = gateway.send(part, BODY[PART:][::-1])
    without = gateway.s3.put(part["url"], content=BODY[PART:])
    right = gateway.send(part, BODY[PART:])
    assert (wrong.status_code, without.status_code, right.status_code) == (400, 403, 200)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"numbers": []}, "/numbers"),
        ({"numbers": [0]}, "/numbers/0"),
        ({"numbers": [1, 3]}, "/numbers/1"),
        ({"numbers": [1, 1]}, "/numbers"),
        ({"numbers": ["1"]}, "/numbers/0"),
        ({"numbers": [1], "checksums": {"2": "AAAAAAAAAAA="}}, "/checksums"),
        ({"numbers": [1], "checksums": {"1": "x"}}, "/checksums/1"),
        ({}, "/numbers"),
    ],
)
def test_parts_that_are_not_there_are_not_signed(gateway: Gateway, body: Any, pointer: str) -> None:
    """Every fault with its pointer."""
    plan = gateway.plan(len(BODY), name="fresh.bin", strategy="multipart")

    answer = gateway.call("POST", f"/uploads/{plan['id']}/parts", body)

    assert (answer.status_code, pointers(answer)) == (400, [pointer])


def test_an_upload_that_is_given_up_leaves_nothing(gateway: Gateway) -> None:
    """Its parts are gone, its URLs are dead, its id is no upload's; giving it up again is fine."""
    plan = gateway.plan(len(BODY), name="given-up.bin", strategy="multipart")
    gateway.send(plan["parts"][1], BODY[PART:])

    answers = [gateway.call("DELETE", f"/uploads/{plan['id']}").status_code for _ in range(2)]

    assert answers == [204, 204]
    detail = gateway.call("GET", f"/uploads/{plan['id']}").json()
    assert (detail["state"], detail["parts"]) == ("aborted", [])
    assert gateway.send(plan["parts"][0], BODY[:PART]).status_code == 404
    assert code(gateway.call("POST", f"/uploads/{plan['id']}/complete", {})) == "upload-not-found"
    assert code(gateway.call("POST", f"/uploads/{plan['id']}/parts", {"numbers": [1]})) == "upload-not-found"


def test_my_unfinished_uploads_are_listed_by_pages(gateway: Gateway) -> None:
    """Begun, but neither completed nor given up; of my own subject where the tenant says so."""
    plans = [gateway.plan(len(BODY), tenant="mine", subject="lea", name=f"{n}.bin") for n in range(4)]
    gateway.call("DELETE", f"/uploads/{plans[0]['id']}", tenant="mine", subject="lea")

    found: list[dict[str, Any]] = []
    query: str | None = "limit=2"
    while query is not None:
        page = gateway.call("GET", f"/uploads?{query}", tenant="mine", subject="lea").json()
        assert len(page["uploads"]) <= 2
        found += page["uploads"]
        query = page["cursor"] and f"limit=2&cursor={quote(page['cursor'], safe='')}"

    assert sorted(upload["id"] for upload in found) == sorted(plan["id"] for plan in plans[1:])
    assert {upload["state"] for upload in found} == {"open"}
    assert gateway.call("GET", "/uploads", tenant="mine", subject="bob").json()["uploads"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=nonsense", "limit=%D9%A1"])
def test_a_listing_that_can_not_be(gateway: Gateway, query: str) -> None:
    """A limit or a cursor that is none."""
    assert code(gateway.call("GET", f"/uploads?{query}")) == "request-invalid"
    assert code(gateway.call("GET", "/uploads?other=1")) == "query-not-allowed"


def test_strangers_find_no_upload(gateway: Gateway) -> None:
    """Another tenant, another subject where the owner is one, a changed id: nothing is there, on every route."""
    ids = {
        ("other", "ann"): gateway.plan(len(BODY), name="s.bin", strategy="multipart")["id"],
        ("mine", "bob"): gateway.plan(len(BODY), tenant="mine", name="s.bin", strategy="multipart")["id"],
    }
    own = ids["other", "ann"]
    changed = own[:-6] + ("A" if own[-6] != "A" else "B") + own[-5:]
    wanted = [*((sealed, *who) for who, sealed in ids.items()), (changed, "free", "ann"), ("x" * 3000, "free", "ann")]

    codes = [
        code(gateway.call(method, f"/uploads/{sealed}{tail}", body, tenant=tenant, subject=subject))
        for sealed, tenant, subject in wanted
        for method, tail, body in (
            ("GET", "", None),
            ("POST", "/parts", {"numbers": [1]}),
            ("POST", "/complete", {}),
            ("DELETE", "", None),
        )
    ]

    assert codes == ["upload-not-found"] * len(codes)
    assert gateway.call("GET", f"/uploads/{own}").json()["state"] == "open"


def test_an_idempotent_plan_is_the_same_to_the_last_url(gateway: Gateway) -> None:
    """Also when the answer with all its parts is larger than what is remembered."""
    size = 3_000 * PART
    body = {"name": "many.bin", "size": size, "content_type": "text/plain", "part_size": PART}

    first, again = (gateway.call("POST", "/uploads", body, **{"idempotency-key": "many"}) for _ in range(2))

    assert first.status_code == 201
    assert first.json() == again.json()
    assert len(first.json()["parts"]) == 3_000
    assert first.headers["content-encoding"] == "gzip"


def test_the_longest_key_has_an_id_that_is_short_enough(gateway: Gateway) -> None:
    """A key of 1,024 bytes of whatever takes most room."""
    name = "/".join(['"' * 254] * 3 + ['"' * 238 + "é" * 8])
    plan = gateway.plan(len(BODY), name=name, strategy="multipart", checksum={"algorithm": "crc64nvme", "value": None})

    assert len(plan["key"].encode()) == 1024
    assert len(plan["id"]) <= 2048
    assert gateway.call("GET", f"/uploads/{plan['id']}").json()["name"] == name
    gateway.call("DELETE", f"/uploads/{plan['id']}")


def test_ten_thousand_parts_are_one_answer(gateway: Gateway) -> None:
    """The largest object there is, every part of 5 GiB, compressed below what AWS Lambda passes."""
    body = {"name": "largest.bin", "size": 53_687_091_200_000, "content_type": "text/plain"}

    answer = gateway.call("POST", "/uploads", body)

    plan = answer.json()
    assert (plan["part_count"], plan["part_size"], len(plan["parts"])) == (10_000, 5_368_709_120, 10_000)
    assert int(answer.headers["content-length"]) < 6_000_000
    plain = gateway.call("POST", "/uploads", body, **{"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert len(json.loads(plain.content)["parts"]) == 10_000


def test_room_is_held_until_the_end_and_given_back(gateway: Gateway) -> None:
    """An unfinished upload counts; given up it does not; completed, the object does."""
    begin = {"name": "q.bin", "size": 12_000_000, "content_type": "text/plain", "strategy": "multipart"}
    plan = gateway.plan(12_000_000, tenant="full", strategy="multipart")
    assert code(gateway.call("POST", "/uploads", begin, tenant="full")) == "quota-exceeded"
    gateway.call("DELETE", f"/uploads/{plan['id']}", tenant="full")

    kept = gateway.plan(len(BODY), tenant="full", name="kept.bin", strategy="multipart")
    gateway.send_all(kept, BODY)
    assert gateway.call("POST", f"/uploads/{kept['id']}/complete", {}, tenant="full").status_code == 200
    second = gateway.plan(12_000_000, tenant="full", strategy="multipart")
    assert code(gateway.call("POST", "/uploads", begin, tenant="full")) == "quota-exceeded"
    gateway.call("DELETE", f"/uploads/{second['id']}", tenant="full")


def test_the_parts_own_checksums_are_compared_at_complete(gateway: Gateway) -> None:
    """By S3; what is no checksum is refused before."""
    plan = gateway.plan(
        len(BODY), name="each.bin", strategy="multipart", checksum={"algorithm": "crc32", "value": None}
    )
    path = f"/uploads/{plan['id']}/complete"
    parts = gateway.send_all(plan, BODY)
    for part, piece in zip(parts, (BODY[:PART], BODY[PART:]), strict=True):
        part["checksum"] = base64.b64encode(zlib.crc32(piece).to_bytes(4, "big")).decode()

    none = gateway.call("POST", path, {"parts": [parts[0], {**parts[1], "checksum": "x"}]})
    wrong = gateway.call("POST", path, {"parts": [parts[0], {**parts[1], "checksum": parts[0]["checksum"]}]})
    right = gateway.call("POST", path, {"parts": parts})

    assert (pointers(none), code(wrong)) == (["/parts/1/checksum"], "checksum-mismatch")
    assert (right.status_code, right.json()["checksum"]["value"]) == (200, CRC32), right.text


def test_a_part_that_was_sent_again_counts_as_the_client_names_it(gateway: Gateway) -> None:
    """Also over an S3 that keeps what it took before."""
    plan = gateway.plan(len(BODY), name="again.bin", strategy="multipart")
    gateway.send(plan["parts"][0], bytes(PART)).raise_for_status()
    parts = gateway.send_all(plan, BODY)

    done = gateway.call("POST", f"/uploads/{plan['id']}/complete", {"parts": parts})

    assert done.status_code == 200, done.text

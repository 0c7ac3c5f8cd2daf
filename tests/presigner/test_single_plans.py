"""Forms and single PUTs on the demo's real S3: what a form may be, and how both are completed."""

import base64
import hashlib
import zlib
from typing import Any

import pytest

from tests.presigner.gateway import Gateway, code, pointers

BODY = b"hello, form\n"
SHA256 = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
MD5 = base64.b64encode(hashlib.md5(BODY).digest()).decode()


def form(gateway: Gateway, **wanted: Any) -> dict[str, Any]:
    """A plan for a form of this body."""
    return gateway.plan(len(BODY), **{"strategy": "post", "name": "form.bin", **wanted})


def post(gateway: Gateway, plan: dict[str, Any], body: bytes = BODY, **changes: str) -> Any:
    """Post the form; a change replaces a field or adds one."""
    assert plan["method"] == "POST"
    fields = {**plan["fields"], **{name.replace("_", "-"): value for name, value in changes.items()}}
    return gateway.s3.post(plan["url"], data=fields, files={"file": ("whatever.bin", body)})


def test_a_form_stores_what_was_planned(gateway: Gateway) -> None:
    """Key, type and metadata as planned, then completed, also twice."""
    plan = form(gateway, metadata={"k": "v"}, content_type="text/plain")
    before = gateway.call("POST", f"/uploads/{plan['id']}/complete", {})

    answer = post(gateway, plan)

    assert (answer.status_code, code(before)) == (201, "upload-incomplete"), answer.text
    done = [gateway.call("POST", f"/uploads/{plan['id']}/complete", {}) for _ in range(2)]
    assert [each.status_code for each in done] == [200, 200], done[0].text
    assert done[0].json() == done[1].json()
    assert (done[0].json()["key"], done[0].json()["size"]) == ("free/form.bin", len(BODY))


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (BODY + b"!", {}),
        (BODY[1:], {}),
        (BODY, {"key": "other/form.bin"}),
        (BODY, {"key": "free/${filename}"}),
        (BODY, {"content_type": "text/html"}),
        (BODY, {"x_amz_meta_k": "w"}),
        (BODY, {"x_amz_meta_other": "1"}),
        (BODY, {"policy": "e30="}),
    ],
)
def test_s3_holds_a_form_to_the_plan(gateway: Gateway, body: bytes, changes: dict[str, str]) -> None:
    """Another size, key, type or metadata: refused by S3, and nothing is there to complete.

    AWS refuses every field that the policy does not name; SeaweedFS does so with metadata only.
    """
    name = f"bounds-{len(body)}-{'-'.join(changes)}.txt"
    plan = form(gateway, name=name, metadata={"k": "v"}, content_type="text/plain")

    answer = post(gateway, plan, body, **changes)

    assert answer.status_code in {400, 403}, answer.text
    assert code(gateway.call("POST", f"/uploads/{plan['id']}/complete", {})) == "upload-incomplete"


@pytest.mark.parametrize(("algorithm", "value"), [("sha256", SHA256), ("crc32", CRC32)])
def test_a_form_carries_its_checksum(gateway: Gateway, algorithm: str, value: str) -> None:
    """The right bytes are completed; other bytes are no success, wherever that is found."""
    plan = form(gateway, name=f"{algorithm}.bin", checksum={"algorithm": algorithm, "value": value})
    path = f"/uploads/{plan['id']}/complete"

    post(gateway, plan, BODY[::-1])
    wrong = gateway.call("POST", path, {})
    post(gateway, plan)
    right = gateway.call("POST", path, {})

    assert (code(wrong), right.status_code) == ("upload-incomplete", 200), right.text
    assert right.json()["checksum"] == {"algorithm": algorithm, "value": value}


@pytest.mark.parametrize(
    ("tenant", "wanted", "pointer"),
    [
        ("once", {}, "/strategy"),
        ("free", {"overwrite": False}, "/strategy"),
        ("free", {"checksum": {"algorithm": "md5", "value": MD5}}, "/checksum/algorithm"),
        ("free", {"part_size": 8_388_608}, "/part_size"),
        ("free", {"strategy": "put", "part_size": 8_388_608}, "/part_size"),
        (
            "free",
            {"strategy": "multipart", "checksum": {"algorithm": "sha256", "value": SHA256}},
            "/checksum/algorithm",
        ),
        ("free", {"strategy": "multipart", "checksum": {"algorithm": "md5", "value": None}}, "/checksum/algorithm"),
        ("free", {"strategy": "multipart", "part_size": 5_242_879}, "/part_size"),
        ("once", {"overwrite": True, "strategy": "multipart"}, "/overwrite"),
    ],
)
def test_what_a_strategy_can_not_do_is_refused(
    gateway: Gateway, tenant: str, wanted: dict[str, Any], pointer: str
) -> None:
    """With the member that asks for it."""
    body = {"name": "a.bin", "size": len(BODY), "content_type": "text/plain", "strategy": "post", **wanted}

    answer = gateway.call("POST", "/uploads", body, tenant=tenant)

    assert (code(answer), pointers(answer)) == ("request-invalid", [pointer])


def test_a_form_where_every_key_is_new(gateway: Gateway) -> None:
    """A tenant that never overwrites may have forms where its key template has a UUID."""
    plan = form(gateway, tenant="unique")

    assert post(gateway, plan).status_code == 201
    assert gateway.call("POST", f"/uploads/{plan['id']}/complete", {}, tenant="unique").status_code == 200


def test_a_form_needs_its_checksum_at_create(gateway: Gateway) -> None:
    """Where the tenant requires one; a multipart upload may give it at complete."""
    body = {"name": "a.bin", "size": len(BODY), "content_type": "text/plain"}
    answers = [
        gateway.call("POST", "/uploads", {**body, "strategy": strategy}, tenant="strict")
        for strategy in ("put", "multipart")
    ]

    assert (code(answers[0]), answers[1].status_code) == ("checksum-required", 201)


@pytest.mark.parametrize("tenant", ["free", "once"])
@pytest.mark.parametrize("checksum", [None, ("sha256", SHA256), ("md5", MD5)])
def test_a_put_is_completed_when_it_is_there(gateway: Gateway, tenant: str, checksum: tuple[str, str] | None) -> None:
    """Not before; and what is there is what was planned."""
    given = None if checksum is None else {"algorithm": checksum[0], "value": checksum[1]}
    name = f"put-{tenant}-{checksum and checksum[0]}.bin"
    plan = gateway.plan(len(BODY), tenant=tenant, name=name, checksum=given, metadata={"k": "v"})
    path = f"/uploads/{plan['id']}/complete"

    before = gateway.call("POST", path, {}, tenant=tenant)
    gateway.s3.put(plan["url"], content=BODY, headers=plan["headers"]).raise_for_status()
    after = gateway.call("POST", path, {}, tenant=tenant)

    assert (code(before), after.status_code) == ("upload-incomplete", 200), after.text
    assert after.json()["checksum"] == given


@pytest.mark.parametrize("header", ["cache-control", "content-disposition", "content-encoding", "expires"])
def test_what_no_signature_can_forbid_is_found_at_complete(gateway: Gateway, header: str) -> None:
    """A header that the client added of its own, which S3 stores: it is not the planned object."""
    plan = gateway.plan(len(BODY), name=f"{header}.bin")
    added = {**plan["headers"], header: "Wed, 21 Oct 2015 07:28:00 GMT" if header == "expires" else "added"}

    gateway.s3.put(plan["url"], content=BODY, headers=added).raise_for_status()

    assert code(gateway.call("POST", f"/uploads/{plan['id']}/complete", {})) == "upload-incomplete"


def test_a_put_without_a_type_is_completed(gateway: Gateway) -> None:
    """S3's own default type is none that anybody declared."""
    plan = gateway.plan(len(BODY), name="untyped", content_type=None)

    gateway.s3.put(plan["url"], content=BODY, headers=plan["headers"]).raise_for_status()

    assert gateway.call("POST", f"/uploads/{plan['id']}/complete", {}).status_code == 200


def test_a_put_that_is_given_up_is_no_upload_any_more(gateway: Gateway) -> None:
    """Its URL can't be called back; its id is dead and it is listed no longer."""
    plan = gateway.plan(len(BODY), name="dead.bin")

    assert gateway.call("DELETE", f"/uploads/{plan['id']}").status_code == 204
    assert code(gateway.call("POST", f"/uploads/{plan['id']}/complete", {})) == "upload-not-found"
    assert gateway.call("GET", f"/uploads/{plan['id']}").json()["state"] == "aborted"
    listed = gateway.call("GET", "/uploads?limit=100").json()["uploads"]
    assert plan["id"] not in {upload["id"] for upload in listed}


@pytest.mark.parametrize("strategy", ["put", "post"])
def test_single_uploads_have_no_parts(gateway: Gateway, strategy: str) -> None:
    """Neither URLs of parts nor a list of them at complete."""
    plan = gateway.plan(len(BODY), name="single.bin", strategy=strategy)

    parts = gateway.call("POST", f"/uploads/{plan['id']}/parts", {"numbers": [1]})
    complete = gateway.call("POST", f"/uploads/{plan['id']}/complete", {"parts": []})

    assert (pointers(parts), pointers(complete)) == (["/numbers"], ["/parts"])
    assert gateway.call("GET", f"/uploads/{plan['id']}").json()["parts"] == []


def test_an_empty_object_can_be_sent_by_every_strategy(gateway: Gateway) -> None:
    """No bytes at all, in one PUT, one form and one part."""
    put, parts = (gateway.plan(0, name=f"empty-{strategy}", strategy=strategy) for strategy in ("put", "multipart"))
    gateway.s3.put(put["url"], content=b"", headers=put["headers"]).raise_for_status()
    gateway.send_all(parts, b"")

    done = [gateway.call("POST", f"/uploads/{plan['id']}/complete", {}) for plan in (put, parts)]

    assert [answer.status_code for answer in done] == [200, 200], [answer.text for answer in done]

"""Companion's paths as Uppy 4, 5 and (by ticket) 6 call them, on the demo's real S3."""

from typing import Any

import httpx
import pytest

from tests.presigner.gateway import PART, Gateway, code, pointers

PARTS = (b"a" * PART, b"b" * 1000)


def params(gateway: Gateway, *, tenant: str = "free", base: str = "", **query: str) -> httpx.Response:
    """`GET /s3/params`."""
    asked = {"filename": "photo.txt", "type": "text/plain", **query}
    if base:
        return gateway.http.get(f"{base}/s3/params", params=asked)
    return gateway.call("GET", f"/s3/params?{httpx.QueryParams(asked)}", tenant=tenant)


def begin(gateway: Gateway, *, tenant: str = "free", subject: str = "ann", **body: Any) -> httpx.Response:
    """`POST /s3/multipart`."""
    asked = {"filename": "film.txt", "type": "text/plain", **body}
    return gateway.call("POST", "/s3/multipart", asked, tenant=tenant, subject=subject)


def path(upload: dict[str, str], rest: str = "", query: str = "") -> str:
    """A path of an upload in parts."""
    return f"/s3/multipart/{upload['uploadId']}{rest}?key={upload['key']}{query}"


def send(gateway: Gateway, upload: dict[str, str], number: int, body: bytes, tenant: str = "free") -> httpx.Response:
    """Sign a part and send it as a browser does: with no header of its own."""
    signed = gateway.call("GET", path(upload, f"/{number}"), tenant=tenant)
    assert signed.status_code == 200, signed.text
    return gateway.s3.put(signed.json()["url"], content=body)


def test_a_form_is_held_to_the_tenants_bounds(gateway: Gateway) -> None:
    """The exact key, type and metadata, and every size from the least to the most; S3 refuses the others."""
    answer = params(gateway, tenant="narrow").json()

    def post(body: bytes, **changes: str) -> int:
        fields = {**answer["fields"], **changes}
        return gateway.s3.post(answer["url"], data=fields, files={"file": ("x", body)}).status_code

    assert (answer["method"], answer["expires"], answer["fields"]["key"]) == ("POST", 900, "narrow/photo.txt")
    assert "${filename}" not in str(answer)
    refused = [post(b"x" * 9), post(b"x" * 11_000_001), post(b"x" * 10, key="narrow/other.txt")]
    assert all(status >= 400 for status in refused)
    assert [post(b"x" * 10), post(b"x" * 11_000_000)] == [201, 201]


def test_metadata_is_what_uppy_means(gateway: Gateway) -> None:
    """What Uppy says of every file by itself is left out where the tenant does not allow it; the rest is held to it."""
    own = {"metadata[name]": "photo.txt", "metadata[relativePath]": "null"}

    kept = params(gateway, **own, **{"metadata[caption]": "Zoë"}).json()["fields"]
    left_out = params(gateway, tenant="plain", **own, **{"metadata[caption]": "x"}).json()["fields"]
    refused = params(gateway, tenant="plain", **{"metadata[other]": "x"})

    assert kept["x-amz-meta-relativepath"] == "null"
    assert kept["x-amz-meta-caption"].startswith("=?utf-8?")
    assert [name for name in left_out if name.startswith("x-amz-meta-")] == ["x-amz-meta-caption"]
    assert code(refused) == "header-not-allowed"


def test_where_a_form_can_not_keep_the_promise_it_is_a_put(gateway: Gateway) -> None:
    """A tenant that never overwrites: create-only is signed, for Uppy 4 and 5."""
    answer = params(gateway, tenant="once", filename="once-by-uppy.txt").json()

    assert (answer["method"], answer["headers"]["if-none-match"]) == ("PUT", "*")
    sent = [gateway.s3.put(answer["url"], content=b"x", headers=answer["headers"]).status_code for _ in range(2)]
    assert sent == [200, 412]
    assert gateway.s3.put(answer["url"], content=b"x", headers={"content-type": "text/plain"}).status_code == 403


def test_uppy_6_is_refused_where_only_a_put_would_do(gateway: Gateway) -> None:
    """It sends forms only; a key that is always new may be one."""
    refused = params(gateway, base=ticketed(gateway, "once"))
    posted = params(gateway, base=ticketed(gateway, "unique"))

    assert code(refused) == "request-invalid"
    assert "POST /uploads" in refused.json()["message"]
    assert posted.json()["method"] == "POST"


def ticketed(gateway: Gateway, tenant: str = "free", subject: str = "ann") -> str:
    """A base with a fresh ticket in it."""
    answer = gateway.call("POST", "/uploads/tickets", tenant=tenant, subject=subject)
    assert answer.status_code == 201, answer.text
    return f"/t/{answer.json()['ticket']}"


@pytest.mark.parametrize("tenant", ["strict", "sized"])
@pytest.mark.parametrize("call", ["params", "begin", "ticket"])
def test_a_tenant_that_demands_more_refuses_these_clients(gateway: Gateway, tenant: str, call: str) -> None:
    """A checksum, or an exact size: `request-invalid` that says what to use, in the members Uppy shows."""
    calls = {
        "params": lambda: params(gateway, tenant=tenant),
        "begin": lambda: begin(gateway, tenant=tenant),
        "ticket": lambda: gateway.call("POST", "/uploads/tickets", tenant=tenant),
    }

    answer = calls[call]()

    assert (answer.status_code, code(answer)) == (400, "request-invalid")
    assert "POST /uploads" in answer.json()["detail"]
    assert call == "ticket" or answer.json()["error"] == answer.json()["message"] == answer.json()["detail"]


@pytest.mark.parametrize("quoting", ["quoted", "bare", "mixed"])
def test_an_upload_in_parts(gateway: Gateway, quoting: str) -> None:
    """Begun, sent, listed, completed twice: what is carried is sealed, what is stored is the key that was granted."""
    upload = begin(gateway, metadata={"name": "film.txt", "relativePath": None}).json()
    assert not upload["key"].startswith("free/")
    etags = [send(gateway, upload, number, body).headers["etag"] for number, body in enumerate(PARTS, 1)]
    listed = gateway.call("GET", path(upload)).json()
    spelled = [
        etag.strip('"') if quoting == "bare" or (quoting == "mixed" and at) else etag for at, etag in enumerate(etags)
    ]
    body = {"parts": [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(spelled, 1)]}

    done = [gateway.call("POST", path(upload, "/complete"), body) for _ in range(2)]

    assert [(part["PartNumber"], part["Size"], part["ETag"]) for part in listed] == [
        (number, len(sent), etag) for number, (sent, etag) in enumerate(zip(PARTS, etags, strict=True), 1)
    ]
    assert done[0].json() == done[1].json()
    assert done[0].json()["key"] == "free/film.txt"
    assert done[0].json()["location"].endswith("/free/film.txt")


def test_parts_are_signed_in_batches(gateway: Gateway) -> None:
    """Before `/{partNumber}` is; a number that is none is refused."""
    upload = begin(gateway).json()

    urls = gateway.call("GET", path(upload, "/batch", "&partNumbers=1,2,10000")).json()["presignedUrls"]
    wrong = [gateway.call("GET", path(upload, f"/{number}")) for number in ("0", "10001", "x", "batch")]

    assert list(urls) == ["1", "2", "10000"]
    assert [code(answer) for answer in wrong] == ["request-invalid"] * 4
    assert gateway.call("DELETE", path(upload)).json() == {}
    assert code(gateway.call("GET", path(upload))) == "upload-not-found"


def test_what_s3_holds_is_compared_before_a_part_is_signed(gateway: Gateway) -> None:
    """Once S3 has all that the tenant takes no further part is signed, and more is never completed."""
    upload = begin(gateway, tenant="narrow").json()
    send(gateway, upload, 1, b"x" * 11_000_000, "narrow")
    again = gateway.call("GET", path(upload, "/1"), tenant="narrow")
    another = gateway.call("GET", path(upload, "/2"), tenant="narrow")
    etag = gateway.s3.put(again.json()["url"], content=b"x" * 11_000_001).headers["etag"]
    body = {"parts": [{"PartNumber": 1, "ETag": etag}]}

    done = gateway.call("POST", path(upload, "/complete"), body, tenant="narrow")

    assert (code(another), code(done)) == ("size-exceeds-limit", "size-exceeds-limit")
    assert (done.status_code, done.json()["limit"]) == (413, 11_000_000)


def test_too_little_is_not_completed(gateway: Gateway) -> None:
    """Fewer bytes than the tenant wants, and none at all."""
    upload = begin(gateway, tenant="narrow").json()
    nothing = gateway.call("POST", path(upload, "/complete"), {"parts": []}, tenant="narrow")
    etag = send(gateway, upload, 1, b"x" * 9, "narrow").headers["etag"]

    done = gateway.call(
        "POST", path(upload, "/complete"), {"parts": [{"PartNumber": 1, "ETag": etag}]}, tenant="narrow"
    )

    assert (code(nothing), code(done)) == ("upload-incomplete", "size-below-minimum")


def test_what_is_left_of_a_quota_is_reserved_and_settled(gateway: Gateway) -> None:
    """The rest of the quota is all that such an upload may have; completed, only what is stored counts."""
    upload = begin(gateway, tenant="tight").json()
    refused = begin(gateway, tenant="tight", filename="other.txt")
    etag = send(gateway, upload, 1, b"x" * 1000, "tight").headers["etag"]
    listed = gateway.call("GET", "/uploads", tenant="tight").json()["uploads"]

    done = gateway.call("POST", path(upload, "/complete"), {"parts": [{"PartNumber": 1, "ETag": etag}]}, tenant="tight")
    form = params(gateway, tenant="tight", filename="film.txt").json()

    assert code(refused) == "quota-exceeded"
    assert [each["size"] for each in listed] == [None]
    assert done.status_code == 200, done.text
    assert form["method"] == "POST"
    assert gateway.s3.post(form["url"], data=form["fields"], files={"file": b"x" * 20_000_000}).status_code >= 400


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("type=text/plain", "/query/filename"),
        ("filename=", None),
        ("filename=a&filename=b", "/query/filename"),
        ("filename=a&size=1", "/query/size"),
        ("filename=a&metadata[k%0A]=1", "/metadata/k\n"),
        ("filename=a&metadata[k]=%01", "/metadata/k"),
        ("filename=a&type=%C3%A9", "/type"),
    ],
)
def test_a_question_that_can_not_be(gateway: Gateway, query: str, pointer: str | None) -> None:
    """What is wrong is said, and where."""
    answer = gateway.call("GET", f"/s3/params?{query}")

    assert answer.status_code == 400
    assert answer.json()["message"]
    assert (code(answer) == "name-invalid") if pointer is None else (pointers(answer) == [pointer])


@pytest.mark.parametrize("name", ["${filename}", "a/../b", "a\\b", "x.exe"])
def test_a_name_is_held_to_the_same_rules(gateway: Gateway, name: str) -> None:
    """As for every other way of uploading."""
    assert code(params(gateway, filename=name)).startswith("name-")
    assert code(begin(gateway, filename=name)).startswith("name-")


def test_a_ticket_is_a_credential_for_these_paths_only(gateway: Gateway) -> None:
    """It begins and goes on with the uploads of whoever made it, beside no other credential, and nowhere else."""
    base = ticketed(gateway)
    ticket = base.removeprefix("/t/")
    upload = gateway.http.post(f"{base}/s3/multipart", json={"filename": "by-ticket.txt", "type": "text/plain"}).json()
    url = gateway.http.get(f"{base}{path(upload, '/1')}").json()["url"]
    etag = gateway.s3.put(url, content=b"hello").headers["etag"]
    body = {"parts": [{"PartNumber": 1, "ETag": etag}]}

    done = gateway.http.post(f"{base}{path(upload, '/complete')}", json=body)

    assert done.json()["key"] == "free/by-ticket.txt"
    elsewhere = [
        gateway.http.get("/uploads", headers={"authorization": f"Bearer {ticket}"}),
        gateway.http.get("/uploads", headers={"x-api-key": ticket}),
        gateway.http.put("/proxy/a.txt", content=b"x", headers={"authorization": f"Bearer {ticket}"}),
        gateway.http.get(f"/t/{ticket[:-2]}AA/s3/params", params={"filename": "a"}),
        gateway.http.get(f"/t/{upload['uploadId']}/s3/params", params={"filename": "a"}),
        gateway.call("GET", f"{base}/s3/params?filename=a"),
    ]
    assert [answer.status_code for answer in elsewhere] == [401] * 6
    paths = [f"{base}/uploads", f"{base}/admin/tenants", f"{base}/s3/../uploads", base, f"{base}/s3/none", "/t//s3/x"]
    assert [gateway.http.get(each).status_code for each in paths] == [404] * 6


def test_both_key_and_upload_must_be_the_callers_own(gateway: Gateway) -> None:
    """Another upload's key, another tenant's or subject's upload, an id of the upload API's in a key: not found."""
    mine, other = begin(gateway).json(), begin(gateway).json()
    own = begin(gateway, tenant="mine").json()
    mixed = {"uploadId": mine["uploadId"], "key": other["key"]}
    real = {"uploadId": mine["uploadId"], "key": "free/film.txt"}
    calls: list[tuple[str, str, Any]] = [("GET", "", None), ("GET", "/1", None), ("GET", "/batch", None)]
    calls.append(("DELETE", "", None))
    calls.append(("POST", "/complete", {"parts": []}))
    for method, rest, body in calls:
        query = "&partNumbers=1" if rest == "/batch" else ""
        refused = [
            gateway.call(method, path(mixed, rest, query), body),
            gateway.call(method, path(real, rest, query), body),
            gateway.call(method, path(mine, rest, query), body, tenant="other"),
            gateway.call(method, path(own, rest, query), body, tenant="mine", subject="bob"),
        ]
        assert [code(answer) for answer in refused] == ["upload-not-found"] * 4, (method, rest)
        assert pointers(gateway.call(method, f"/s3/multipart/{mine['uploadId']}{rest}", body)) == ["/query/key"]
    assert gateway.call("GET", path(mine)).json() == []

"""One name at every door of the upload API and of Uppy: the same key, or a refusal in the same words."""

from collections.abc import Callable

import httpx
import pytest

from tests.presigner.gateway import PART, Gateway, code

TENANT = "signs"


def planned(strategy: str) -> Callable[[Gateway, str], httpx.Response]:
    """`POST /uploads`."""

    def ask(gateway: Gateway, name: str) -> httpx.Response:
        body = {"name": name, "size": 2 * PART, "content_type": "text/plain", "strategy": strategy}
        return gateway.call("POST", "/uploads", body, tenant="free")

    return ask


def by_form(gateway: Gateway, name: str) -> httpx.Response:
    """Uppy's `GET /s3/params`."""
    return gateway.call("GET", f"/s3/params?{httpx.QueryParams({'filename': name, 'type': 'text/plain'})}")


def by_ticket(gateway: Gateway, name: str) -> httpx.Response:
    """The same by a ticket in the path."""
    ticket = gateway.call("POST", "/uploads/tickets", {}).json()["ticket"]
    return gateway.http.get(f"/t/{ticket}/s3/params", params={"filename": name, "type": "text/plain"})


def in_parts(gateway: Gateway, name: str) -> httpx.Response:
    """Uppy's `POST /s3/multipart`, and the URL of the first part."""
    begun = gateway.call("POST", "/s3/multipart", {"filename": name, "type": "text/plain"})
    if begun.status_code != 200:
        return begun
    upload = begun.json()
    return gateway.call("GET", f"/s3/multipart/{upload['uploadId']}/1?key={upload['key']}")


def signed(method: str) -> Callable[[Gateway, str], httpx.Response]:
    """`POST /s3/sign`: a whole object, or the beginning of one in parts."""

    def ask(gateway: Gateway, name: str) -> httpx.Response:
        body = {"method": method, "key": name, "contentType": "text/plain"}
        return gateway.call("POST", "/s3/sign", body, tenant=TENANT)

    return ask


DOORS: dict[str, Callable[[Gateway, str], httpx.Response]] = {
    **{strategy: planned(strategy) for strategy in ("put", "post", "multipart")},
    "params": by_form,
    "ticket": by_ticket,
    "multipart of Uppy": in_parts,
    "sign": signed("PUT"),
    "sign parts": signed("POST"),
}

NAMES = [
    "../other/x.txt", "..", "a/../../other/x.txt", "./x.txt", "a/./x.txt", "/other/x.txt", "//x.txt", "a//x.txt",
    "a/", "..\\other\\x.txt", "a\\..\\x.txt", "a\x00.txt", "a\r\nx-amz-acl: public-read", "a\u202etxt.x",
    "${filename}", "a/${filename}", "x" * 256, "/".join(["d" * 250] * 5),
]  # fmt: skip

LITERAL = ["%2e%2e/other/x.txt", "..%2fother%2fx.txt", "a b+c&d.txt", "other/x.txt", "...", "\uff0e\uff0e\uff0fx.txt"]


@pytest.mark.parametrize("door", DOORS)
def test_no_door_lets_a_name_out_of_its_tenant(gateway: Gateway, door: str) -> None:
    """Traversal, absolute names, separators of other systems, controls and S3's own variable."""
    answers = {name: DOORS[door](gateway, name) for name in NAMES}

    assert {name: code(answer) for name, answer in answers.items()} == dict.fromkeys(NAMES, "name-invalid")
    assert {answer.status_code for answer in answers.values()} == {400}


@pytest.mark.parametrize("door", DOORS)
def test_no_door_decodes_a_name_once_more(gateway: Gateway, door: str) -> None:
    """What looks encoded is the name; it stays under the tenant's prefix, letter for letter."""
    answers = {name: DOORS[door](gateway, name) for name in LITERAL}

    tenant = "signs" if door.startswith("sign") else "free"
    assert {name: at_s3(gateway, answer) for name, answer in answers.items()} == {
        name: f"{tenant}/{name}" for name in LITERAL
    }


def at_s3(gateway: Gateway, answer: httpx.Response) -> str:
    """The key that a form or a signed URL is for."""
    assert answer.status_code in {200, 201}, answer.text
    said = answer.json()
    if said.get("fields"):
        return str(said["fields"]["key"])
    url = said["url"] or said["parts"][0]["url"]
    return httpx.URL(url).path.removeprefix(f"/{gateway.demo['bucket']}/")

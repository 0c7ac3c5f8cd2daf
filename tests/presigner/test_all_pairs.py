"""Two tenants, two users of each: nobody reads, lists, signs, completes or aborts what is another's, on any route."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import httpx
import pytest

from tests.presigner.gateway import Gateway, code

ACTORS = tuple((tenant, subject) for tenant in ("pair-a", "pair-b") for subject in ("ann", "bob"))
PAIRS = tuple(permutations(ACTORS, 2))

Call = tuple[str, str, dict[str, Any] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an actor has begun, by every way there is, and a ticket of theirs."""

    tenant: str
    subject: str
    ids: tuple[str, ...]
    uppy: dict[str, str]
    signed: tuple[str, str]
    ticket: str

    def calls(self) -> Iterator[Call]:
        """Every call about any of it."""
        for sealed in (*self.ids, self.uppy["uploadId"]):
            yield "GET", f"/uploads/{sealed}", None
            yield "POST", f"/uploads/{sealed}/parts", {"numbers": [1]}
            yield "POST", f"/uploads/{sealed}/complete", {}
            yield "DELETE", f"/uploads/{sealed}", None
        yield from self.uppy_calls()
        key, upload_id = self.signed
        for method in ("GET", "POST", "DELETE"):
            yield "POST", "/s3/sign", {"method": method, "key": key, "uploadId": upload_id}
        yield "POST", "/s3/sign", {"method": "PUT", "key": key, "uploadId": upload_id, "partNumber": 1}

    def uppy_calls(self) -> Iterator[Call]:
        """Those of Companion's paths."""
        path, key = f"/s3/multipart/{self.uppy['uploadId']}", f"?key={self.uppy['key']}"
        yield "GET", f"{path}{key}", None
        yield "GET", f"{path}/1{key}", None
        yield "GET", f"{path}/batch{key}&partNumbers=1", None
        yield "POST", f"{path}/complete{key}", {"parts": []}
        yield "DELETE", f"{path}{key}", None


def begun(gateway: Gateway, tenant: str, subject: str) -> Held:
    """Everything that can be begun, by this actor; the names are the same for all."""

    def call(method: str, path: str, body: Any = None) -> Any:
        answer = gateway.call(method, path, body, tenant=tenant, subject=subject)
        assert answer.is_success, answer.text
        return answer.json()

    plans = [
        gateway.plan(5, tenant=tenant, subject=subject, name="shared.bin", strategy=strategy)
        for strategy in ("put", "post", "multipart")
    ]
    signed = call("POST", "/s3/sign", {"method": "POST", "key": "shared.bin"})
    created = gateway.s3.post(signed["url"], headers=signed["headers"]).text
    found = re.search("<UploadId>(.*?)</UploadId>", created)
    assert found is not None, created
    return Held(
        tenant=tenant,
        subject=subject,
        ids=tuple(plan["id"] for plan in plans),
        uppy=call("POST", "/s3/multipart", {"filename": "shared.bin", "type": "text/plain"}),
        signed=(signed["key"], found[1]),
        ticket=call("POST", "/uploads/tickets")["ticket"],
    )


@pytest.fixture(scope="module")
def everything(gateway: Gateway) -> dict[tuple[str, str], Held]:
    """What all four have begun."""
    return {(tenant, subject): begun(gateway, tenant, subject) for tenant, subject in ACTORS}


@pytest.mark.parametrize(("whose", "who"), PAIRS, ids=[f"{b[0]}/{b[1]} on {a[0]}/{a[1]}" for a, b in PAIRS])
def test_nobody_goes_on_with_what_is_anothers(
    gateway: Gateway, everything: dict[tuple[str, str], Held], whose: tuple[str, str], who: tuple[str, str]
) -> None:
    """Every route and strategy, with a token and, where tickets are taken, with one's own ticket."""
    theirs, mine = everything[whose], everything[who]

    answers = [
        gateway.call(method, path, body, tenant=mine.tenant, subject=mine.subject)
        for method, path, body in theirs.calls()
    ]
    by_ticket = [
        gateway.http.request(method, f"/t/{mine.ticket}{path}", json=body) for method, path, body in theirs.uppy_calls()
    ]

    assert {code(answer) for answer in (*answers, *by_ticket)} == {"upload-not-found"}
    assert {answer.status_code for answer in (*answers, *by_ticket)} == {404}


@pytest.mark.parametrize("who", ACTORS)
def test_everybody_lists_their_own_and_still_has_it(
    gateway: Gateway, everything: dict[tuple[str, str], Held], who: tuple[str, str]
) -> None:
    """After all that was tried above."""
    mine = everything[who]

    def call(method: str, path: str, body: Any = None) -> httpx.Response:
        return gateway.call(method, path, body, tenant=mine.tenant, subject=mine.subject)

    listed = {each["id"] for each in call("GET", "/uploads").json()["uploads"]}
    key, upload_id = mine.signed
    answers = [
        *(call("GET", f"/uploads/{sealed}") for sealed in mine.ids),
        call("GET", f"/s3/multipart/{mine.uppy['uploadId']}?key={mine.uppy['key']}"),
        gateway.http.get(f"/t/{mine.ticket}/s3/multipart/{mine.uppy['uploadId']}?key={mine.uppy['key']}"),
        call("POST", "/s3/sign", {"method": "PUT", "key": key, "uploadId": upload_id, "partNumber": 1}),
    ]

    assert listed == {*mine.ids, mine.uppy["uploadId"]}
    assert [answer.status_code for answer in answers] == [200] * len(answers)

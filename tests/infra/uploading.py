"""A client that uses everything the functions have, so that they make every call of AWS that they ever make."""

import base64
import http.client
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

from tests.infra import events
from tests.infra.functions import AUTHORIZER, PART, PRESIGNER, USAGE_PLANS, Stage

SMALL = b"small"
LARGE = bytes(PART) + b"rest"
TEXT = {"Content-Type": "text/plain"}


class Client:
    """One tenant's client; it follows plans to S3 (through the recorder) as any client would."""

    def __init__(self, stage: Stage, tenant: str) -> None:
        self._stage = stage
        self._credential = {"Authorization": f"Bearer {stage.keys[tenant]}"}

    def call(self, method: str, path: str, body: object = None, status: int = 200, **headers: str) -> Any:
        """One call of the presigner's; its JSON."""
        path, _, query = path.partition("?")
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {**self._credential, **({"Content-Type": "application/json"} if body is not None else {}), **given}
        event = events.rest(method, path, sent, body)
        pairs = dict(pair.split("=", 1) for pair in query.split("&")) if query else {}
        event["queryStringParameters"] = pairs
        event["multiValueQueryStringParameters"] = {name: [value] for name, value in pairs.items()}
        answer = self._stage.asked(PRESIGNER, event)
        text = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()
        assert answer["statusCode"] == status, (method, path, answer["statusCode"], text)
        if "location" in answer["multiValueHeaders"]:
            return answer["multiValueHeaders"]["location"][0]
        return json.loads(text) if text else None

    def plan(self, body: bytes = SMALL, status: int = 201, **wanted: object) -> Any:
        """A plan."""
        asked = {"name": "a.txt", "size": len(body), "content_type": "text/plain", **wanted}
        return self.call(
            "POST", "/uploads", asked, status=status, Idempotency_Key=f"{crc32(json.dumps(asked).encode()):x}"
        )

    def authorized(self, path: str, **headers: str) -> str:
        """What the authorizer says of a PUT: Allow or Deny."""
        sent = {**TEXT, "Content-Length": "5", **self._credential, **headers}
        answer = self._stage.asked(AUTHORIZER, events.authorizer("PUT", path, sent))
        effect: str = answer["policyDocument"]["Statement"][0]["Effect"]
        return effect


def send(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[dict[str, str], bytes]:
    """What a client sends to S3, which must take it; the answer's headers and body."""
    split = urlsplit(url)
    connection = http.client.HTTPConnection(split.hostname or "", split.port, timeout=60)
    try:
        connection.request(method, f"{split.path}?{split.query}" if split.query else split.path, body, dict(headers))
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (method, answer.status, text)
        return {name.lower(): value for name, value in answer.getheaders()}, text
    finally:
        connection.close()


def post(url: str, fields: Mapping[str, str], body: bytes) -> None:
    """A form."""
    mark = b"boundary"
    parts = [(f'name="{name}"', value.encode()) for name, value in fields.items()]
    parts.append(('name="file"; filename="a"', body))
    lines = b"".join(
        b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (mark, name.encode(), value)
        for name, value in parts
    )
    send("POST", url, lines + b"--%s--\r\n" % mark, {"Content-Type": "multipart/form-data; boundary=boundary"})


def upload_whole(client: Client) -> None:
    """By a plan, with a checksum; begun twice with one key, looked at, and completed twice."""
    value = base64.b64encode(crc32(SMALL).to_bytes(4, "big")).decode()
    plan = client.plan(checksum={"algorithm": "crc32", "value": value}, metadata={"title": "t"})
    assert client.plan(checksum={"algorithm": "crc32", "value": value}, metadata={"title": "t"}) == plan
    client.call("GET", f"/uploads/{plan['id']}")
    send("PUT", plan["url"], SMALL, plan["headers"])
    for _ in range(2):
        client.call("POST", f"/uploads/{plan['id']}/complete", {})
    client.call("GET", f"/uploads/{plan['id']}")


def give_up(client: Client) -> None:
    """A plan, a form and an upload in parts, of which nothing comes."""
    client.plan(name="never.txt")
    for strategy in ("put", "multipart"):
        plan = client.plan(LARGE, name=f"given-up-{strategy}.txt", strategy=strategy)
        client.call("DELETE", f"/uploads/{plan['id']}", status=204)
    client.call("POST", f"/uploads/{client.plan(name='missing.txt')['id']}/complete", {}, status=409)


def upload_by_form(client: Client) -> None:
    """By a form."""
    plan = client.plan(name="form.txt", strategy="post")
    post(plan["url"], plan["fields"], SMALL)
    client.call("POST", f"/uploads/{plan['id']}/complete", {})


def upload_in_parts(client: Client) -> None:
    """Two parts, one of them by a fresh URL; the gateway asks S3 for both."""
    plan = client.plan(LARGE, name="large.txt", strategy="multipart", part_size=PART)
    fresh = client.call("POST", f"/uploads/{plan['id']}/parts", {"numbers": [2]})["parts"]
    for part, body in ((plan["parts"][0], LARGE[:PART]), (fresh[0], LARGE[PART:])):
        send("PUT", part["url"], body, part["headers"])
    client.call("GET", f"/uploads/{plan['id']}")
    client.call("GET", "/uploads?limit=10")
    client.call("POST", f"/uploads/{plan['id']}/complete", {})


def follow_a_redirect(client: Client, **headers: str) -> None:
    """`PUT /presigned`, and on to S3."""
    sent = {**TEXT, "Content-Length": str(len(SMALL)), **{name.replace("_", "-"): v for name, v in headers.items()}}
    url = client.call("PUT", "/presigned/redirected.txt", status=307, **sent)
    send("PUT", url, SMALL, {name: value for name, value in sent.items() if name != "Content-Length"})


def upload_by_uppy(client: Client) -> None:
    """On the paths of Uppy 4 and 5."""
    single = client.call("GET", "/s3/params?filename=uppy.txt&type=text/plain")
    post(single["url"], single["fields"], SMALL)
    begun = client.call("POST", "/s3/multipart", {"filename": "uppy-large.txt", "type": "text/plain", "metadata": {}})
    path, key = f"/s3/multipart/{begun['uploadId']}", f"?key={begun['key']}"
    headers, _ = send("PUT", client.call("GET", f"{path}/1{key}")["url"], LARGE[:PART], {})
    client.call("GET", f"{path}{key}")
    client.call("POST", f"{path}/complete{key}", {"parts": [{"PartNumber": 1, "ETag": headers["etag"]}]})
    begun = client.call("POST", "/s3/multipart", {"filename": "uppy-left.txt", "type": "text/plain", "metadata": {}})
    client.call("DELETE", f"/s3/multipart/{begun['uploadId']}?key={begun['key']}")


def sign_one_by_one(client: Client) -> None:
    """`/s3/sign`: the client itself begins, sends, lists, and completes or gives up."""
    for ending, name in (("POST", "signed.txt"), ("DELETE", "unsigned.txt")):
        began = client.call("POST", "/s3/sign", {"method": "POST", "key": name, "contentType": "text/plain"})
        _, text = send("POST", began["url"], b"", began.get("headers", {}))
        (found,) = re.findall(rb"<UploadId>(.*)</UploadId>", text)
        asked = {"key": began["key"], "uploadId": found.decode()}
        part = client.call("POST", "/s3/sign", {**asked, "method": "PUT", "partNumber": 1})
        headers, _ = send("PUT", part["url"], SMALL, part.get("headers", {}))
        listed = client.call("POST", "/s3/sign", {**asked, "method": "GET"})
        send("GET", listed["url"], b"", {})
        last = client.call("POST", "/s3/sign", {**asked, "method": ending})
        body = f"<Part><PartNumber>1</PartNumber><ETag>{headers['etag']}</ETag></Part>" if ending == "POST" else ""
        whole = f"<CompleteMultipartUpload>{body}</CompleteMultipartUpload>" if body else ""
        send(ending, last["url"], whole.encode(), last.get("headers", {}))


def authorize(stage: Stage) -> None:
    """The proxy's authorizer: for a tenant without limits, one with, one that creates only, and for nobody."""
    for tenant, expected in (("acme", "Allow"), ("limited", "Allow")):
        assert Client(stage, tenant).authorized("/proxy/a.txt") == expected
    assert Client(stage, "once").authorized("/proxy/a.txt", **{"If-None-Match": "*"}) == "Allow"
    assert Client(stage, "acme").authorized("/proxy/a.txt", Authorization="Bearer none") == "Deny"


def use_up(stage: Stage) -> None:
    """A quota, at the presigner and at the authorizer; then a rate."""
    client = Client(stage, "full")
    client.plan(b"0123456789", name="first.txt")
    client.plan(b"01234567890123", status=429, name="second.txt")
    assert client.authorized("/proxy/third.txt", **{"Content-Length": "14"}) == "Deny"
    client.plan(status=429, name="fourth.txt")


def keep_plans(stage: Stage) -> None:
    """Usage plans are made, kept, and removed."""
    done = [stage.asked(USAGE_PLANS, event) for event in (events.scheduled(), {"remove": True})]
    assert [bool(each["removed"]) for each in done] == [False, True]


def use_everything(stage: Stage) -> None:
    """All of it, by a tenant without limits and by one with a quota and a rate."""
    authorize(stage)
    for tenant in ("acme", "limited"):
        client = Client(stage, tenant)
        for work in (upload_whole, upload_by_form, upload_in_parts, give_up, follow_a_redirect):
            work(client)
    once = Client(stage, "once")
    upload_whole(once)
    upload_in_parts(once)
    follow_a_redirect(once, If_None_Match="*")
    use_up(stage)
    keep_plans(stage)
    upload_by_uppy(Client(stage, "acme"))
    sign_one_by_one(Client(stage, "acme"))

"""The life of a sandbox: built at its start or first event, never with anything of a snapshot, and what it leaves."""

import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.functions.sandbox import Sandbox
from gateway.functions.telemetry import Telemetry, traces
from gateway.identity.apikeys import mint_api_key
from gateway.tenants.dynamodb.table import packed

SNAPSTART = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start", "AWS_LAMBDA_FUNCTION_NAME": "stage-presigner"}


class Runtime:
    """The module that Lambda's runtime brings, and what Lambda does with what is registered there."""

    def __init__(self) -> None:
        self.before: list[Callable[[], None]] = []
        self.after: list[Callable[[], None]] = []

    def register_before_snapshot(self, hook: Callable[[], None]) -> None:
        self.before.append(hook)

    def register_after_restore(self, hook: Callable[[], None]) -> None:
        self.after.append(hook)

    def snapshot(self) -> None:
        for hook in reversed(self.before):
            hook()

    def restore(self) -> None:
        for hook in self.after:
            hook()


def described(_event: object, answer: Mapping[str, str]) -> Mapping[str, str]:
    return {"code": answer["code"]}


def sandbox(
    built: list[str], environment: Mapping[str, str], runtime: Runtime | None = None, out: io.StringIO | None = None
) -> Sandbox[dict[str, str]]:
    """A sandbox that notes how it was built."""

    def build() -> Callable[[Any, Any], dict[str, str]]:
        built.append("built")
        return lambda event, _: {"code": event["code"]}

    telemetry = Telemetry(environment, out=out or io.StringIO(), clock=lambda: 7.0, timer=lambda: 0.0)
    return Sandbox(
        build, lambda: built.append("rehearsed"), describe=described, environment=environment, hooks=runtime,
        telemetry=telemetry,
    )  # fmt: skip


def test_nothing_is_built_where_there_is_no_lambda() -> None:
    """Importing a handler asks nobody; the first event builds it, once."""
    built: list[str] = []
    made = sandbox(built, {})

    assert built == []
    assert made({"code": "ok"}, None) == made({"code": "ok"}, None)
    assert built == ["built"]


def test_a_sandbox_without_a_snapshot_is_built_at_its_start() -> None:
    """Lambda gives a start more of a processor than an event."""
    built: list[str] = []
    sandbox(built, {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"})

    assert built == ["built"]


def test_what_was_built_before_a_snapshot_never_serves_after_it() -> None:
    """The rehearsal is thrown away; each restored sandbox builds its own at its first event."""
    built: list[str] = []
    runtime, out = Runtime(), io.StringIO()
    made = sandbox(built, SNAPSTART, runtime, out)
    runtime.snapshot()
    for _ in range(2):
        runtime.restore()
        made({"code": "ok"}, None)
        made({"code": "ok"}, None)

    assert built == ["rehearsed", "built", "built"]
    assert [json.loads(line)["start"] for line in out.getvalue().splitlines()] == ["restored", "warm"] * 2


class Table(BaseHTTPRequestHandler):
    """DynamoDB, as far as one tenant with one API key goes, and beside it the credentials of the function's role."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        given: list[str] = self.server.given  # type: ignore[attr-defined]
        given.append(f"CREDENTIALS{len(given)}")
        ends = datetime.now(UTC) + timedelta(hours=1)
        self._say(
            {"AccessKeyId": given[-1], "SecretAccessKey": "s", "Token": "t", "Expiration": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}
        )

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        operation = self.headers["x-amz-target"].rpartition(".")[2]
        place = asked.get("Key", {}).get("pk", {}).get("S")
        server: Any = self.server
        server.asked.append((place or operation, self.headers["authorization"].split("=")[1].split("/")[0]))
        found = {"Item": server.items[place]} if operation == "GetItem" and place in server.items else {}
        self._say({**found, "Attributes": {}, "Responses": {}, "Items": []})

    def _say(self, answer: Any) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def aws() -> Iterator[Any]:
    """The stand-in, serving on loopback; `key` is the text of the tenant's API key."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Table)
    minted = mint_api_key(tenant="acme", name="k", scopes=("files:write",), now=0.0)
    record = minted.record
    document = json.dumps({"version": 1, "tenant": "acme", "types": {"text/plain": [".txt"]}})
    version = {"tenant": "acme", "version": 1, "etag": "e", "at": 0.0, "by": "test", "reason": "", "document": document}
    server.items = {
        "policy#acme": packed({"pk": "policy#acme", "sk": "now", **version}),
        f"key#{record.id}": packed(
            {"pk": f"key#{record.id}", "sk": "key", "tenant": "acme", "name": "k", "digest": record.digest,
             "scopes": json.dumps(record.scopes), "created_at": 0.0}
        ),
    }  # fmt: skip
    server.given, server.asked, server.key = [], [], minted.text
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_two_sandboxes_of_one_snapshot_share_nothing(aws: Any, tmp_path: Path) -> None:
    """The real presigner, restored twice: ids, nonces, sockets, credentials and policies are its own."""
    url = f"http://127.0.0.1:{aws.server_port}"
    environment = {
        **SNAPSTART,
        "AWS_REGION": "eu-central-1",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/credentials",
        "UPLOAD_GATEWAY_S3__BUCKET": "uploads",
        "UPLOAD_GATEWAY_STORE__TABLE": "table",
        "UPLOAD_GATEWAY_STORE__ENDPOINT": url,
        "UPLOAD_GATEWAY_SEALING__KEYS": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "PYTHONPATH": f"{Path(__file__).parents[2]}",
        "HOME": str(tmp_path),
        "API_KEY": aws.key,
    }
    script = Path(__file__).with_name("restored_twice.py")
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]  # the function's own log is among them
    snapshot, *restored = [line for line in said if {"given", "plan"} & set(line)]
    first, second = (child["plan"] for child in restored)

    assert [child["status"] for child in restored] == [201, 201], done.stderr
    assert first["id"] != second["id"]
    assert restored[0]["request_id"] != restored[1]["request_id"]
    assert restored[0]["random"] != restored[1]["random"]
    keys = [parse_qs(urlsplit(plan["url"]).query)["X-Amz-Credential"][0].split("/")[0] for plan in (first, second)]
    assert len({*keys, *aws.given[: snapshot["given"]]}) == 2 + snapshot["given"]
    assert [child["held"] for child in restored] == [[], []]
    assert [place for place, _ in aws.asked].count("policy#acme") == 2
    assert {key for _, key in aws.asked}.isdisjoint(aws.given[: snapshot["given"]])


# What an invocation leaves on the log.


def test_an_invocation_is_one_line_that_is_also_its_metrics() -> None:
    """CloudWatch's embedded metric format: what is named as a metric or a dimension is a member beside it."""
    out = io.StringIO()
    event = {"code": "token-missing", "headers": {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "authorization": "x"}}
    sandbox(
        [], {**SNAPSTART, "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"}, Runtime(), out
    )(event, None)
    line = json.loads(out.getvalue())

    assert line["_aws"]["Timestamp"] == 7000
    for directive in line["_aws"]["CloudWatchMetrics"]:
        named = [*directive["Dimensions"][0], *(metric["Name"] for metric in directive["Metrics"])]
        assert set(named) <= set(line)
    assert (line["Code"], line["Function"], line["Answers"]) == ("token-missing", "stage-presigner", 1)
    assert (line["trace"], line["parent_trace"]) == ("5759e988bd862e3fe1be46a994272793", "a" * 32)
    assert "authorization" not in out.getvalue()


def test_a_function_that_raises_leaves_a_line_too() -> None:
    """Its code says so, and what it raised goes on."""
    out = io.StringIO()
    with pytest.raises(KeyError):
        sandbox([], SNAPSTART, Runtime(), out)({}, None)

    assert json.loads(out.getvalue())["Code"] == "raised"


@pytest.mark.parametrize(
    "said",
    ["", "00-1-2-3", f"00-{'0' * 32}-{'b' * 16}-01", f"00-{'a' * 32}-{'0' * 16}-01", f"00-{'A' * 32}-{'b' * 16}-01", 7,
     f"00-{'a' * 32}-{'b' * 16}-01\n"],
)  # fmt: skip
def test_what_is_no_traceparent_is_not_repeated(said: object) -> None:
    """A client writes it, so nothing but its own form gets on a log (W3C Trace Context, section 3.2)."""
    assert traces(None, {"headers": {"TraceParent": said}}) == {}
    assert traces("Root=2-nonsense", {"headers": None}) == traces(None, []) == {}

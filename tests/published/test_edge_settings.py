"""From the gateway's settings to what the function is built with, and what it refuses of it."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge_auth import lambda_function
from edge_auth.assembly import Clocks, assemble
from edge_auth.settings import Settings, SettingsError, Throttle, ThrottleKind, parameter_of, with_parameter
from gateway.cli import main
from gateway.policy.model import Algorithm, Backend
from tests.published.edge import EVENT, PAIR, Bucket

KEY = base64.b64encode(bytes(range(32))).decode()
PUBLIC = base64.urlsafe_b64encode(PAIR.public).decode().rstrip("=")
GOOD: dict[str, Any] = {
    "public_keys": {"k1": PUBLIC},
    "documents": {"buckets": {"us-east-1": "near", "eu-central-1": "there"}, "region": "us-east-1"},
}
GATEWAY = f"""
[s3]
bucket = "uploads"
region = "eu-central-1"
signer = {{access_key = "signer", secret_key = "signer-secret"}}
completer = {{access_key = "completer", secret_key = "completer-secret"}}
[store]
kind = "sqlite"
path = "gateway.sqlite"
[sealing]
keys = ["{KEY}"]
[cors]
origins = ["https://app.example"]
"""
EDGE = f"""
[edge]
bucket = "documents"
region = "us-east-1"
publisher = {{access_key = "publisher", secret_key = "publisher-secret"}}
key_id = "k1"
signing_key = "{KEY}"
"""


def test_the_gateway_s_settings_make_the_function_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Public keys, places and what the distribution carries; nothing secret."""
    config = tmp_path / "gateway.toml"
    config.write_text(GATEWAY + EDGE)

    assert main(["edge-settings", "--config", str(config)]) == 0
    printed = capsys.readouterr().out
    settings = Settings.read(json.loads(printed))

    assert settings.public_keys == {"k1": PAIR.public}
    assert settings.places.near("ap-south-1") == ("us-east-1", "documents")
    assert settings.places.endpoint is None
    assert settings.cors.origins == {"https://app.example"}
    assert settings.carriage.backend is Backend.EDGE
    assert settings.carriage.checksums == frozenset(Algorithm)
    assert "secret" not in printed
    assert KEY not in printed


def test_settings_without_an_edge_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That says where to begin."""
    config = tmp_path / "gateway.toml"
    config.write_text(GATEWAY)

    assert main(["edge-settings", "--config", str(config)]) == 1
    assert "[edge]" in capsys.readouterr().err


DYNAMODB = 'kind = "dynamodb"\ntable = "gateway"\nregion = "eu-central-1"'


@pytest.mark.parametrize(
    ("chosen", "throttle"),
    [
        ("", Throttle()),
        ('throttle = "leased"', Throttle(kind=ThrottleKind.LEASED)),
        (
            'throttle = "shared"\nnear = ["us-east-1"]',
            Throttle(kind=ThrottleKind.SHARED, table="gateway", region="eu-central-1", near=("us-east-1",)),
        ),
    ],
)
def test_who_counts_is_the_operator_s_choice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], chosen: str, throttle: Throttle
) -> None:
    """And the store's table is the function's."""
    config = tmp_path / "gateway.toml"
    operator = 'completer = {access_key = "c", secret_key = "s"}\noperator = {access_key = "o", secret_key = "s"}'
    lines = GATEWAY.replace('kind = "sqlite"\npath = "gateway.sqlite"', DYNAMODB).splitlines()
    config.write_text("\n".join(operator if line.startswith("completer") else line for line in lines) + EDGE + chosen)

    assert main(["edge-settings", "--config", str(config)]) == 0

    assert Settings.read(json.loads(capsys.readouterr().out)).throttle == throttle


@pytest.mark.parametrize(("kind", "lacks"), [("shared", "dynamodb"), ("leased", "s3.operator")])
def test_what_could_not_count_is_said_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, lacks: str
) -> None:
    """With what is missing."""
    config = tmp_path / "gateway.toml"
    config.write_text(f'{GATEWAY}{EDGE}throttle = "{kind}"')

    assert main(["edge-settings", "--config", str(config)]) == 1
    assert lacks in capsys.readouterr().err


def test_rates_are_counted_near_the_function_where_there_is_a_table() -> None:
    """Else in the home Region, where quotas always are."""
    throttle = Throttle(kind=ThrottleKind.SHARED, table="t", region="us-east-1", near=("eu-central-1",))

    assert [throttle.for_rates(each) for each in ("eu-central-1", "sa-east-1")] == ["eu-central-1", "us-east-1"]


def test_documents_are_read_near_the_function() -> None:
    """Where there is a bucket in its Region, else in the one that stands for the others."""
    places = Settings.read(GOOD).places

    assert places.near("eu-central-1") == ("eu-central-1", "there")
    assert places.near("sa-east-1") == ("us-east-1", "near")


@pytest.mark.parametrize(
    "change",
    [
        {"public_keys": {}},
        {"public_keys": {"k1": "short"}},
        {"public_keys": None},
        {"documents": {"buckets": {}, "region": "us-east-1"}},
        {"documents": {"buckets": {"us-east-1": "a"}, "region": "us-east-1", "colour": 1}},
        {"documents": None},
        {"origins": ["*"]},
        {"budget": "long"},
        {"colour": 1},
        {"carriage": {"checksums": ["crc1"]}},
        {"throttle": {"kind": "some"}},
        {"throttle": {"kind": "shared", "table": "t"}},
        {"throttle": {"kind": "leased", "colour": 1}},
        {"throttle": None},
    ],
)
def test_settings_that_can_not_be_used_stop_the_function(change: dict[str, Any]) -> None:
    """Before its first answer: what can't know whom to believe lets nobody in."""
    clocks = Clocks(wall=lambda: 0.0, monotonic=lambda: 0.0)

    with pytest.raises(ValueError):
        assemble(Settings.read({**GOOD, **change}), Bucket(), clocks)


@pytest.mark.parametrize("name", ["public_keys", "parameter", "base", "throttle"])
def test_a_parameter_can_not_say_whom_to_believe(name: str) -> None:
    """Only the package can."""
    with pytest.raises(SettingsError, match=name):
        with_parameter({"public_keys": {}}, {name: "x", "documents": {}})


class Ssm(BaseHTTPRequestHandler):
    """SSM Parameter Store with one parameter; `answers` are its next answers."""

    answers: list[tuple[int, bytes]]
    seen: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
        status, answer = self.answers.pop(0)
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def ssm() -> Iterator[tuple[type[Ssm], str]]:
    handler = type("Handler", (Ssm,), {"answers": [], "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def packaged(tmp_path: Path, url: str) -> lambda_function.Function:
    file = tmp_path / "settings.json"
    pointer = {"name": "/gateway/edge", "region": "us-east-1", "endpoint": url}
    file.write_text(json.dumps({"public_keys": {"k1": PUBLIC}, "parameter": pointer}))
    return lambda_function.Function(lambda: lambda_function.make(file))


def test_where_to_look_may_be_in_parameter_store(
    ssm: tuple[type[Ssm], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked once a sandbox, signed by the role's credentials; a failure is a 503, and is asked again."""
    handler, url = ssm
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "role")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session")
    value = json.dumps({"documents": {**GOOD["documents"], "endpoint": url}})
    handler.answers += [(500, b"{}"), (200, json.dumps({"Parameter": {"Value": value}}).encode())]
    function = packaged(tmp_path, url)
    event = json.loads(json.dumps(EVENT))
    event["Records"][0]["cf"]["request"]["method"] = "GET"

    assert [function(event, None)["status"] for _ in range(3)] == ["503", "405", "405"]

    headers, body = handler.seen[-1]
    assert len(handler.seen) == 2
    assert json.loads(body) == {"Name": "/gateway/edge"}
    assert headers["x-amz-target"] == "AmazonSSM.GetParameter"
    assert "Credential=role/" in headers["authorization"]
    assert "/us-east-1/ssm/aws4_request" in headers["authorization"]
    assert headers["x-amz-security-token"] == "session"


def test_a_signed_parameter_call_is_as_botocore_signs_it(ssm: tuple[type[Ssm], str]) -> None:
    """Byte for byte: the signature of the same request at the same second."""
    from datetime import UTC, datetime

    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as Theirs

    from edge_auth.parameters import fetch_parameter
    from edge_auth.settings import Parameter
    from gateway.storage.sigv4 import Credentials

    handler, url = ssm
    now = 1_800_000_000.0
    handler.answers.append((200, json.dumps({"Parameter": {"Value": "{}"}}).encode()))
    fetch_parameter(
        Parameter(name="/a", region="us-east-1", endpoint=url), Credentials("a", "b"), clock=lambda: now, within=5
    )
    headers, body = handler.seen[0]

    signed = ("host", "content-type", "x-amz-target")
    request = AWSRequest("POST", url + "/", data=body, headers={name: headers[name] for name in signed})
    auth = SigV4Auth(Theirs("a", "b"), "ssm", "us-east-1")
    request.context["timestamp"] = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    theirs = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)

    assert headers["authorization"].endswith(f"Signature={theirs}")


def test_nothing_is_said_of_a_parameter_that_is_none() -> None:
    """A package may have it all."""
    assert parameter_of(GOOD) is None
    with pytest.raises(SettingsError):
        parameter_of({"parameter": {"colour": 1}})

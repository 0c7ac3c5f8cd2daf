"""The edge function from a cold process to its first decision, warm, and how large it is.

    .venv/bin/python benchmarks/edge_cold.py [--rounds 15]

Cold: a fresh interpreter imports the function, has its settings from its package ("baked") or from SSM Parameter
Store ("fetched"), has the root and the tenant's document from S3, and decides about one PUT with an RS256 token. Beside
it the same decision where boto3's clients ask SSM and S3. SSM and S3 are one server on loopback that answers at once
and checks no signature, so what is compared is the function's own time. Each figure is a whole process in processor
time, the interpreter's start (shown apart) included. Warm: one process, one event again and again, in processor time;
nothing of a verdict is kept.
"""

import argparse
import base64
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from gateway.identity.source import JwksSource
from gateway.identity.testing import Signer, rsa_signer
from gateway.policy.model import IssuerRule, Policy, TenantId
from gateway.tenants.published.contents import public_keys, root_content, tenant_content
from gateway.tenants.published.signing import Document, SigningPair, seal

ROOT: Final = Path(__file__).parents[1]
PAIR: Final = SigningPair.from_bytes("k1", bytes(range(32)))
RULE: Final = IssuerRule(issuer="https://i.example", audience=("gw",), tenant_claim="t", jwks_uri="https://i.example/j")

START: Final = """
import json, sys
from pathlib import Path
"""
END: Final = """
result = handler(json.loads(Path(sys.argv[2]).read_text()), None)
assert result.get("uri") == "/acme/a.png", result
if len(sys.argv) > 3:
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
OURS: Final = (
    START
    + """
from edge_auth import lambda_function
handler = lambda_function.Function(lambda: lambda_function.make(Path(sys.argv[1])))
"""
    + END
)
BOTO3: Final = (
    START
    + """
import time
import boto3
from botocore.config import Config
from edge_auth.assembly import Clocks, assemble
from edge_auth.settings import Settings, with_parameter
from gateway.storage.small import SmallObject
values = json.loads(Path(sys.argv[1]).read_text())
endpoint = values.pop("endpoint")
name = values.pop("parameter", None)
config = Config(s3={"addressing_style": "path"}, proxies={})
if name:
    ssm = boto3.client("ssm", region_name="us-east-1", endpoint_url=endpoint, config=config)
    values = with_parameter(values, json.loads(ssm.get_parameter(Name=name["name"])["Parameter"]["Value"]))
settings = Settings.read(values)
s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=endpoint, config=config)
class Objects:
    def get(self, key, *, within):
        answer = s3.get_object(Bucket=settings.places.buckets["us-east-1"], Key=key)
        return SmallObject(answer["Body"].read(), answer["ETag"])
handler = assemble(settings, Objects(), Clocks(wall=time.time, monotonic=time.monotonic))
"""
    + END
)


def documents(signer: Signer) -> dict[str, bytes]:
    """The root and the tenant's document, good for an hour."""
    policy = Policy(tenant=TenantId("acme"), types={"*/*": ()})
    keys = {JwksSource(RULE.issuer, RULE.jwks_uri): public_keys([signer.jwk])}
    contents = {"root": root_content([RULE], keys, 1), "tenants/acme": tenant_content(policy, 1, {}, ())}
    now = time.time()
    return {
        f"/documents/{name}": seal(
            Document(name=name, version=1, issued_at=now, not_after=now + 3600, content=content), PAIR
        )
        for name, content in contents.items()
    }


def served(objects: dict[str, bytes], parameter: dict[str, Any]) -> ThreadingHTTPServer:
    """SSM and S3 on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self.answer(objects[self.path.partition("?")[0]])

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.answer(json.dumps({"Parameter": {"Value": json.dumps(parameter)}}).encode())

        def answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("etag", '"e"')
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def event(signer: Signer) -> dict[str, Any]:
    """A viewer request with an RS256 token."""
    claims = {"iss": RULE.issuer, "aud": "gw", "sub": "s", "scope": "files:write", "t": "acme"}
    token = signer.token({**claims, "exp": time.time() + 3000})
    headers = {"host": "d1.cloudfront.net", "content-length": "5", "content-type": "image/png"}
    pairs = {name: [{"key": name, "value": value}] for name, value in headers.items()}
    pairs["authorization"] = [{"key": "Authorization", "value": f"Bearer {token}"}]
    request = {"clientIp": "203.0.113.1", "method": "PUT", "uri": "/edge/a.png", "querystring": "", "headers": pairs}
    return {"Records": [{"cf": {"config": {"requestId": "id"}, "request": request}}]}


def process(script: str, *arguments: str) -> tuple[float, str]:
    """A fresh interpreter's whole life in seconds of processor time, and what it printed."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True, env=environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def cold(folder: Path, rounds: int, port: int) -> None:
    """Whole processes, in turns."""
    url = f"http://127.0.0.1:{port}"
    places = {"documents": {"buckets": {"us-east-1": "documents"}, "region": "us-east-1", "endpoint": url}}
    keys = {"public_keys": {"k1": base64.urlsafe_b64encode(PAIR.public).decode().rstrip("=")}}
    pointer = {"parameter": {"name": "/edge", "region": "us-east-1"}}
    ours_pointer = {"parameter": {**pointer["parameter"], "endpoint": url}}
    files = {
        "baked": {**keys, **places},
        "fetched": {**keys, **ours_pointer},
        "baked, boto3": {**keys, **places, "endpoint": url},
        "fetched, boto3": {**keys, **pointer, "endpoint": url},
    }
    for name, values in files.items():
        (folder / name).write_text(json.dumps(values))
    told = str(folder / "event.json")
    runs: dict[str, tuple[str, ...]] = {
        "interpreter alone": ("pass",),
        "import jwt, cryptography": ("import jwt, cryptography",),
        "import edge_auth.handler": ("import edge_auth.handler",),
        "import the whole function": ("import edge_auth.lambda_function",),
        **{name: (BOTO3 if "boto3" in name else OURS, str(folder / name), told) for name in files},
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(process(*run)[0])
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<28} {median * 1000:8.1f} ms")
    bare = medians["interpreter alone"]
    for kind in ("baked", "fetched"):
        print(f"first decision, {kind}: boto3 takes {medians[kind + ', boto3'] / medians[kind]:.1f} times as long")
    base = medians["import jwt, cryptography"] - bare
    for name in ("import edge_auth.handler", "import the whole function"):
        print(f"{name}: {(medians[name] - bare) / base:.2f} times that of jwt and cryptography")
    print(f"peak memory after the first decision: {int(process(*runs['baked'], 'memory')[1]) / 1024:.1f} MiB")


def warm(folder: Path, signer: Signer, rounds: int) -> None:
    """One process that decides again and again, beside the bare RS256 verification."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - not part of what is measured cold
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

    from edge_auth import lambda_function  # noqa: PLC0415
    from gateway.identity.encoding import decode_base64url  # noqa: PLC0415

    handler = lambda_function.make(folder / "baked")
    asked = json.loads((folder / "event.json").read_text())
    token = asked["Records"][0]["cf"]["request"]["headers"]["authorization"][0]["value"].removeprefix("Bearer ")
    signing_input, _, signature = token.rpartition(".")
    numbers = (int.from_bytes(decode_base64url(str(signer.jwk[name])), "big") for name in ("e", "n"))
    key, raw = rsa.RSAPublicNumbers(*numbers).public_key(), decode_base64url(signature)
    handler(asked, None)
    ours, bare = [], []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(500):
            handler(asked, None)
        middle = time.process_time()
        for _ in range(500):
            key.verify(raw, signing_input.encode(), padding.PKCS1v15(), hashes.SHA256())
        ours.append((middle - began) / 500)
        bare.append((time.process_time() - middle) / 500)
    decision, check = statistics.median(ours) * 1e6, statistics.median(bare) * 1e6
    print(f"warm decision {decision:.0f} µs, bare RS256 verification {check:.0f} µs: {decision - check:.0f} µs more")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    signer = rsa_signer("one")
    objects = documents(signer)
    parameter: dict[str, Any] = {}
    server = served(objects, parameter)
    port = server.server_address[1]
    url = f"http://127.0.0.1:{port}"
    parameter["documents"] = {"buckets": {"us-east-1": "documents"}, "region": "us-east-1", "endpoint": url}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "event.json").write_text(json.dumps(event(signer)))
        cold(folder, rounds, port)
        warm(folder, signer, rounds)
    server.shutdown()


if __name__ == "__main__":
    main()

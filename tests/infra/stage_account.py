"""A pretended account for `scripts/stage`: a `sam` that writes down what it is told, and AWS's answers to three calls.

STS and CloudFormation answer in their query protocol, so that the real SDK reads them (AWS Security Token Service API
Reference, "GetCallerIdentity", "AssumeRoleWithWebIdentity"; AWS CloudFormation API Reference, "DescribeStacks"). The
same endpoint is GitHub's issuer of a job's token.
"""

import importlib.machinery
import importlib.util
import json
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from tests.infra.templates import ROOT

ACCOUNT = "111122223333"

SAM = """#!{python} -SE
import hashlib, json, os, pathlib, sys
root = pathlib.Path({root!r})
with (root / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv) + "\\n")
if sys.argv[1] in json.loads((root / "failing").read_text()):
    sys.exit(3)
stacks = json.loads((root / "stacks").read_text())
if sys.argv[1] == "build":
    folder = pathlib.Path(sys.argv[sys.argv.index("--build-dir") + 1])
    folder.mkdir(parents=True, exist_ok=True)
    template = pathlib.Path(sys.argv[sys.argv.index("--template-file") + 1])
    settings = pathlib.Path(os.environ["EDGE_SETTINGS"])
    told = settings.read_bytes() if template.stem == "edge" else b""
    (folder / "template.yaml").write_text(hashlib.sha256(template.read_bytes() + told).hexdigest())
elif sys.argv[1] == "deploy" and "--no-execute-changeset" in sys.argv:
    print("CloudFormation stack changeset of", sys.argv[sys.argv.index("--config-env") + 1])
elif sys.argv[1] == "deploy":
    made = json.loads((root / "made").read_text()).get(sys.argv[sys.argv.index("--config-env") + 1], {{}})
    said = dict(one.split("=", 1) for one in sys.argv if one.startswith("Release="))
    said["Template"] = pathlib.Path(sys.argv[sys.argv.index("--template-file") + 1]).read_text()
    stacks |= {{name: outputs | said for name, outputs in made.items()}}
else:
    stacks.pop(sys.argv[sys.argv.index("--stack-name") + 1], None)
(root / "stacks").write_text(json.dumps(stacks))
"""

TEMPLATE = """
Description: the {part} stack
Parameters:
  Release: {{Type: String, Default: none}}
  Switch: {{Type: String, Default: "off"}}
  Needed: {{Type: String}}
Resources:
  Thing: {{Type: "A::B::C", Properties: {{Name: !Sub "${{Switch}}", Of: !GetAtt [A, B]}}}}
"""
"""With a default, one that every deployment says, and one without."""

RECORDER = """import json, pathlib, sys
with (pathlib.Path({root!r}) / "calls").open("a") as calls:
    calls.write(json.dumps([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]) + "\\n")
sys.exit({status})
"""


class Account:
    """An account in a folder: which stacks it has, what `sam` would make, and everything that was run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []
        for name, value in (("stacks", {}), ("made", {}), ("failing", [])):
            (root / name).write_text(json.dumps(value))
        (root / "calls").touch()
        for folder in ("bin", "scripts", "infra/verify"):
            (root / folder).mkdir(parents=True)
        self.runnable("bin/sam", SAM.format(python=sys.executable, root=str(root)))
        for script in ("proxy", "presigner"):
            (root / f"infra/verify/{script}.py").write_text(RECORDER.format(root=str(root), status=0))
        (root / "infra/verify/edge.py").write_text(RECORDER.format(root=str(root), status=2))
        for part in ("regional", "edge"):
            (root / f"infra/{part}.yaml").write_text(TEMPLATE.format(part=part))
        (root / "edge.json").write_text("{}")

    def runnable(self, name: str, text: str) -> None:
        """A file that can be run."""
        (self.root / name).write_text(text)
        (self.root / name).chmod(stat.S_IRWXU)

    def say(self, name: str, value: Any) -> None:
        """Set `stacks` (outputs by stack), `made` (stacks by table, once deployed) or `failing` (verbs of `sam`)."""
        (self.root / name).write_text(json.dumps(value))

    def calls(self) -> list[list[str]]:
        """Everything that was run, by name and arguments, with the folder left out."""
        lines = (self.root / "calls").read_text().replace(str(self.root), ".").splitlines()
        return [[Path(argv[0]).name, *argv[1:]] for argv in map(json.loads, lines)]

    @contextmanager
    def answering(self) -> Iterator[str]:
        """The URL at which its AWS answers."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        account = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """Answer one call."""
                asked = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                if asked["Action"] == ["AssumeRoleWithWebIdentity"]:
                    said = " ".join(asked[name][0] for name in ("Action", "RoleArn", "WebIdentityToken"))
                    account.asked.append(f"{said} {self.headers['authorization']}")
                self._answer(*account.answer(asked["Action"][0], asked.get("StackName", [""])[0]))

            def do_GET(self) -> None:
                """A job's token."""
                account.asked.append(f"{self.path} {self.headers['authorization']}")
                self._answer(200, json.dumps({"value": "the-token"}).encode())

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        return Handler

    def answer(self, action: str, stack: str) -> tuple[int, bytes]:
        """A call's status and body."""
        if action == "GetCallerIdentity":
            said = (
                f"<Arn>arn:aws:sts::{ACCOUNT}:assumed-role/dev/ada</Arn><UserId>U</UserId><Account>{ACCOUNT}</Account>"
            )
            return 200, _result(action, said)
        if action == "AssumeRoleWithWebIdentity":
            members = {"AccessKeyId": "ASIA", "SecretAccessKey": "the-secret", "SessionToken": "the-session"}
            inner = "".join(f"<{name}>{value}</{name}>" for name, value in members.items())
            ends = "<Expiration>2027-01-01T00:00:00Z</Expiration>"
            return 200, _result(action, f"<Credentials>{inner}{ends}</Credentials>")
        stacks = json.loads((self.root / "stacks").read_text())
        if stack not in stacks:
            detail = f"<Code>ValidationError</Code><Message>Stack with id {stack} does not exist</Message>"
            return 400, f"<ErrorResponse><Error>{detail}</Error></ErrorResponse>".encode()
        outputs = "".join(
            f"<member><OutputKey>{key}</OutputKey><OutputValue>{escape(value)}</OutputValue></member>"
            for key, value in stacks[stack].items()
        )
        about = "<CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>"
        one = f"<member><StackName>{stack}</StackName>{about}<Outputs>{outputs}</Outputs></member>"
        return 200, _result(action, f"<Stacks>{one}</Stacks>")


def _result(action: str, said: str) -> bytes:
    return f"<{action}Response><{action}Result>{said}</{action}Result></{action}Response>".encode()


def stage_script() -> ModuleType:
    """`scripts/stage` as a module."""
    loader = importlib.machinery.SourceFileLoader("stage_script", str(ROOT / "scripts/stage"))
    spec = importlib.util.spec_from_loader("stage_script", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["stage_script"] = module
    loader.exec_module(module)
    return module

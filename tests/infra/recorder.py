"""A way to AWS's stand-ins that remembers who asked for what: S3 and DynamoDB are behind it, the others are in it.

It hands requests on as they are, the host included, so that signatures hold; and it believes any credential, because
what is behind it does not.
"""

import http.client
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from gateway.storage.sigv4 import Credentials
from tests.infra import plans_front
from tests.infra.wire_calls import Made, UnknownCallError, calls_of, service_of
from tests.proxy.usage_plans import PretendedPlans

_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class Recorder:
    """What was asked for. `roles` are the credentials that AssumeRole hands out, `parameters` what SSM holds."""

    def __init__(
        self, behind: Mapping[str, tuple[str, int]], roles: Mapping[str, Credentials], parameters: Mapping[str, str]
    ) -> None:
        self.behind, self.roles = behind, roles
        self.parameters = dict(parameters)
        self.plans = PretendedPlans()
        self.port = 0
        self._made: set[Made] = set()
        self._unknown: list[str] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens; by the name that S3 has on one machine."""
        return f"http://localhost:{self.port}"

    def made(self) -> frozenset[Made]:
        """Every call so far; raises UnknownCallError for requests of no known kind."""
        with self._lock:
            if self._unknown:
                raise UnknownCallError("; ".join(self._unknown))
            return frozenset(self._made)

    def note(self, method: str, target: str, headers: Mapping[str, str], body: bytes, status: int) -> None:
        """Remember a request that was answered; one that was refused by S3 did nothing, but was asked."""
        with self._lock:
            try:
                self._made |= set(calls_of(method, target, headers, body, status))
            except UnknownCallError as error:
                self._unknown.append(str(error))

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Listens on loopback meanwhile."""

        class Front(_Front):
            recorder = self

        with ThreadingHTTPServer(("127.0.0.1", 0), Front) as server:
            server.daemon_threads = True
            self.port = server.server_port
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()

    def answer(
        self, service: str, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """What the service says."""
        if service == "sts":
            return 200, [("content-type", "text/xml")], self._assumed(body)
        if service == "ssm":
            name = json.loads(body)["Name"]
            said = {"Parameter": {"Name": name, "Type": "SecureString", "Value": self.parameters[name], "Version": 1}}
            return 200, [("content-type", "application/x-amz-json-1.1")], json.dumps(said).encode()
        if service == "apigateway":
            status, said_of_plans = plans_front.answer(self.plans, method, target, body)
            return status, [("content-type", "application/json")], said_of_plans
        connection = http.client.HTTPConnection(*self.behind[service], timeout=60)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, _of_one_account(value) if service == "dynamodb" else value)
            connection.endheaders(body)
            answered = connection.getresponse()
            return answered.status, answered.getheaders(), answered.read()
        finally:
            connection.close()

    def _assumed(self, body: bytes) -> bytes:
        """STS API Reference, "AssumeRole"."""
        found = self.roles[parse_qs(body.decode())["RoleArn"][0]]
        ends = datetime.fromtimestamp(time.time() + 3600, UTC).isoformat()
        return (
            '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
            f"<AccessKeyId>{found.access_key}</AccessKeyId><SecretAccessKey>{escape(found.secret_key)}</SecretAccessKey>"
            f"<SessionToken>{found.session_token or ''}</SessionToken><Expiration>{ends}</Expiration>"
            "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
        ).encode()


def _of_one_account(value: str) -> str:
    """A header for DynamoDB Local, which verifies no signature, and has tables of its own for each access key."""
    return re.sub(r"Credential=[^/]+", "Credential=local", value)


class _Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    recorder: Recorder

    def _exchange(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        pairs = list(self.headers.items())
        lower = {name.lower(): value for name, value in pairs}
        try:
            _, service, _ = service_of(self.path, lower, body)
        except UnknownCallError:
            service = "s3"
        status, headers, said = self.recorder.answer(service, self.command, self.path, pairs, body)
        self.recorder.note(self.command, self.path, lower, body, status)
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        length = next((value for name, value in headers if name.lower() == "content-length"), str(len(said)))
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _exchange  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

"""The gateway in several processes, as it is started by people: `serve` by settings, and `demo --workers`."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.local.embedded_s3 import EmbeddedS3
from gateway.local.issuer import DevelopmentIssuer
from gateway.settings.reading import PREFIX
from tests.processes import children

COMMAND: Final = Path(sys.executable).parent / "upload-gateway"
PATIENCE: Final = 60.0
"""Seconds; only a defect makes a test wait so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a gateway stands on: a real S3, issuers, and a directory for all else."""

    folder: Path
    store: EmbeddedS3
    issuer: DevelopmentIssuer

    def token(self, tenant: str = "acme", *, admin: bool = False, scope: str = "files:write") -> str:
        """A token that outlives the test."""
        return self.issuer.token(tenant=tenant, scope="tenants:admin" if admin else scope, admin=admin, alg="EdDSA")

    def environment(self, **changes: str) -> dict[str, str]:
        """Settings that make any file's a gateway on this ground, on a free port of loopback."""
        rule, operator, who = self.issuer.rule(), self.issuer.operator_rule(), self.store.identities
        issuer = {"issuer": rule.issuer, "audience": rule.audience, "jwks_uri": rule.jwks_uri, "tenant_claim": "tenant"}
        operators = {"issuer": operator.issuer, "audience": operator.audience, "jwks_uri": operator.jwks_uri}
        said = {
            "LISTEN__PORT": "0",
            "S3__ENDPOINT": self.store.endpoint,
            "S3__BUCKET": self.store.bucket,
            "S3__REGION": self.store.region,
            "S3__SIGNER": json.dumps({"access_key": who.signer.access_key, "secret_key": who.signer.secret_key}),
            "S3__COMPLETER": json.dumps(
                {"access_key": who.completer.access_key, "secret_key": who.completer.secret_key}
            ),
            "STORE__KIND": "sqlite",
            "STORE__PATH": str(self.folder / "gateway.sqlite"),
            "ISSUERS": json.dumps([issuer]),
            "OPERATORS": json.dumps([operators]),
            "TENANTS__FOLDER": str(self.folder / "tenants"),
            "TENANTS__ALLOW_PRIVATE_ISSUERS": "true",
            "SEALING__KEYS": base64.b64encode(bytes(32)).decode(),
            "LOG__FORMAT": "text",
            **changes,
        }
        return {PREFIX + name: value for name, value in said.items()}

    def put_tenant(self, tenant: str, **members: object) -> None:
        """A tenant that may upload anything, but for what `members` say."""
        (self.folder / "tenants").mkdir(exist_ok=True)
        document = {"version": 1, "tenant": tenant, "types": {"*/*": []}, "overwrite": True, **members}
        fresh = self.folder / "tenants" / f"{tenant}.new"
        fresh.write_text(json.dumps(document))
        fresh.replace(fresh.with_suffix(".json"))


@dataclass(slots=True, kw_only=True)
class Gateway:
    """A gateway that is ready: its processes, and where it is."""

    process: subprocess.Popen[str]
    url: str
    lines: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.url.rpartition(":")[2])

    @property
    def workers(self) -> list[int]:
        """The workers' process ids."""
        return children(self.process.pid)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        """Its exit status, once it has one."""
        return self.process.wait(PATIENCE)


@contextmanager
def serving(environment: Mapping[str, str], *arguments: str, ready: str = r"ready at (\S+), with") -> Iterator[Gateway]:
    """`upload-gateway serve` until the end of the test."""
    command = [str(COMMAND), "serve", *arguments]
    with _started(command, {**os.environ, **environment}, ready) as gateway:
        yield gateway


@contextmanager
def demo(data: Path, *, workers: int, port: int = 0) -> Iterator[Gateway]:
    """`upload-gateway demo --workers` until the end of the test."""
    command = [str(COMMAND), "demo", "--port", str(port), "--data", str(data), "--workers", str(workers)]
    with _started(command, dict(os.environ), r"ready at (http://[0-9.:]+)\.") as gateway:
        yield gateway


@contextmanager
def _started(command: list[str], environment: dict[str, str], ready: str) -> Iterator[Gateway]:
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True, start_new_session=True
    )
    assert process.stdout is not None
    gateway = Gateway(process=process, url="")
    try:
        for line in process.stdout:
            gateway.lines.append(line)
            if found := re.search(ready, line):
                gateway.url = found[1]
                break
        assert gateway.url, "".join(gateway.lines)
        yield gateway
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End it in order or else by force, with all that it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
    kill_all(process.pid)
    process.wait(PATIENCE)
    if process.stdout is not None:
        process.stdout.close()


def kill_all(session: int) -> None:
    """SIGKILL to whatever is left of a process that was started in a session of its own."""
    with suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def until(holds: "object", *, what: str) -> None:
    """Wait until `holds()` is true; only a defect makes it fail."""
    assert callable(holds)
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)

"""The deployment on this machine: `upload-gateway demo` as a child, driven by what it writes to `demo.json`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.conformance.bucket import SignedBucket
from tests.conformance.deployment import Base
from tests.conformance.issuers import KeyIssuer, SigningKey
from tests.conformance.wire import Origin, Request, Wire, WireError

READY_WITHIN: Final = 60.0
"""Seconds a demo may take to start on a busy machine."""

PAGE: Final = "https://app.example"
"""A page elsewhere that the demo is told to let call."""

SECRET_WORDS: Final = ("X-Amz-Signature=", "Signature=", "eyJ", "ugk_")
"""How a signed URL, a signed header, a JWT and an API key look."""


class TenantDocuments:
    """The folder that a demo reads tenant documents from, at every request."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, document: Mapping[str, Any]) -> None:
        """Put a tenant in force, or in the place of the one of its id."""
        path = self._folder / f"{document['tenant']}.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(dict(document)))
        fresh.replace(path)

    def remove(self, tenant: str) -> None:
        """Remove a tenant."""
        (self._folder / f"{tenant}.json").unlink()


def issuer_of(settings: Mapping[str, Any], folder: Path) -> KeyIssuer:
    """The demo's issuer, with the private keys that it leaves for scripts.

    They are loaded once: OpenSSL checks an RSA key for longer than an upload takes.
    """
    return KeyIssuer(
        standing={"iss": settings["issuer"], "aud": settings["audience"]},
        tenant_claim=settings["tenant_claim"],
        scope_claim=settings["scope_claim"],
        keys={entry["alg"]: (entry["kid"], _load(folder / entry["pem"])) for entry in settings["signing_keys"]},
    )


def _load(pem: Path) -> SigningKey:
    key = load_pem_private_key(pem.read_bytes(), password=None)
    if not isinstance(key, SigningKey):
        raise TypeError(f"{pem.name} holds no key that signs tokens")
    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDeployment:
    """A demo that is ready."""

    name: str
    limits: str
    carried_metadata: frozenset[str] | None
    guesses_types_of: frozenset[str]
    origin: Origin
    secrets: tuple[str, ...]
    page: str
    bucket: SignedBucket
    issuer: KeyIssuer
    tenants: TenantDocuments

    def base(self, backend: str) -> Base:
        """`/proxy`, `/presigned`, `/edge` and `/files` of the one server."""
        return Base(self.origin, f"/{backend}")

    def api(self) -> Base:
        """`/uploads` is at the root."""
        return Base(self.origin, "")


class DemoProcess:
    """A demo as a child of the suite: `start`, then `stop` whatever happened."""

    def __init__(self, data: Path, *, limits: str, options: tuple[str, ...] = ()) -> None:
        self._data = data
        self._limits = limits
        self._options = options
        self._log = data / "demo.log"
        self._settings = data / "state" / "demo.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._bucket: SignedBucket | None = None

    def start(self) -> DemoDeployment:
        """Start the command a stranger would type and wait until it is ready.

        Raises:
            RuntimeError: it ended, or was not ready in time; with what it printed.
        """
        self._data.mkdir(parents=True, exist_ok=True)
        self._settings.unlink(missing_ok=True)
        command = [str(Path(sys.executable).with_name("upload-gateway")), "demo", "--port", "0"]
        command += ["--data", str(self._data / "state"), "--strict-s3", "--origin", PAGE]
        command += [*(["--limits", "aws"] if self._limits == "aws" else []), *self._options]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._wait_until_ready(self._process)
        return self._describe()

    def secrets_in_logs(self) -> list[str]:
        """What a log of the demo's, or of anything in its directory, holds of tokens and signatures."""
        logs = (self._log, *(self._data / "state").rglob("*.log"))
        return [
            f"{log.name} holds {word}"
            for log in logs
            for word in SECRET_WORDS
            if word in log.read_text(errors="replace")
        ]

    def stop(self) -> None:
        """End the demo and everything it started."""
        if self._bucket is not None:
            self._bucket.close()
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(5)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_WITHIN
        with Wire() as wire:
            while time.monotonic() < deadline:
                if self._settings.exists() and _says_ready(wire, _origin(json.loads(self._settings.read_text()))):
                    return
                try:
                    process.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
                raise RuntimeError(f"the demo ended with {process.returncode}: {self._tail()}")
        raise RuntimeError(f"the demo was not ready within {READY_WITHIN} s: {self._tail()}")

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def _describe(self) -> DemoDeployment:
        folder = self._data / "state"
        settings = json.loads(self._settings.read_text())
        self._bucket = SignedBucket(
            endpoint=settings["s3_endpoint"],
            **{name: settings[name] for name in ("bucket", "region", "access_key", "secret_key")},
        )
        return DemoDeployment(
            name="demo" if self._limits == "machine" else f"demo-limits-{self._limits}",
            limits=self._limits,
            # SeaweedFS keeps no application/octet-stream: it guesses from the extension instead. AWS keeps it.
            guesses_types_of=frozenset({"application/octet-stream"}),
            carried_metadata=frozenset({"description", "title"}) if self._limits == "aws" else None,
            origin=_origin(settings),
            secrets=(
                settings["access_key"],
                settings["secret_key"],
                urlsplit(settings["s3_endpoint"]).netloc,
                f"/{settings['bucket']}",
                "Traceback",
                'File "',
            ),
            page=PAGE,
            bucket=self._bucket,
            issuer=issuer_of(settings, folder),
            tenants=TenantDocuments(folder / "tenants"),
        )


def _origin(settings: Mapping[str, Any]) -> Origin:
    """Where the demo listens, as it says itself: it takes any port that is free."""
    url = urlsplit(settings["url"])
    return Origin(url.hostname or "", url.port or 80)


def _says_ready(wire: Wire, origin: Origin) -> bool:
    try:
        return wire.exchange(origin, Request(method="GET", target="/readyz")).status == 200
    except (OSError, WireError):
        return False

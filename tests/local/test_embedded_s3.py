"""The embedded S3: ready, private, of least authority, and with its objects after any end."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from gateway.local.embedded_s3 import EmbeddedS3
from gateway.local.errors import DemoError
from gateway.local.files import demand_room
from gateway.storage.sigv4 import Credentials, Signer

ORIGIN = "http://127.0.0.1:8080"


def call(
    s3: EmbeddedS3,
    who: Credentials,
    method: str,
    key: str = "",
    *,
    body: bytes = b"",
    query: tuple[tuple[str, str], ...] = (),
) -> tuple[int, bytes]:
    host, path = f"localhost:{s3.port}", f"/{s3.bucket}/{key}".rstrip("/")
    headers = Signer(who, s3.region).sign_headers(method, host, path, now=time.time(), query=query)
    target = path + ("?" + "&".join(f"{name}={value}" for name, value in query) if query else "")
    connection = HTTPConnection("127.0.0.1", s3.port, timeout=20)
    try:
        connection.request(method, target, body, {"Host": host, **headers})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    with EmbeddedS3(tmp_path_factory.mktemp("embedded"), origins=[ORIGIN]) as server:
        yield server
        server.stop(0)


def listening(pid: int) -> set[str]:
    """The addresses that a process listens on, from the kernel's tables."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = descriptor.readlink().name
        except FileNotFoundError:
            continue
        if name.startswith("socket:["):
            sockets.add(name[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        rows = [line.split() for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]]
        found |= {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in sockets}
    return found


def test_nothing_listens_but_on_loopback(s3: EmbeddedS3) -> None:
    """Every socket that the server and what is behind it open is 127.0.0.1's."""
    assert s3.pid is not None
    assert listening(s3.pid) == {"0100007F"}


def test_files_are_private(s3: EmbeddedS3) -> None:
    """Keys, ports, the identity file and the log can be read by their owner alone."""
    modes = {path.name: path.stat().st_mode & 0o077 for path in s3.directory.iterdir()}
    assert modes == dict.fromkeys(modes, 0)


@pytest.mark.parametrize(
    ("who", "allowed"),
    [
        ("signer", {"put"}),
        ("completer", {"put", "get", "list"}),
        ("operator", {"put", "get", "list", "delete"}),
    ],
)
def test_least_authority(s3: EmbeddedS3, who: str, allowed: set[str]) -> None:
    """Each identity can do what it is for and nothing else."""
    credentials: Credentials = getattr(s3.identities, who)
    call(s3, s3.identities.operator, "PUT", "acme/there", body=b"x")
    statuses = {
        "put": call(s3, credentials, "PUT", f"acme/{who}", body=b"bytes")[0],
        "get": call(s3, credentials, "GET", "acme/there")[0],
        "list": call(s3, credentials, "GET", query=(("list-type", "2"),))[0],
        "delete": call(s3, credentials, "DELETE", "acme/there")[0],
    }
    assert {name for name, status in statuses.items() if status < 300} == allowed
    assert {status for name, status in statuses.items() if name not in allowed} <= {403}


def test_only_configured_origins_pass_a_preflight(s3: EmbeddedS3) -> None:
    """A page of the gateway's may upload and read the checksums; another page may not."""
    answers = {}
    for origin in (ORIGIN, "http://elsewhere.example"):
        connection = HTTPConnection("127.0.0.1", s3.port, timeout=20)
        connection.request(
            "OPTIONS", "/demo-objects/acme/a", headers={"Origin": origin, "Access-Control-Request-Method": "PUT"}
        )
        response = connection.getresponse()
        response.read()
        answers[origin] = (response.status, response.headers.get("Access-Control-Expose-Headers", ""))
        connection.close()
    assert answers[ORIGIN][0] == 200
    assert "x-amz-checksum-crc64nvme" in answers[ORIGIN][1]
    assert answers["http://elsewhere.example"][0] == 403


def test_without_origins_no_page_passes(tmp_path: Path) -> None:
    """Rules of an earlier start are gone, and SeaweedFS's own default, any page, is not in force."""
    with EmbeddedS3(tmp_path, origins=[ORIGIN]):
        pass
    with EmbeddedS3(tmp_path) as s3:
        connection = HTTPConnection("127.0.0.1", s3.port, timeout=20)
        asks = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}
        connection.request("OPTIONS", "/demo-objects/acme/a", headers=asks)
        response = connection.getresponse()
        response.read()
        connection.close()

    assert response.headers.get("Access-Control-Allow-Origin") is None


def test_one_directory_has_one_demo(s3: EmbeddedS3) -> None:
    """A second start on the same directory is refused with a sentence, and the first goes on."""
    with pytest.raises(DemoError, match="Another demo is running on"):
        EmbeddedS3(s3.directory).start()
    assert s3.alive


def test_objects_survive_kills(tmp_path: Path) -> None:
    """What was acknowledged is there after SIGKILL of the server and, on the same port, after that of its parent."""
    program = (
        "import sys, time; from pathlib import Path; from gateway.local.embedded_s3 import EmbeddedS3\n"
        "s3 = EmbeddedS3(Path(sys.argv[1])); s3.start(); print(s3.pid, s3.port, flush=True); time.sleep(60)"
    )
    first = EmbeddedS3(tmp_path)
    first.start()
    assert call(first, first.signer, "PUT", "acme/one", body=b"one")[0] == 200
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    first.stop()
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid, port = map(int, parent.stdout.readline().split())
        assert port == first.port
        assert call(first, first.signer, "PUT", "acme/two", body=b"two")[0] == 200
        descriptor = os.pidfd_open(pid)
        parent.kill()
    assert select.select([descriptor], [], [], 10)[0], "the server outlived its parent"
    os.close(descriptor)
    again = EmbeddedS3(tmp_path)
    again.start()
    try:
        assert again.port == first.port
        assert call(again, again.identities.completer, "GET", "acme/one") == (200, b"one")
        assert call(again, again.identities.completer, "GET", "acme/two") == (200, b"two")
    finally:
        again.stop(0)


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    """A fixed port that somebody else listens on is refused before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DemoError, match=f"Port {port} on 127.0.0.1 is in use"):
            EmbeddedS3(tmp_path, port=port).start()


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """Too little free space is one sentence that says how much is needed."""
    with pytest.raises(DemoError, match=r"is full: .* MiB are needed"):
        demand_room(tmp_path, least=1 << 62)


def test_an_unusable_directory_is_named(tmp_path: Path) -> None:
    """A path below a file can't become a directory, and the message says which."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DemoError, match=r"The directory .*file/data can't be used"):
        EmbeddedS3(tmp_path / "file" / "data").start()


def test_a_port_that_is_taken_while_it_starts_costs_another_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ports are found free before SeaweedFS has them, and somebody else may be quicker."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        kept, first = EmbeddedS3._choose_ports, [taken.getsockname()[1]]

        def chosen(self: EmbeddedS3) -> dict[str, int]:
            served = kept(self)
            return {**served, "filer": first.pop()} if first else served

        monkeypatch.setattr(EmbeddedS3, "_choose_ports", chosen)
        with EmbeddedS3(tmp_path) as s3:
            assert s3.alive
        assert first == []

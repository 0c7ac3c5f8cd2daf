"""`upload-gateway serve`: by its settings, in several processes, over their deaths, and to its end."""

import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.serve import ServeError, examine
from gateway.server.listening import on_path, on_port
from gateway.settings import read
from tests.certificates import certified
from tests.workers.running import COMMAND, Gateway, Ground, lives, serving, until

EXAMPLE = Path(__file__).parents[2] / "docs/examples/upload-gateway.toml"


def put(gateway: Gateway, token: str, name: str = "a.txt", body: bytes = b"hello", way: str = "proxy") -> int:
    """The status of one upload on a connection of its own."""
    headers = {"authorization": f"Bearer {token}", "content-type": "text/plain", "connection": "close"}
    with httpx.Client(verify=False, timeout=30) as client:  # no TLS: nothing to load certificates for
        return client.put(f"{gateway.url}/{way}/{name}", content=body, headers=headers).status_code


def ready(gateway: Gateway) -> int | None:
    """What `/readyz` says; None where nobody answers."""
    try:
        with httpx.Client(verify=False, timeout=30) as client:
            return client.get(f"{gateway.url}/readyz", headers={"connection": "close"}).status_code
    except httpx.TransportError:
        return None


class SlowUpload:
    """A PUT that is admitted and whose first half is sent; its second half is sent when the test says so."""

    def __init__(self, gateway: Gateway, token: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        self._connection.putrequest("PUT", "/proxy/slow.bin")
        for name, value in {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}.items():
            self._connection.putheader(name, value)
        self._connection.putheader("Content-Length", "200000")
        self._connection.putheader("Expect", "100-continue")  # is answered after admission
        self._connection.endheaders()
        assert self._connection.sock.recv(99).startswith(b"HTTP/1.1 100 ")
        self._connection.send(bytes(100_000))

    def finish(self) -> int:
        """Send the rest: the status."""
        try:
            self._connection.send(bytes(100_000))
            return self._connection.getresponse().status
        finally:
            self._connection.close()


def test_the_example_starts_a_gateway(ground: Ground) -> None:
    """Only places that a test can't have are put in its own; several workers answer."""
    with serving(ground.environment(DRAIN__DELAY="0"), "--config", str(EXAMPLE)) as gateway:
        assert len(gateway.workers) == 2
        assert ready(gateway) == 200
        assert [put(gateway, ground.token(), f"{number}.txt") for number in range(8)] == [200] * 8
        schema = httpx.get(f"{gateway.url}/openapi.json").json()

    assert schema["servers"] == [{"url": "https://uploads.example.com"}]
    assert gateway.process.returncode == 0


def test_settings_can_be_looked_at_without_serving(ground: Ground) -> None:
    """Before a restart that must work."""
    done = subprocess.run(
        [str(COMMAND), "serve", "--check", "--config", str(EXAMPLE)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **ground.environment()},
    )

    assert done.stdout == "The settings can be used.\n"


def test_settings_that_are_wrong_are_said_at_once(tmp_path: Path) -> None:
    """Before anything is imported that serves."""
    broken = tmp_path / "broken.toml"
    broken.write_text("workers = 0\nspeed = 9\n[s3]\n[store]\n[sealing]\n")
    scrubbed = {name: value for name, value in os.environ.items() if not name.startswith("UPLOAD_GATEWAY_")}
    command = [str(COMMAND), "serve", "--config", str(broken)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=scrubbed)

    assert done.returncode == 1
    assert all(f"  {place}: " in done.stderr for place in ("workers", "speed", "s3.bucket", "sealing.keys"))


def _refusal(ground: Ground, **changes: str) -> str:
    """Why a gateway of these settings does not start."""
    with pytest.raises(ServeError) as caught:
        examine(read(None, ground.environment(**changes)))
    return str(caught.value)


def test_what_can_not_be_opened_is_said_before_anything_listens(ground: Ground, tmp_path: Path) -> None:
    """In one sentence for each: the store, the folder, the certificate, an identity."""
    key = ground.folder / "key.pem"
    key.write_text("no key")

    assert "The store can't be used" in _refusal(ground, STORE__PATH=str(key))
    assert str(tmp_path / "none") in _refusal(ground, STORE__PATH=str(tmp_path / "none" / "x"))
    assert "certificate" in _refusal(ground, TLS__CERTIFICATE=str(key), TLS__KEY=str(key))
    assert "nobody" in _refusal(ground, S3__SIGNER='{"profile": "nobody"}')
    (ground.folder / "tenants" / "bad.json").write_text("{}")
    assert "bad.json" in _refusal(ground)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_in_use_is_found_out(workers: int) -> None:
    """Also where several workers share the port with each other, and so could with a stranger."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken, pytest.raises(OSError, match="in use"):
        on_port("127.0.0.1", taken.getsockname()[1], workers=workers)


def test_a_worker_that_dies_is_replaced_and_uploads_go_on(ground: Ground) -> None:
    """Each of the first workers is killed; nobody is turned away for longer than a start takes."""
    with serving(ground.environment(WORKERS="2")) as gateway:
        first = set(gateway.workers)
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(gateway.workers) == 2 and not first & set(gateway.workers), what="two new workers")
        statuses = {put(gateway, ground.token(), f"{number}.txt") for number in range(6)}

    assert statuses == {200}
    assert gateway.process.returncode == 0


def test_an_upload_under_way_finishes_while_the_gateway_drains(ground: Ground) -> None:
    """Told to stop, it says so at `/readyz`, still takes what comes for a while, and ends when all are done."""
    with serving(ground.environment(WORKERS="2", DRAIN__DELAY="3", DRAIN__GRACE="30")) as gateway:
        slow = SlowUpload(gateway, ground.token())
        gateway.terminate()
        until(lambda: ready(gateway) == 503, what="/readyz says 503")
        meanwhile = put(gateway, ground.token(), "meanwhile.txt")
        until(lambda: ready(gateway) is None, what="no new connections")
        still_there = gateway.process.poll() is None
        status = slow.finish()
        ended = gateway.ended()

    assert (meanwhile, still_there, status, ended) == (200, True, 200, 0)


def test_one_tenant_does_not_take_the_whole_machine(ground: Ground) -> None:
    """Beyond its share, whichever worker it comes to, it is told to wait, while others upload; its room comes back."""
    ground.put_tenant("other")
    with serving(ground.environment(TENANTS__MOST_UPLOADS="2", WORKERS="2")) as gateway:
        slow = [SlowUpload(gateway, ground.token()) for _ in range(2)]
        until(lambda: put(gateway, ground.token()) == 429, what="acme has its share")
        assert {put(gateway, ground.token(), way=way) for way in ("proxy", "edge") for _ in range(4)} == {429}
        other = put(gateway, ground.token("other"))
        finished = [each.finish() for each in slow]
        again = put(gateway, ground.token())

    assert (other, finished, again) == (200, [200, 200], 200)


def test_an_upload_that_takes_too_long_does_not_keep_the_gateway(ground: Ground) -> None:
    """When its time is over it is broken off, and nothing of it is stored."""
    with serving(ground.environment(DRAIN__GRACE="0.2")) as gateway:
        slow = SlowUpload(gateway, ground.token())
        began = time.monotonic()
        gateway.terminate()
        ended = gateway.ended()
        with pytest.raises((OSError, HTTPException)):
            slow.finish()

    assert ended == 0
    assert time.monotonic() - began < 20


def test_a_killed_supervisor_leaves_no_worker(ground: Ground) -> None:
    """They notice, and end as if they had been told to."""
    with serving(ground.environment(WORKERS="2")) as gateway:
        workers = gateway.workers
        gateway.process.kill()
        until(lambda: not any(lives(pid) for pid in workers), what="the workers end")

    assert len(workers) == 2


def test_a_unix_socket_serves_a_proxy_on_the_same_machine(ground: Ground) -> None:
    """What a killed gateway left of its socket is in nobody's way; one that serves is."""
    path = ground.folder / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    environment = ground.environment(LISTEN__UNIX=str(path), LISTEN__TRUSTED_PROXIES="unix", WORKERS="2")

    with serving(environment) as gateway:
        assert gateway.url == str(path)
        assert path.stat().st_mode & 0o777 == 0o660
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://gateway") as client:
            assert client.get("/readyz").status_code == 200
        with pytest.raises(OSError, match="in use"):
            on_path(path)


def _served_name(port: int) -> str:
    """Who the certificate says that the server is."""
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=30)
    (name,) = x509.load_pem_x509_certificate(pem.encode()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)


def test_tls_is_served_and_its_certificate_renewed(ground: Ground) -> None:
    """TLS 1.2 at least; SIGHUP reads the files again, and a broken pair of them changes nothing."""
    with certified(ground.folder, "first") as (certificate, key):
        environment = ground.environment(TLS__CERTIFICATE=str(certificate), TLS__KEY=str(key), WORKERS="2")
        with serving(environment) as gateway:
            trusting = ssl.create_default_context(cafile=str(certificate))
            headers = {"authorization": f"Bearer {ground.token()}", "content-type": "text/plain"}
            url = f"https://localhost:{gateway.port}"
            with httpx.Client(verify=trusting, base_url=url, headers=headers) as client:
                stored = client.put("/proxy/tls.txt", content=b"x" * 300_000)
                refused = client.put("/proxy/tls.txt?query", content=b"x" * 300_000)
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            with pytest.warns(DeprecationWarning, match="TLSv1_1"):
                old.maximum_version = ssl.TLSVersion.TLSv1_1
            with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", gateway.port)) as plain:
                old.wrap_socket(plain, server_hostname="localhost")
            key.write_text("broken")
            gateway.process.send_signal(signal.SIGHUP)
            names = [_served_name(gateway.port)]
            with certified(ground.folder, "second"):
                gateway.process.send_signal(signal.SIGHUP)
                until(lambda: all(_served_name(gateway.port) == "second" for _ in range(6)), what="the new one")

    assert (stored.status_code, refused.status_code, names) == (200, 400, ["first"])
    assert gateway.process.returncode == 0


def test_a_service_manager_is_told(ground: Ground) -> None:
    """That it is ready, and that it stops (sd_notify(3))."""
    path = ground.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(30)
        with serving({**ground.environment(), "NOTIFY_SOCKET": str(path)}):
            first = manager.recv(99)
        second = manager.recv(99)

    assert (first, second) == (b"READY=1", b"STOPPING=1")


def test_a_change_is_in_force_in_every_worker_within_its_lifetime(ground: Ground) -> None:
    """A suspended tenant is refused on each connection, wherever it ends up, once a lifetime is over."""
    document = {"version": 1, "tenant": "moving", "types": {"*/*": []}, "overwrite": True}
    operator = {"authorization": f"Bearer {ground.token(admin=True)}"}
    with serving(ground.environment(WORKERS="3", TENANTS__POLICY_LIFETIME="0.3")) as gateway:
        place = f"{gateway.url}/admin/tenants/moving"
        made = httpx.put(place, json=document, headers={**operator, "if-none-match": "*"})
        before = {put(gateway, ground.token("moving")) for _ in range(9)}
        changed = httpx.patch(
            place,
            content='{"status": "suspended"}',
            headers={
                **operator,
                "if-match": made.headers["etag"],
                "content-type": "application/merge-patch+json",
            },
        )
        threading.Event().wait(0.3)
        after = {put(gateway, ground.token("moving")) for _ in range(9)}

    assert (made.status_code, changed.status_code) == (201, 200)
    assert (before, after) == ({200}, {403})

"""nginx before the same S3: as a bare reverse proxy, and with `auth_request` to a service that verifies tokens."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks._harness import READY_SECONDS, Demo, end, free_port
from benchmarks._others import Other, verifier

TOKEN_HEADER = "X-Upload-Token"
"""Where a client of `auth_request` sends its token: S3's signature has the header `Authorization`."""

_CONFIG = """\
daemon off;
worker_processes {workers};
pid {place}/nginx.pid;
error_log {place}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    keepalive_requests 100000000;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    upstream s3 {{
        server 127.0.0.1:{upstream};
        keepalive 64;
        keepalive_requests 100000000;
    }}
    {verifiers}
    server {{
        listen 127.0.0.1:{port} reuseport;
        location / {{
            {auth}
            proxy_pass http://s3;
            proxy_request_buffering off;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_set_header X-Upload-Token "";
        }}
        {auth_location}
    }}
}}
"""

_VERIFIERS = "upstream verifier {{ {servers} keepalive 64; keepalive_requests 100000000; }}"

_AUTH_LOCATION = """\
location = /_auth {
            internal;
            proxy_pass http://verifier;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Connection "";
            proxy_set_header Authorization $http_x_upload_token;
            proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Original-Method $request_method;
        }"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nginx:
    """An nginx that runs: where, and whose processor time it costs (its master, and the verifiers)."""

    port: int
    pids: tuple[int, ...]


def program() -> str | None:
    """nginx, where it is installed."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def nginx(place: Path, running: Demo, *, workers: int = 1, asks: bool = False) -> Iterator[Nginx]:
    """One nginx before the demo's S3; where it `asks`, `auth_request` goes to as many verifiers as it has workers."""
    place.mkdir()
    with ExitStack() as stack:
        verifiers: Sequence[Other] = ()
        if asks:
            verifiers = [stack.enter_context(verifier(running, place / f"verifier-{n}.log")) for n in range(workers)]
        port, config = free_port(), place / "nginx.conf"
        servers = " ".join(f"server 127.0.0.1:{each.port};" for each in verifiers)
        config.write_text(
            _CONFIG.format(
                place=place,
                port=port,
                upstream=running.s3_port,
                workers=workers,
                verifiers=_VERIFIERS.format(servers=servers) if asks else "",
                auth="auth_request /_auth;" if asks else "",
                auth_location=_AUTH_LOCATION if asks else "",
            )
        )
        # Its first messages go to the log that was compiled in unless -e says otherwise.
        command = [program() or "nginx", "-e", str(place / "error.log"), "-p", str(place), "-c", str(config)]
        process = subprocess.Popen(command)
        try:
            _await_port(process, port)
            yield Nginx(port=port, pids=(process.pid, *(each.pid for each in verifiers)))
        finally:
            end(process, signal.SIGTERM)


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("nginx did not start")

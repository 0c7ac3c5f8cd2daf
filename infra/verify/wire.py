"""What the scripts of this folder share: requests as they stand on the wire, and one line for each assumption.

Only the standard library is used, so that they run anywhere.
"""

import argparse
import http.client
import json
import secrets
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The problem's code; empty where the answer is none."""
        try:
            return str(json.loads(self.body)["type"]).rpartition(":")[2]
        except (ValueError, KeyError, TypeError):
            return ""


class Backend:
    """One deployed backend, for one caller: `base` is what its paths begin with (`/proxy`)."""

    def __init__(self, url: str, token: str, base: str) -> None:
        self._url = url.rstrip("/")
        self._base = base
        self.credential = {"Authorization": f"Bearer {token}"}

    def send(self, name: str, *, method: str = "PUT", body: bytes = b"verify", **headers: str) -> Answer:
        """Send one upload; `name` stands in the path as it is, header names have underscores for hyphens."""
        sent = {"Content-Type": "text/plain", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.ask(method, f"{self._base}/{name}", body, {**self.credential, **sent})

    def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send anything to where the backend is."""
        return ask(method, self._url + path, body, headers)

    def promised(self, name: str, length: int) -> int:
        """The status that comes for a PUT of this length whose body waits to be asked for (RFC 9110, Expect)."""
        parts = urlsplit(self._url)
        lines = [f"PUT {parts.path}{self._base}/{name} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {length}"]
        lines += [*(f"{name}: {value}" for name, value in self.credential.items()), "Expect: 100-continue"]
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=SECONDS) as plain:
            stream = plain
            if parts.scheme == "https":
                stream = ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname)
            stream.sendall(("\r\n".join([*lines, "Content-Type: text/plain", "", ""])).encode("ascii"))
            return int(stream.recv(65_536).split(b" ", 2)[1])


def ask(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send one request; the path and the query of the URL go out as they are."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=SECONDS)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=body, headers=dict(headers))
        response = connection.getresponse()
        found = {header.lower(): value for header, value in response.getheaders()}
        return Answer(status=response.status, headers=found, body=response.read())
    finally:
        connection.close()


def fresh(rest: str = "a.txt") -> str:
    """A name that nobody used before."""
    return f"verify/{secrets.token_hex(8)}/{rest}"


def run(checks: Mapping[str, Callable[[Backend], bool]], base: str, description: str) -> int:
    """Tick off the assumptions that the command line asks for; the number of those that do not hold."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="where it is, stage included")
    parser.add_argument("--token-file", required=True, type=Path, help="a token of a tenant that may overwrite")
    parser.add_argument("--id", choices=checks, action="append", help="only this one; may be repeated")
    options = parser.parse_args()
    backend = Backend(options.url, options.token_file.read_text(encoding="ascii").strip(), base)
    failed = 0
    for name in options.id or checks:
        try:
            verdict = "holds" if checks[name](backend) else "DOES NOT HOLD"
        except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
            verdict = f"DOES NOT HOLD ({type(error).__name__})"
        failed += verdict != "holds"
        print(f"{name:>4} {verdict}: {(checks[name].__doc__ or '').splitlines()[0]}")
    return failed

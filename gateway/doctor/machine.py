"""The files and the port of this machine: whether they are there, private, whole, and free."""

import os
import socket
import ssl
import stat
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from gateway.doctor.findings import Finding, fail, ok, warn
from gateway.doctor.subject import PrivateFile
from gateway.server.tls import TlsFiles
from gateway.storage.upstream import Upstream, UpstreamError

_RENEW_DAYS: Final = 14


def private_file(file: PrivateFile) -> Finding:
    """Whether the file is there, of its size, and its owner's alone."""
    check, path = f"file-{file.path.name}", file.path
    try:
        status = path.stat()
        readable = os.access(path, os.R_OK)
    except OSError as error:
        says = f"{file.what}: {path} can't be read: {os.strerror(error.errno or 0)}."
        return fail(check, says, "Put it back from a backup, or name the right file.")
    if not readable:
        return fail(check, f"{file.what}: {path} can't be read by this user.", f"chown it to {os.getuid()}.")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        says = f"{file.what}: {path} can be read by others on this machine; its mode is {status.st_mode & 0o777:04o}."
        return fail(check, says, f"chmod 600 {path}, and replace what others may have read.")
    if file.size is not None and status.st_size != file.size:
        says = f"{file.what}: {path} has {status.st_size} bytes instead of {file.size}."
        return fail(check, says, "Put it back from a backup; with another key the ids of unfinished uploads are lost.")
    return ok(check, f"{file.what}: there, and its owner's alone.")


def tls(files: TlsFiles, now: float) -> Finding:
    """Whether certificate and key belong together, and for how long the certificate is good."""
    check = "tls"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)
        leaf = x509.load_pem_x509_certificates(files.certificate.read_bytes())[0]
    except (OSError, ValueError) as error:
        says = f"The certificate {files.certificate} and the key {files.key} can't be used: {error}."
        return fail(check, says, "Name a PEM chain, leaf first, and its own key, both readable by this user.")
    days = (leaf.not_valid_after_utc - datetime.fromtimestamp(now, UTC)).days
    if days < 0:
        return fail(check, f"The certificate ended on {leaf.not_valid_after_utc:%Y-%m-%d}.", "Renew it.")
    if days < _RENEW_DAYS:
        return warn(check, f"The certificate ends in {days} days.", "Renew it.")
    return ok(check, f"The certificate is good for {days} more days, and the key is its own.")


async def listening(host: str, port: int, upstream: Upstream, *, secure: bool = False) -> Finding:
    """Whether the gateway answers on its port, or could listen there; behind TLS nobody is asked."""
    check, address = "port", f"{host}:{port}"
    if secure and not _is_free(host, port):
        return ok(check, f"Something listens at {address}; behind TLS it was not asked what.")
    try:
        answer = await upstream.ask("GET", f"http://{address}/readyz", (), most=65_536)
    except UpstreamError:
        if _is_free(host, port):
            return ok(check, f"The gateway is not running, and {address} is free for it.")
        remedy = "Stop what listens there, or choose another port."
        return fail(check, f"Something that is not the gateway has {address}.", remedy)
    if answer.status == 200 and b'"ready"' in answer.body:
        return ok(check, f"The gateway is ready at {address}.")
    if answer.status == 503 and b'"checks"' in answer.body:
        return fail(
            check, f"The gateway at {address} is not ready: {answer.body.decode(errors='replace')}", "See above."
        )
    return fail(check, f"Something that is not the gateway answers at {address}.", "Stop it, or choose another port.")


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def files(private: Sequence[PrivateFile], tls_files: TlsFiles | None, clock: Callable[[], float]) -> list[Finding]:
    """All that can be said of files."""
    found = [private_file(file) for file in private]
    if tls_files is not None:
        found.append(tls(tls_files, clock()))
    return found

"""`upload-gateway doctor` on a real demo: what is well, what is broken on purpose, and what is mended."""

import asyncio
import base64
import json
import re
import signal
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.cors import Cors
from gateway.doctor import examine, machine
from gateway.doctor.findings import Finding, Status, as_json, as_text, exit_status, fail, ok, warn
from gateway.doctor.subject import Subject
from gateway.local.examined import demo_subject
from gateway.server.tls import TlsFiles
from gateway.storage import lifecycle
from gateway.storage.bucket import BucketSettings
from gateway.storage.calls import S3Calls
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials, Signer
from gateway.storage.upstream import Answer, Timeouts, Upstream

COMMAND = Path(sys.executable).parent / "upload-gateway"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "doctor.md"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a demo that runs, with one page elsewhere."""
    folder = tmp_path_factory.mktemp("doctor") / "data"
    command = [str(COMMAND), "demo", "--port", "0", "--data", str(folder), "--origin", "https://app.example"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("curl "):
                break
        yield folder
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


@pytest.fixture
def subject(data: Path) -> Subject:
    return demo_subject(data)


def doctor(*arguments: str | Path) -> tuple[int, str]:
    """The command's exit status and what it printed."""
    done = subprocess.run([COMMAND, "doctor", *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout or done.stderr


def findings(subject: Subject, *, fix: bool = False, clock: Callable[[], float] = time.time) -> dict[str, Finding]:
    """What is found, by check."""
    return {found.check: found for found in asyncio.run(examine(subject, fix=fix, clock=clock))}


def bad(found: dict[str, Finding]) -> dict[str, Status]:
    """What is not well."""
    return {check: finding.status for check, finding in found.items() if finding.status is not Status.OK}


def settings(subject: Subject, work: Callable[[BucketSettings, S3Calls], Any]) -> Any:
    """What comes of some work on the bucket's settings, as the operator."""

    async def run() -> Any:
        async with Upstream(timeouts=Timeouts()) as upstream:
            calls = S3Calls(upstream=upstream, endpoint=subject.endpoint, signer=subject.operator, clock=time.time)
            return await work(BucketSettings(calls), calls)

    return asyncio.run(run())


def keys(subject: Subject) -> bytes:
    """The listing of the bucket's objects and unfinished uploads."""

    async def listing(_: BucketSettings, calls: S3Calls) -> bytes:
        answers: list[Answer] = [await calls.ask("GET", None, ((name, "2"),)) for name in ("list-type", "uploads")]
        return b"".join(re.sub(rb"<RequestId>.*?</RequestId>", b"", answer.body) for answer in answers)

    listed: bytes = settings(subject, listing)
    return listed


def test_a_demo_that_runs_is_well_and_left_as_it_was(data: Path, subject: Subject) -> None:
    """Every check has its sentence, the exit status is 0, and S3 has nothing more than before."""
    before = keys(subject)

    status, said = doctor("--data", data, "--json")

    told = json.loads(said)
    assert (status, told["status"]) == (0, "ok"), said
    assert {found["status"] for found in told["findings"]} == {"ok"}
    assert keys(subject) == before
    secrets = json.loads((data / "s3-keys.json").read_text())
    assert not any(keypair["secret_key"] in said for keypair in secrets.values())


def test_every_check_is_on_its_page(subject: Subject) -> None:
    """The page for people names what the command prints."""
    page = PAGE.read_text()
    for check in findings(subject):
        named = re.sub(r"^(setting|file)-.*", r"\1-…", check)
        assert f"`{named}`" in page, check


def test_lost_cors_rules_are_found_and_written_again(data: Path, subject: Subject) -> None:
    """Without rules no page can upload: a failure that --fix mends."""
    settings(subject, lambda _, calls: calls.ask("DELETE", None, (("cors", ""),)))

    broken, said = doctor("--data", data)
    mended, _ = doctor("--data", data, "--fix")
    after, _ = doctor("--data", data)

    assert (broken, mended, after) == (2, 0, 0)
    assert "Pages of http://127.0.0.1" in said
    assert "Run this again with --fix." in said


def test_an_origin_that_nobody_configured_is_a_warning(subject: Subject) -> None:
    """Rules that were written by hand are seen, and replaced only where that is asked for."""
    wider = replace(subject, cors=Cors.of([*subject.cors.origins, "https://other.example"]))
    assert bad(findings(wider)) == {"bucket-cors": Status.FAIL}
    assert bad(findings(wider, fix=True)) == {}
    assert bad(findings(subject)) == {"bucket-cors": Status.WARN}
    assert bad(findings(subject, fix=True)) == {}


def test_a_lost_lifecycle_rule_is_a_warning(subject: Subject) -> None:
    """S3's own broom is missed, though the gateway sweeps."""
    settings(subject, lambda _, calls: calls.ask("DELETE", None, (("lifecycle", ""),)))

    assert bad(findings(subject)) == {"bucket-abandoned-parts": Status.WARN}
    assert bad(findings(subject, fix=True)) == {}
    assert bad(findings(subject)) == {}


@pytest.mark.parametrize(
    ("who", "plays", "says"),
    [
        ("signer", "operator", r"may read objects, list objects, delete objects, .* which nobody needs"),
        (
            "signer",
            "completer",
            r"The signer may read objects, list objects, list parts and abort uploads, which nobody",
        ),
        ("completer", "signer", r"The completer may not abort uploads, .*, which it must"),
        ("completer", "operator", r"may delete objects and see the bucket's settings, which nobody needs"),
        ("operator", "signer", r"The operator may not see the bucket's settings, which it must"),
    ],
)
def test_an_identity_does_its_own_work_only(subject: Subject, who: str, plays: str, says: str) -> None:
    """Identities that were mixed up are found, whether they can do too little or too much."""
    changed: Any = {who: getattr(subject, plays)}

    found = findings(replace(subject, **changed))[f"rights-{who}"]

    assert found.status is Status.FAIL
    assert re.search(says, found.says), found.says


def test_a_wrong_secret_is_told_from_a_missing_right(subject: Subject) -> None:
    """The signature is what S3 does not take."""
    forged = Signer(Credentials(subject.signer.credentials.access_key, "wrong"), "us-east-1")

    found = findings(replace(subject, signer=forged))["rights-signer"]

    assert found.says == "S3 does not take the signer's credential (SignatureDoesNotMatch)."


@pytest.mark.parametrize(("off", "expected"), [(0, None), (8, Status.WARN), (1_000, Status.FAIL)])
def test_a_clock_that_is_off_is_told(subject: Subject, off: float, expected: Status | None) -> None:
    """Seconds matter to tokens, a quarter of an hour to S3."""
    assert bad(findings(subject, clock=lambda: time.time() + off)).get("storage-clock") == expected


def test_an_s3_that_does_not_answer_is_told_once(subject: Subject) -> None:
    """Nothing else about it is looked at."""
    gone = replace(subject, endpoint=Endpoint.at("http://127.0.0.1:9", "demo-objects"))

    assert bad(findings(gone)) == {"storage-reachable": Status.FAIL}


def test_without_an_operator_the_bucket_is_unseen(subject: Subject) -> None:
    """The rest is looked at."""
    assert bad(findings(replace(subject, operator=None))) == {"bucket": Status.WARN}


def test_a_secret_that_others_may_read_is_a_failure(data: Path, subject: Subject) -> None:
    """A sealing key of mode 0644, or of another length, is not what it was."""
    path = data / "sealing.key"
    kept = path.read_bytes()
    try:
        path.chmod(0o644)
        open_to_others = findings(subject)["file-sealing.key"]
        path.chmod(0o600)
        path.write_bytes(kept[:-1])
        short = findings(subject)["file-sealing.key"]
    finally:
        path.write_bytes(kept)

    assert (open_to_others.status, short.status) == (Status.FAIL, Status.FAIL)
    assert "chmod 600" in (open_to_others.remedy or "")
    assert "31 bytes instead of 32" in short.says


def test_a_wrong_document_is_named_with_its_pointer(data: Path, subject: Subject) -> None:
    """The tenant is refused until it is mended."""
    path = data / "tenants" / "wrong.json"
    path.write_text('{"version": 1, "tenant": "wrong", "statuss": "active"}')
    try:
        found = findings(subject)["tenants-folder"]
    finally:
        path.unlink()

    assert found.status is Status.FAIL
    assert "wrong.json#/statuss" in found.says


def test_an_issuer_without_keys_is_named(data: Path, subject: Subject) -> None:
    """Tokens of a tenant's own issuer are refused while nobody can have its keys."""
    path = data / "tenants" / "far.json"
    issuer = {"issuer": "http://127.0.0.1:9/far", "kind": "oidc", "audience": ["a"]}
    path.write_text(json.dumps({"version": 1, "tenant": "far", "issuers": [issuer]}))
    try:
        found = [each for each in asyncio.run(examine(subject, fix=False)) if each.check == "issuer-keys"]
    finally:
        path.unlink()

    assert [each.status for each in found] == [Status.OK, Status.OK, Status.FAIL]
    assert "http://127.0.0.1:9/far" in found[-1].says


def test_a_port_is_the_gateways_or_free_or_anothers(subject: Subject) -> None:
    """Who answers on it is told apart."""
    s3 = int(subject.endpoint.origin.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]

    assert "is ready" in findings(subject)["port"].says
    assert "is free" in findings(replace(subject, listens=("127.0.0.1", free)))["port"].says
    assert bad(findings(replace(subject, listens=("127.0.0.1", s3)))) == {"port": Status.FAIL}


def test_where_there_is_no_demo_there_is_a_sentence(tmp_path: Path) -> None:
    """Nothing is made there."""
    status, said = doctor("--data", tmp_path)

    assert status == 2
    assert said.startswith("upload-gateway: There is no demo in")
    assert list(tmp_path.iterdir()) == []


def settings_of(data: Path, place: Path, **changes: str) -> Path:
    """Settings of `serve` on the demo's S3 and issuer, in a private file."""
    demo = json.loads((data / "demo.json").read_text())
    keys = json.loads((data / "s3-keys.json").read_text())
    identities = "".join(
        f"[s3.{who}]\naccess_key = {json.dumps(pair['access_key'])}\nsecret_key = {json.dumps(pair['secret_key'])}\n"
        for who, pair in keys.items()
        if who in {"signer", "completer", "operator"}
    )
    said = {
        "bucket": demo["bucket"],
        "origins": json.dumps(json.loads((data / "origins.json").read_text())["origins"]),
        "key": base64.b64encode(bytes(range(32))).decode(),
        **changes,
    }
    config = place / "gateway.toml"
    config.write_text(
        f"""
[listen]
port = 1
[s3]
bucket = "{said["bucket"]}"
region = "{demo["region"]}"
endpoint = "{demo["s3_endpoint"]}"
{identities}
[store]
kind = "sqlite"
path = "{place / "gateway.sqlite"}"
[tenants]
allow_private_issuers = true
[sealing]
keys = ["{said["key"]}"]
[cors]
origins = {said["origins"]}
[[issuers]]
issuer = "{demo["issuer"]}"
jwks_uri = "{demo["jwks_uri"]}"
audience = ["{demo["audience"]}"]
tenant_claim = "{demo["tenant_claim"]}"
"""
    )
    config.chmod(0o600)
    return config


def test_settings_are_examined_as_a_demo_is(data: Path, tmp_path: Path) -> None:
    """What was set is read back without its secrets; a file that others may read is a failure."""
    config = settings_of(data, tmp_path)
    status, said = doctor("--config", config, "--json")
    told = {found["check"]: found for found in json.loads(said)["findings"]}

    assert {check for check, found in told.items() if found["status"] != "ok"} <= {"port"}, said
    assert told["setting-s3.bucket"]["says"] == "demo-objects"
    assert told["rights-operator"]["status"] == "ok"
    assert not any(pair["secret_key"] in said for pair in json.loads((data / "s3-keys.json").read_text()).values())
    config.chmod(0o644)
    status, said = doctor("--config", config)
    assert status == 2
    assert "file-gateway.toml" in said


def test_settings_that_are_wrong_are_said(data: Path, tmp_path: Path) -> None:
    """By their place, and nothing is examined."""
    status, said = doctor("--config", settings_of(data, tmp_path, key="short"))

    assert status == 2
    assert "sealing.keys" in said


# What needs no demo.


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], 0),
        ([ok("a", "b")], 0),
        ([ok("a", "b"), warn("c", "d", "e")], 1),
        ([warn("c", "d", "e"), fail("f", "g", "h"), ok("a", "b")], 2),
    ],
)
def test_the_exit_status_is_the_worst_finding(found: Sequence[Finding], expected: int) -> None:
    """0, 1 or 2; and both renderings hold every sentence."""
    assert exit_status(found) == expected
    for finding in found:
        for text in filter(None, (finding.check, finding.says, finding.remedy)):
            assert text in as_text(found)
            assert text in as_json(found)


def pem_files(folder: Path, *, days: float) -> TlsFiles:
    """A certificate that signs itself and ends in so many days, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway.example")])
    certificate = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    files = TlsFiles(certificate=folder / "chain.pem", key=folder / "key.pem")
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files.key.write_bytes(key.private_bytes(*form))
    return files


@pytest.mark.parametrize(
    ("days", "expected"), [(90, Status.OK), (13, Status.WARN), (-1, Status.FAIL), (14.5, Status.OK)]
)
def test_a_certificate_is_renewed_in_time(tmp_path: Path, days: float, expected: Status) -> None:
    """A fortnight before its end it is a warning."""
    assert machine.tls(pem_files(tmp_path, days=days), time.time()).status is expected


def test_a_key_of_another_certificate_is_found(tmp_path: Path) -> None:
    """A pair that does not belong together serves nobody."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (pem_files(tmp_path / name, days=90) for name in ("one", "two"))

    assert machine.tls(replace(one, key=two.key), time.time()).status is Status.FAIL
    assert machine.tls(replace(one, key=tmp_path / "none"), time.time()).status is Status.FAIL


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("<Status>Enabled</Status><Prefix></Prefix>{days}", 8),
        ("<Status>Enabled</Status><Filter/>{days}", 8),
        ("<Status>Enabled</Status>{days}", 8),
        ("<Status>Disabled</Status>{days}", None),
        ("<Status>Enabled</Status><Filter><Prefix>acme/</Prefix></Filter>{days}", None),
        ("<Status>Enabled</Status><Filter><Tag><Key>a</Key></Tag></Filter>{days}", None),
        ("<Status>Enabled</Status><Filter><And><Prefix>a</Prefix></And></Filter>{days}", None),
        ("<Status>Enabled</Status><Expiration><Days>1</Days></Expiration>", None),
    ],
)
def test_only_a_rule_for_the_whole_bucket_counts(rule: str, expected: int | None) -> None:
    """A rule that is off, narrowed or about something else ends no abandoned upload."""
    days = (
        "<AbortIncompleteMultipartUpload><DaysAfterInitiation>8</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
    )
    said = f"<LifecycleConfiguration><Rule>{rule.format(days=days)}</Rule></LifecycleConfiguration>"

    assert lifecycle.abandoned_after(ET.fromstring(said)) == expected
    assert lifecycle.abandoned_after(ET.fromstring(lifecycle.RULE)) == lifecycle.ABANDONED_AFTER_DAYS

"""Settings: two sources, one frozen value, or every fault with its place and without its value."""

import base64
import json
import re
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.policy.model import IssuerRule
from gateway.server.http1 import HttpLimits
from gateway.settings import Settings, SettingsError, read
from gateway.settings.http import http_limits
from gateway.settings.reading import PREFIX
from gateway.settings.reference import page
from gateway.storage.endpoint import Addressing

ROOT = Path(__file__).parents[2]
KEY = base64.b64encode(bytes(range(32))).decode()
OLD_KEY = base64.b64encode(bytes(32)).decode()

LEAST = f"""
[s3]
bucket = "uploads"
region = "eu-central-1"
signer = {{access_key = "signer", secret_key = "signer-secret"}}
completer = {{profile = "completer"}}
[store]
kind = "sqlite"
path = "gateway.sqlite"
[sealing]
keys = ["{KEY}"]
"""


def settings(tmp_path: Path, text: str = LEAST, **environment: str) -> Settings:
    """What a file of this text and variables of these names (without the prefix) make."""
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    return read(file, {PREFIX + name: value for name, value in environment.items()})


def faults(tmp_path: Path, text: str = LEAST, **environment: str) -> dict[str, str]:
    """What is wrong, by its place."""
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, text, **environment)
    return {fault.place: fault.detail for fault in caught.value.faults}


def test_what_must_be_said_is_enough(tmp_path: Path) -> None:
    """A bucket, who signs, a store and a sealing key; everything else has a default that is safe."""
    found = settings(tmp_path)

    assert (found.listen.host, found.listen.port, found.workers) == ("127.0.0.1", 8080, 1)
    assert found.s3.place().url_for("a") == "https://uploads.s3.eu-central-1.amazonaws.com/a"
    assert found.sealing.ring() == (bytes(range(32)),)
    assert not found.tenants.allow_private_issuers
    assert not any((found.listen.trusted_proxies, found.cors.origins, found.issuers, found.operators))
    assert asdict(http_limits(found.http)) == asdict(HttpLimits())


@pytest.mark.parametrize(
    ("name", "text", "place", "value"),
    [
        ("WORKERS", "3", ("workers",), 3),
        ("LISTEN__PORT", "0", ("listen", "port"), 0),
        ("LISTEN__HOST", "0.0.0.0", ("listen", "host"), "0.0.0.0"),
        ("LISTEN__TRUSTED_PROXIES", "10.0.0.0/8, unix", ("listen", "trusted_proxies"), ("10.0.0.0/8", "unix")),
        ("CORS__ORIGINS", '["https://a.example"]', ("cors", "origins"), ("https://a.example",)),
        ("TENANTS__ALLOW_PRIVATE_ISSUERS", "true", ("tenants", "allow_private_issuers"), True),
        ("TENANTS__POLICY_LIFETIME", "0", ("tenants", "policy_lifetime"), 0.0),
        ("S3__ADDRESSING", "path", ("s3", "addressing"), Addressing.PATH),
        ("S3__COMPLETER__PROFILE", "1234", ("s3", "completer", "profile"), "1234"),
        ("STORE__PATH", "/elsewhere", ("store", "path"), Path("/elsewhere")),
        ("HTTP__BODY_MIN_RATE", "2048", ("http", "body_min_rate"), 2048.0),
        ("DRAIN__GRACE", "1.5", ("drain", "grace"), 1.5),
    ],
)
def test_the_environment_wins_and_has_the_members_own_types(
    tmp_path: Path, name: str, text: str, place: tuple[str, ...], value: object
) -> None:
    """Text becomes what the member is, and nothing that only looks like a number becomes one."""
    found: Any = settings(tmp_path, **{name: text})
    for part in place:
        found = getattr(found, part)

    assert found == value


def test_a_gateway_can_be_configured_by_the_environment_alone() -> None:
    """Containers have no file; tables that there may be several of are JSON."""
    issuer = {"issuer": "https://idp.example", "audience": ["gateway"], "tenant_claim": "tenant"}
    said = {
        "S3__BUCKET": "uploads",
        "S3__REGION": "eu-central-1",
        "S3__SIGNER__PROFILE": "signer",
        "S3__COMPLETER__PROFILE": "completer",
        "STORE__KIND": "dynamodb",
        "STORE__TABLE": "gateway",
        "STORE__REGION": "eu-central-1",
        "SEALING__KEYS": f"{KEY},{OLD_KEY}",
        "ISSUERS": json.dumps([issuer]),
    }

    found = read(None, {PREFIX + name: value for name, value in said.items()})

    assert found.store.kind == "dynamodb"
    assert found.sealing.ring() == (bytes(range(32)), bytes(32))
    assert [each.rule() for each in found.issuers] == [
        IssuerRule(issuer="https://idp.example", audience=("gateway",), tenant_claim="tenant")
    ]


def test_every_fault_is_said_at_once_with_its_place(tmp_path: Path) -> None:
    """One start tells all that is wrong, in the file and in the environment."""
    text = LEAST.replace('kind = "sqlite"', 'kind = "redis"') + "[http]\nkeep_alive = -1\nnone = 1\n[colour]\n"

    found = faults(tmp_path, "workers = '2'\n" + text, LISTEN__PORT="http", NOTHING="1")

    assert set(found) == {
        *("workers", "store", "http.keep_alive", "http.none", "colour"),
        *(f"{PREFIX}LISTEN__PORT", f"{PREFIX}NOTHING"),
    }


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("[store]", "[store"), None),
        (('bucket = "uploads"', 'bucket = "Uploads"'), "s3"),
        (('region = "eu-central-1"', 'region = "nowhere"'), "s3"),
        (('region = "eu-central-1"', 'region = "eu-central-1"\nendpoint = "https://a/b?c"'), "s3.endpoint"),
        (('access_key = "signer", ', ""), "s3.signer"),
        (('{profile = "completer"}', '{profile = "p", access_key = "a", secret_key = "s"}'), "s3.completer"),
        (('{profile = "completer"}', '{session_token = "s"}'), "s3.completer"),
        (('{profile = "completer"}', '{access_key = "signer", secret_key = "s"}'), "s3"),
        ((KEY, KEY[:-4]), "sealing.keys[0]"),
        ((f'["{KEY}"]', "[]"), "sealing"),
        (("[s3]", '[tls]\ncertificate = "c"\n[s3]'), "tls.key"),
        (("[s3]", '[listen]\ntrusted_proxies = ["10.0.0.1/8"]\n[s3]'), "listen.trusted_proxies[0]"),
        (("[s3]", '[cors]\norigins = ["*"]\n[s3]'), "cors.origins[0]"),
        (("[s3]", "[tokens]\nleeway = 61\n[s3]"), "tokens.leeway"),
        (("[s3]", "[drain]\ngrace = inf\n[s3]"), "drain.grace"),
        (("[s3]", '[[issuers]]\nissuer = "https://a.example"\naudience = ["a"]\n[s3]'), "issuers[0].tenant_claim"),
        (("[s3]", '[[operators]]\nissuer = "https://a.example"\n[s3]'), "operators[0]"),
        (("[s3]", '[[operators]]\nissuer = "http://10.0.0.1"\naudience = ["a"]\n[s3]'), "operators[0]"),
        (("[s3]", '[[operators]]\nissuer = "https://a.b"\naudience = ["a"]\ntenant_claim = "t"\n[s3]'),
         "operators[0].tenant_claim"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused_at_its_place(tmp_path: Path, change: tuple[str, str], place: str | None) -> None:
    """The gateway does not start on a guess."""
    found = faults(tmp_path, LEAST.replace(*change))

    assert set(found) == {str(tmp_path / "gateway.toml") if place is None else place}


def test_private_issuers_are_believed_where_the_operator_says_so(tmp_path: Path) -> None:
    """As with tenants' own issuers, and for the same switch."""
    issuer = '[[operators]]\nissuer = "http://127.0.0.1:1/o"\naudience = ["a"]\n'

    found = settings(tmp_path, LEAST + issuer, TENANTS__ALLOW_PRIVATE_ISSUERS="true")

    assert found.operators[0].rule().issuer == "http://127.0.0.1:1/o"


def test_a_value_can_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    """As containers and systemd hand over secrets; one that can't be read is a fault at its place."""
    (tmp_path / "key").write_text(KEY + "\n")
    text = LEAST.replace(f'"{KEY}"', f'{{file = "{tmp_path}/key"}}, {{file = "{tmp_path}/none"}}')

    assert "sealing.keys[1]" in faults(tmp_path, text)
    assert settings(tmp_path, text.replace(f', {{file = "{tmp_path}/none"}}', "")).sealing.ring() == (bytes(range(32)),)


def test_no_secret_is_shown(tmp_path: Path) -> None:
    """Neither by a value that is printed nor by a fault about it."""
    text = LEAST.replace("signer-secret", "hush-hush").replace(KEY, "not-base64-hush-hush")

    shown = (
        f"{settings(tmp_path)!r} {settings(tmp_path)} {faults(tmp_path, text, S3__COMPLETER__SECRET_KEY='hush-hush')}"
    )

    assert "hush" not in shown
    assert KEY not in shown


def test_settings_do_not_change(tmp_path: Path) -> None:
    """What was checked at the start is what holds."""
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings(tmp_path), "workers", 2)  # noqa: B010 - mypy knows that it can't be assigned


def test_the_reference_is_the_models(tmp_path: Path) -> None:
    """Remake it with `python -m gateway.settings.reference > docs/reference/settings.md`."""
    assert (ROOT / "docs/reference/settings.md").read_text() == page()


HOW_TO = (ROOT / "docs/how-to/run-in-production.md").read_text()


@pytest.mark.parametrize("shown", re.findall(r"^```toml\n(.*?)^```", HOW_TO, flags=re.DOTALL | re.MULTILINE))
def test_what_the_how_to_shows_is_taken(tmp_path: Path, shown: str) -> None:
    """Each table of it in place of the least that must be said; the files that it names are not looked at here."""
    (tmp_path / "secret").write_text("hush")
    merged = tomllib.loads(LEAST)
    for name, table in tomllib.loads(re.sub(r'file = "[^"]*"', f'file = "{tmp_path}/secret"', shown)).items():
        merged[name] = {**merged.get(name, {}), **table} if name != "store" else table
    variables = {f"{PREFIX}{name.upper()}__{member.upper()}": value if isinstance(value, str) else json.dumps(value)
                 for name, table in merged.items() for member, value in table.items()}  # fmt: skip

    assert merged
    assert isinstance(read(None, variables), Settings)


def test_nothing_else_reads_the_environment() -> None:
    """But commands and functions, where they are entered, which hand it on."""
    reading = re.compile(r"os\.environ|os\.getenv|\benviron\b")
    entered = {
        "presigner/lambda_handler.py",
        "edge_auth/lambda_function.py",
        "gateway/proxy/lambda_handler.py",
        "gateway/functions/usage_plans_handler.py",
        "gateway/server/admin/lambda_handler.py",
        *(f"gateway/upkeep/{name}.py" for name in ("sweeper", "reconciler", "publisher")),
    }
    found = {
        path.relative_to(ROOT).as_posix()
        for room in ("gateway", "presigner", "edge_auth")
        for path in (ROOT / room).rglob("*.py")
        if reading.search(path.read_text())
    }

    assert {path for path in found if not path.startswith("gateway/cli/")} <= entered


def test_examples_of_toml_are_toml() -> None:
    """Of the text above, so that a typing error here is not taken for a refusal."""
    assert set(tomllib.loads(LEAST)) == {"s3", "store", "sealing"}

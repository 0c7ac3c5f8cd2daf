"""Sealed ids: what they say comes back, they are short enough, and only their owner opens them in time."""

import secrets
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.allowance import Caller
from gateway.policy.model import Policy, Principal, TenantId
from gateway.policy.problems import Refusal
from presigner.access import NOT_FOUND, opened, permitted
from presigner.sealing import Sealer
from presigner.upload import LONGEST_ID, Strategy, Upload, owner_of, packed

SEALER = Sealer([b"1" * 32], secrets.token_bytes)
UPLOAD = Upload(
    id="019aafc0e3d2" + "f" * 20,
    strategy=Strategy.MULTIPART,
    tenant="acme",
    owner=owner_of("https://issuer", "ann"),
    key="acme/a/b.txt",
    name="a/b.txt",
    least=53_687_091_200_000,
    size=53_687_091_200_000,
    part_size=5_368_709_120,
    upload_id="x" * 128,
    algorithm="crc64nvme",
    checksum="AAAAAAAAAAA=",
    create_only=True,
    look="+" + "x" * 22,
    created=1_795_000_000,
    ends=1_795_086_400,
)
SEALED = UPLOAD.sealed(SEALER)
NOW = 1_795_000_001.0

TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=300)


def caller(
    tenant: str = "acme",
    subject: str = "ann",
    *,
    issuer: str = "https://issuer",
    prefix: str | None = None,
    **policy: Any,
) -> Caller:
    """Someone who may upload."""
    principal = Principal(
        tenant=tenant,
        issuer=issuer,
        subject=subject,
        scopes=frozenset({"files:write"}),
        name_prefix=prefix,
    )
    return Caller(principal=principal, policy=replace(Policy(tenant=TenantId(tenant)), **policy), request_id="r")


@given(name=TEXT, uuid=st.booleans())
def test_what_was_sealed_comes_back(name: str, *, uuid: bool) -> None:
    """Whatever the name is, and wherever it stands in the key."""
    upload = replace(UPLOAD, name=name, key="acme/only-a-uuid" if uuid else f"acme/{name}/tail")

    assert Upload.opened(upload.sealed(SEALER), SEALER) == upload


def test_the_longest_id_is_short_enough() -> None:
    """A key of 1,024 bytes, a tenant of 63 characters, an id of S3's of 200."""
    tenant = "t" * 63
    upload = replace(
        UPLOAD, tenant=tenant, key=f"{tenant}/" + "n" * 960, name="n" * 960, upload_id="x" * 200, checksum="A" * 12
    )

    assert len(upload.key) == 1024
    assert len(upload.sealed(SEALER)) <= LONGEST_ID


def test_an_id_of_another_format_is_none() -> None:
    """Sealed by an earlier version, or for another purpose."""
    old = SEALER.seal(b'{"v":1}', purpose="upload")
    other = SEALER.seal(packed(UPLOAD), purpose="ticket")

    assert [Upload.opened(text, SEALER) for text in (old, other, "", "x", "é" * 50)] == [None] * 5


@given(at=st.integers(0, len(SEALED) - 1), letter=st.sampled_from("ABab01-_"))
def test_no_changed_id_is_an_upload(at: int, letter: str) -> None:
    """One character is enough."""
    changed = SEALED[:at] + letter + SEALED[at + 1 :]

    assert changed == SEALED or Upload.opened(changed, SEALER) is None


@pytest.mark.parametrize(
    ("who", "now", "found"),
    [
        (caller(), NOW, True),
        (caller(subject="bob"), NOW, True),
        (caller(subject="bob", owner="subject"), NOW, False),
        (caller(owner="subject"), NOW, True),
        (caller(issuer="https://another"), NOW, True),
        (caller(issuer="https://another", owner="subject"), NOW, False),
        (caller("globex"), NOW, False),
        (caller(prefix="a/"), NOW, True),
        (caller(prefix="b/"), NOW, False),
        (caller(), UPLOAD.ends - 0.1, True),
        (caller(), UPLOAD.ends, False),
    ],
)
def test_only_the_owner_finds_an_upload_and_only_in_time(who: Caller, now: float, *, found: bool) -> None:
    """Everyone else is told the same."""
    assert opened(SEALED, who, SEALER, now) == (UPLOAD if found else NOT_FOUND)


def test_a_rotated_key_still_opens() -> None:
    """The new key seals, the old one opens what it sealed."""
    ring = Sealer([b"2" * 32, b"1" * 32], secrets.token_bytes)

    assert Upload.opened(SEALED, ring) == UPLOAD
    assert Upload.opened(UPLOAD.sealed(ring), SEALER) is None


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ({"status": "suspended"}, "tenant-suspended"),
        ({"scopes": ("other",)}, "scope-missing"),
        ({"backends": ()}, "backend-not-allowed"),
        ({}, None),
    ],
)
def test_the_rules_about_the_caller_hold_for_a_begun_upload(policy: dict[str, Any], code: str | None) -> None:
    """A tenant that is suspended goes on with nothing."""
    refusal = permitted(caller(**policy))

    assert (refusal.code if isinstance(refusal, Refusal) else None) == code

"""Credentials that renew themselves: from botocore's own providers to what is signed."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.credentials import RefreshableCredentials

from gateway.storage.provider import CredentialsError, _plain, keep_renewed, sdk_provider
from gateway.storage.sigv4 import Credentials, Signer

NOW = 1_800_000_000.0


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An AWS configuration of this test alone."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def test_a_profile_is_found(configuration: Path) -> None:
    """Static keys of a profile last."""
    (configuration / "credentials").write_text("[signer]\naws_access_key_id = a\naws_secret_access_key = s\n")

    assert sdk_provider("signer")() == Credentials("a", "s", None, None)


def test_a_process_gives_temporary_credentials_with_their_end(configuration: Path) -> None:
    """As a role, a container or an instance does; no URL may outlive them."""
    said = '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t",'
    said += ' "Expiration": "2099-01-01T00:00:00Z"}'
    (configuration / "said").write_text(said)
    (configuration / "config").write_text(f"[profile role]\ncredential_process = cat {configuration}/said\n")

    found = sdk_provider("role")()

    assert found == Credentials("a", "s", "t", datetime(2099, 1, 1, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("profile", [None, "nobody"])
def test_no_credentials_are_an_error_with_a_sentence(configuration: Path, profile: str | None) -> None:
    """An empty chain and a profile that is not there."""
    with pytest.raises(CredentialsError):
        sdk_provider(profile)()


def test_what_is_about_to_expire_is_renewed_when_it_is_asked_for() -> None:
    """That botocore keeps the end where we look for it is shown here."""
    end = datetime.now(UTC) + timedelta(hours=1)
    renewed = {"access_key": "b", "secret_key": "s", "token": "t", "expiry_time": end.isoformat()}
    old = RefreshableCredentials(
        "a", "s", "t", datetime.now(UTC) + timedelta(minutes=1), refresh_using=lambda: renewed, method="test"
    )

    assert _plain(old) == Credentials("b", "s", "t", end.timestamp())


def test_signers_get_new_credentials_and_keep_the_old_where_there_are_none() -> None:
    """A source that fails for a while takes nothing away."""
    answers: Iterator[Credentials | None] = iter([None, Credentials("new", "s", "t", NOW)])
    signer = Signer(Credentials("old", "s"), "eu-central-1")
    seen: list[str] = []

    def provider() -> Credentials:
        seen.append(signer.credentials.access_key)
        answer = next(answers)
        if answer is None:
            raise CredentialsError("no")
        return answer

    async def until_renewed() -> None:
        renewing = asyncio.ensure_future(keep_renewed({signer: provider}, every=0))
        while signer.credentials.access_key == "old":  # noqa: ASYNC110 - a thread of its own renews
            await asyncio.sleep(0)
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)

    asyncio.run(until_renewed())

    assert seen[:2] == ["old", "old"]
    assert "Credential=new%2F" in signer.presign("PUT", "https://b", "/k", expires=9, now=NOW)
    assert "X-Amz-Security-Token=t" in signer.presign("PUT", "https://b", "/k", expires=9, now=NOW)


def test_a_renewed_signer_signs_as_a_new_one_does() -> None:
    """In the same second, for headers, URLs and forms."""
    fresh = Credentials("new", "other", "t")
    renewed, new = Signer(Credentials("old", "s"), "r-1"), Signer(fresh, "r-1")
    renewed.presign("PUT", "https://b", "/k", expires=9, now=NOW)

    renewed.renew(fresh)

    for each in (renewed, new):
        assert each.presign("PUT", "https://b", "/k", expires=9, now=NOW) == new.presign(
            "PUT", "https://b", "/k", expires=9, now=NOW
        )
        assert each.sign_headers("PUT", "b", "/k", now=NOW) == new.sign_headers("PUT", "b", "/k", now=NOW)
        assert each.sign_post_policy([], expiration=NOW + 9, now=NOW) == new.sign_post_policy(
            [], expiration=NOW + 9, now=NOW
        )

"""Who signs on Lambda: roles that are assumed again in time, and URLs that never outlive them."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.functions.credentials import DURATION, LEAST_LIFE, Renewed, assumed_role
from gateway.functions.storage import Identity
from gateway.functions.trail import LogTrail
from gateway.storage.provider import CredentialsError
from gateway.storage.sigv4 import Credentials

ROLE = "arn:aws:iam::1:role/signer"


class Sts:
    """An STS that counts, on a clock of its own; it fails while `down`."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.calls = 0
        self.down = False

    def assume_role(self, **asked: Any) -> dict[str, Any]:
        assert (asked["RoleArn"], asked["DurationSeconds"]) == (ROLE, DURATION)
        if self.down:
            raise RuntimeError("a secret cause")
        self.calls += 1
        expires = datetime.fromtimestamp(self.now + DURATION, UTC)
        said = {"AccessKeyId": f"key-{self.calls}", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": expires}
        return {"Credentials": said}


@pytest.fixture
def sts() -> Sts:
    return Sts()


def test_a_role_is_assumed_again_while_it_still_covers_a_url(sts: Sts) -> None:
    """Not at every event, and not too late; its end is what AWS says."""
    provider = assumed_role(ROLE, "eu-central-1", clock=lambda: sts.now, client=lambda _region: sts)

    first = provider()
    assert (first.access_key, first.session_token, first.expires_at) == ("key-1", "t", sts.now + DURATION)
    sts.now += DURATION - LEAST_LIFE
    assert provider() is first
    sts.now += 1
    assert provider().access_key == "key-2"


def test_a_role_that_can_not_be_assumed_is_an_error_without_its_cause(sts: Sts) -> None:
    """The class is told, for the operator; the words of an SDK may hold anything."""
    sts.down = True

    with pytest.raises(CredentialsError, match=r"role/signer can't be assumed: RuntimeError$"):
        assumed_role(ROLE, "eu-central-1", clock=lambda: sts.now, client=lambda _region: sts)()


def test_old_credentials_serve_to_their_end(
    sts: Sts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While no new ones are to be had, URLs get shorter and then there are none."""
    monkeypatch.setattr("gateway.functions.credentials._client", lambda _region: sts)
    renewed = Renewed(lambda: sts.now)
    signer = renewed.signer(Identity(role=ROLE), "eu-central-1")
    sts.now += DURATION - 600
    sts.down = True
    renewed.renew()

    assert signer.credentials.access_key == "key-1"
    assert signer.credentials.lifetime(900, sts.now) == 600
    assert "not renewed" in caplog.text
    sts.down = False
    renewed.renew()
    assert signer.credentials.lifetime(900, sts.now) == 900


def test_the_functions_own_role_signs_for_a_quarter_of_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment does not say when it ends, so no URL is to live longer by it."""
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "s"), ("SESSION_TOKEN", "t")):
        monkeypatch.setenv(f"AWS_{name}", value)
    signer = Renewed(lambda: 1_000.0).signer(Identity(), "eu-central-1")

    assert signer.credentials == Credentials("a", "s", "t", 1_000.0 + LEAST_LIFE)
    assert signer.credentials.lifetime(3600, 1_000.0) == 900


def test_who_is_unknown_is_counted_on_the_log() -> None:
    """A line with the problem's code, and nothing else."""
    out = io.StringIO()
    LogTrail(out).count("token-missing")

    assert out.getvalue() == '{"action": "call", "outcome": "refused", "rule": "token-missing"}\n'

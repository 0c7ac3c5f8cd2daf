"""A presigned URL and the credentials that sign it."""

import asyncio

import pytest

from gateway.asgi.body import Body
from gateway.policy.decide import decide
from gateway.policy.grant import Grant
from gateway.policy.model import Backend, Carriage, Intent, Minted, Policy, Principal, TenantId
from gateway.policy.problems import Code, Refusal
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials, Signer
from presigner.redirect import Presigner

NOW = 1_795_000_000.0


def grant() -> Grant:
    """A grant for five bytes that may be sent for 900 seconds."""
    outcome = decide(
        Principal(tenant="acme", issuer="https://issuer", subject="s", scopes=frozenset({"files:write"})),
        Policy(tenant=TenantId("acme"), types={"text/plain": ()}, overwrite=True),
        Intent(
            carriage=Carriage(backend=Backend.PRESIGNED, adds_headers=False),
            name="a.txt",
            size=5,
            content_type="text/plain",
            checksum=None,
            create_only=False,
            metadata=(),
            object_headers=(),
            minted=Minted(at=NOW, uuid="u"),
        ),
    )
    assert isinstance(outcome, Grant)
    return outcome


def presigner(expires_at: float | None) -> Presigner:
    credentials = Credentials("AK", "SK", "token" if expires_at else None, expires_at)
    return Presigner(
        endpoint=Endpoint.at("http://localhost:1", "bucket"), signer=Signer(credentials, "us-east-1"), clock=lambda: NOW
    )


@pytest.mark.parametrize(("left", "lifetime"), [(None, 900), (10_000, 900), (300, 300), (1, 1)])
def test_a_url_never_outlives_its_credentials(left: float | None, lifetime: int) -> None:
    """The lifetime is the policy's, or what the credentials have left."""
    signed = presigner(None if left is None else NOW + left).url(grant())

    assert not isinstance(signed, Refusal)
    assert f"X-Amz-Expires={lifetime}&" in signed[0]
    assert signed[1] == NOW + lifetime


@pytest.mark.parametrize("left", [0.9, 0, -5])
def test_credentials_that_have_run_out_sign_nothing(left: float) -> None:
    """There is no URL that could not work; the client is told to try again."""

    async def no_body() -> tuple[bytes, bool]:
        return b"", False

    outcome = asyncio.run(presigner(NOW + left).redirect(grant(), Body(no_body)))

    assert isinstance(outcome, Refusal)
    assert outcome.code is Code.STORAGE_UNAVAILABLE

"""Who signs in a Lambda function: roles that it assumes, with the end that AWS says and a URL can be held to.

A role assumed from a role lasts an hour at most ("Role chaining", IAM User Guide), so that is what is asked for, and it
is asked for again while what is left still covers a URL of a quarter of an hour.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

from gateway.functions.sdk import sdk_session
from gateway.functions.storage import Identity
from gateway.storage.provider import CredentialsError, Provider, sdk_provider
from gateway.storage.sigv4 import Credentials, Signer

_LOG: Final = logging.getLogger(__name__)

DURATION: Final = 3600
"""Seconds."""

LEAST_LIFE: Final = 900.0
"""Seconds that must be left: the default life of a URL."""

_SESSION: Final = "upload-gateway"


def assumed_role(
    role: str, region: str, *, clock: Callable[[], float], client: Callable[[str], Any] | None = None
) -> Provider:
    """A provider of the role's credentials; `client` makes an STS client for a Region."""
    held: list[Credentials] = []
    make = client or _client

    def provide() -> Credentials:
        if not held or (held[-1].expires_at or 0.0) - clock() < LEAST_LIFE:
            held[:] = [_assumed(make(region), role)]
        return held[-1]

    return provide


def _client(region: str) -> Any:
    return sdk_session().client("sts", region_name=region)


def _assumed(client: Any, role: str) -> Credentials:
    try:
        found = client.assume_role(RoleArn=role, RoleSessionName=_SESSION, DurationSeconds=DURATION)["Credentials"]
    except Exception as error:
        raise CredentialsError(f"the role {role} can't be assumed: {type(error).__name__}") from error
    return Credentials(
        found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], found["Expiration"].timestamp()
    )


class Renewed:
    """Signers whose credentials are looked after before each event: there is no time beside events on Lambda."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: list[tuple[Signer, Provider]] = []

    def signer(self, identity: Identity, region: str) -> Signer:
        """A signer for this identity, renewed from now on where its credentials end."""
        if identity.credentials is not None:
            return Signer(identity.credentials, region)
        provider = self._own() if identity.role is None else assumed_role(identity.role, region, clock=self._clock)
        signer = Signer(provider(), region)
        self._kept.append((signer, provider))
        return signer

    def renew(self) -> None:
        """Give each signer what its provider has now; where it has nothing, the old ones serve to their end."""
        for signer, provider in self._kept:
            try:
                fresh = provider()
            except CredentialsError as error:
                _LOG.warning("credentials are not renewed: %s", error)
                continue
            if fresh != signer.credentials:
                signer.renew(fresh)

    def _own(self) -> Provider:
        """The function's own role. Its environment does not say when that ends, so no URL is to live long by it."""
        found = sdk_provider()

        def provide() -> Credentials:
            own = found()
            ends = self._clock() + LEAST_LIFE if own.expires_at is None else own.expires_at
            return Credentials(own.access_key, own.secret_key, own.session_token, ends)

        return provide

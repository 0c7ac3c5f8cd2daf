"""Credentials from where the AWS SDK finds them, and signers that get new ones before the old ones die.

The chain (environment, profiles with their roles, containers, instances) is botocore's, which is imported when it is
first used. It renews temporary credentials from a quarter of an hour before they expire, whenever it is asked; so
asking it every minute is all there is to do here (botocore, `RefreshableCredentials`).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.storage.sigv4 import Credentials, Signer

_LOG: Final = logging.getLogger(__name__)

EVERY: Final = 60.0
"""Seconds between two looks for new credentials."""

Provider = Callable[[], Credentials]
"""The credentials to sign with now; it may wait for a network, and raises `CredentialsError`."""


class CredentialsError(OSError):
    """There are no credentials to be had."""


def sdk_provider(profile: str | None = None) -> Provider:
    """What the AWS SDK finds, in a profile of its configuration or wherever its chain looks."""
    found: list[Any] = []

    def provide() -> Credentials:
        try:
            if not found:
                found.append(_found(profile))
            return _plain(found[0])
        except CredentialsError:
            raise
        except Exception as error:  # the SDK's providers raise whatever their sources do
            raise CredentialsError(f"no credentials from {_named(profile)}: {type(error).__name__}") from error

    return provide


def _found(profile: str | None) -> Any:
    """Botocore's credentials object, which renews itself."""
    import botocore.session  # noqa: PLC0415 - slow to import, and static keys do without it

    credentials = botocore.session.Session(profile=profile).get_credentials()
    if credentials is None:
        raise CredentialsError(f"{_named(profile)} has no credentials")
    return credentials


def _named(profile: str | None) -> str:
    return "the AWS SDK's chain" if profile is None else f"the profile {profile}"


def _plain(found: Any) -> Credentials:
    """What to sign with now; reading it renews what is about to expire."""
    frozen = found.get_frozen_credentials()
    # The one place where botocore keeps it; those that last have none.
    expiry = getattr(found, "_expiry_time", None)
    return Credentials(
        frozen.access_key, frozen.secret_key, frozen.token, None if expiry is None else expiry.timestamp()
    )


async def keep_renewed(signers: Mapping[Signer, Provider], *, every: float = EVERY) -> None:
    """Give the signers new credentials for ever; where there are none to be had, the old ones serve to their end."""
    while True:
        await asyncio.sleep(every)
        for signer, provider in signers.items():
            try:
                fresh = await asyncio.to_thread(provider)
            except CredentialsError as error:
                _LOG.warning("credentials are not renewed: %s", error)
                continue
            if fresh != signer.credentials:
                signer.renew(fresh)

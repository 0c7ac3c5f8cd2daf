"""Credentials of a role that the function assumes, with the end that AWS says: what a URL can be held to.

A role assumed from a role lasts an hour at most ("Role chaining", IAM User Guide), so that is what is asked for, and it
is asked for again while what is left still covers a URL of a quarter of an hour.
"""

from collections.abc import Callable
from typing import Any, Final

from gateway.storage.provider import CredentialsError, Provider
from gateway.storage.sigv4 import Credentials

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
    import boto3  # noqa: PLC0415 - slow to import

    return boto3.session.Session().client("sts", region_name=region)


def _assumed(client: Any, role: str) -> Credentials:
    try:
        found = client.assume_role(RoleArn=role, RoleSessionName=_SESSION, DurationSeconds=DURATION)["Credentials"]
    except Exception as error:
        raise CredentialsError(f"the role {role} can't be assumed: {type(error).__name__}") from error
    return Credentials(
        found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], found["Expiration"].timestamp()
    )

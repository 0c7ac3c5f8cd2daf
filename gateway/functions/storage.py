"""What functions that speak to S3 are told: where the bucket is, and by which identity."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.functions.settings import Reading
from gateway.storage.endpoint import Addressing, Endpoint
from gateway.storage.sigv4 import Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who signs: a role to assume, or static keys, or with neither the function's own role."""

    role: str | None = None
    credentials: Credentials | None = None


NOBODY: Final = Identity(credentials=Credentials("nobody", "nothing"))
"""Whom a rehearsal signs for."""

NOBODYS: Final = MappingProxyType({"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"})
"""The same for clients of AWS's SDK."""


def read_endpoint(reading: Reading, region: str) -> Endpoint:
    """The uploads' bucket; what is wrong is remembered by `reading`."""
    bucket, url = reading.text("S3__BUCKET"), reading.optional("S3__ENDPOINT")
    default = Addressing.VIRTUAL if url is None else Addressing.PATH
    addressing = reading.parsed("S3__ADDRESSING", Addressing, default)
    try:
        if url is None:
            return Endpoint.aws(bucket, region, addressing=addressing)
        return Endpoint.at(url, bucket, addressing=addressing)
    except ValueError as error:
        reading.fault("S3__BUCKET", f"can't be used: {error}")
        return Endpoint.at("http://localhost", "none")


def read_identity(reading: Reading, name: str) -> Identity:
    """One of S3's identities by its name in the environment, `SIGNER` or `COMPLETER`."""
    role = reading.optional(f"S3__{name}__ROLE")
    access, secret = reading.optional(f"S3__{name}__ACCESS_KEY"), reading.optional(f"S3__{name}__SECRET_KEY")
    if (access is None) != (secret is None):
        reading.fault(f"S3__{name}__ACCESS_KEY", "goes together with its SECRET_KEY")
    if access is None or secret is None:
        return Identity(role=role)
    return Identity(role=role, credentials=Credentials(access, secret))

"""Whose keys and where they are: a name for a key set, with no way to it.

Apart from `discovery`, which goes there, so that whoever is handed keys carries no network.
"""

from dataclasses import dataclass

from gateway.identity.errors import ParameterValidationError


@dataclass(frozen=True, slots=True)
class JwksSource:
    """Whose keys, and where they are; `uri` None is to be discovered. Keys are never shared between two of these."""

    issuer: str | None
    uri: str | None = None

    def __hash__(self) -> int:
        """The address alone: it tells sources apart well enough, and this runs once a token."""
        return hash(self.uri or self.issuer)

    def __post_init__(self) -> None:
        if self.issuer is None and self.uri is None:
            raise ParameterValidationError("jwks_uri must be provided for issuer None")


def well_known_jwks_uri(issuer: str) -> str:
    """Where Amazon Cognito and many others keep their keys, without asking."""
    return f"{issuer.rstrip('/')}/.well-known/jwks.json"

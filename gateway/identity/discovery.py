"""Where an issuer's keys are: given, or found through OpenID Connect Discovery 1.0.

The document's `issuer` must be exactly the one that was asked (section 4.3), so that a host which answers for
another can't hand out keys in its name.
"""

from collections.abc import Callable

from gateway.identity.encoding import parse_json
from gateway.identity.errors import NonRetryableFetchError, ParameterValidationError
from gateway.identity.fetch import Fetcher
from gateway.identity.keyset import KeySet, parse_jwks_text
from gateway.identity.source import JwksSource


def discovery_uri(issuer: str) -> str:
    """OpenID Connect Discovery 1.0 section 4.1: the path is appended to the issuer's."""
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"


def load(fetcher: Fetcher, source: JwksSource, deadline: float, clock: Callable[[], float]) -> KeySet:
    """The source's keys, fetched within `deadline` seconds, discovery included; raises this room's errors."""
    return parse_jwks_text(load_text(fetcher, source, deadline, clock))


def load_text(fetcher: Fetcher, source: JwksSource, deadline: float, clock: Callable[[], float]) -> bytes:
    """The source's key set as its issuer spells it; as `load`."""
    uri = source.uri
    if uri is None and source.issuer is not None:
        started = clock()
        uri = discover_jwks_uri(fetcher, source.issuer, deadline)
        deadline = max(deadline - abs(clock() - started), 0.1)
    if uri is None:
        raise ParameterValidationError("jwks_uri must be provided for issuer None")
    return fetcher.fetch(uri, deadline)


def discover_jwks_uri(fetcher: Fetcher, issuer: str, deadline: float) -> str:
    """The `jwks_uri` that the issuer's own configuration names; raises `FetchError`."""
    uri = discovery_uri(issuer)
    try:
        document = parse_json(fetcher.fetch(uri, deadline))
    except (ValueError, RecursionError):
        raise NonRetryableFetchError(uri, "it is not valid JSON") from None
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise NonRetryableFetchError(uri, "its issuer is not the one that was asked")
    found = document.get("jwks_uri")
    if not isinstance(found, str):
        raise NonRetryableFetchError(uri, "it names no jwks_uri")
    return found

"""The one credential of a request, found in its headers; nothing is verified here.

`Authorization: Bearer` takes a JWT or an API key (RFC 6750 section 2.1), `x-api-key` an API key. Two credentials in one
request are refused, whichever they are: which one was meant can't be known, and a front and a backend may choose
differently.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gateway.identity.refusals import invalid_token, missing_token
from gateway.policy.problems import Code, Fault, Refusal

API_KEY_PREFIX: Final = "ugk_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A JWT or an API key as it came; its value is never shown.

    `api_key_header` says that it came in `x-api-key`, which a redirecting backend must refuse.
    """

    value: str = field(repr=False)
    is_api_key: bool
    api_key_header: bool = False


def credential(headers: Iterable[tuple[str, str]]) -> Credential | Refusal:
    """The credential in these header pairs, names in any case, or why there is none to go by."""
    authorization: list[str] = []
    api_key: list[str] = []
    for name, value in headers:
        lowered = name.lower()
        if lowered == "authorization":
            authorization.append(value.strip(" \t"))
        elif lowered == "x-api-key":
            api_key.append(value.strip(" \t"))
    if len(authorization) + len(api_key) > 1:
        return _more_than_one(authorization, api_key)
    if authorization and authorization[0]:
        return _bearer(authorization[0])
    if api_key and api_key[0]:
        return _api_key(api_key[0])
    return missing_token("Send a token as `Authorization: Bearer`, or an API key")


def _more_than_one(authorization: list[str], api_key: list[str]) -> Refusal:
    header = "authorization" if len(authorization) > 1 or not api_key else "x-api-key"
    detail = "Exactly one credential may be sent, in one header"
    return Refusal(code=Code.REQUEST_INVALID, detail=detail, errors=(Fault(f"/headers/{header}", detail),))


def _bearer(value: str) -> Credential | Refusal:
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer":
        return missing_token("Only the Bearer scheme is accepted")
    token = token.lstrip(" ")
    if not token:
        return invalid_token("The Bearer credential is empty")
    return Credential(value=token, is_api_key=token.startswith(API_KEY_PREFIX))


def _api_key(value: str) -> Credential | Refusal:
    if not value.startswith(API_KEY_PREFIX):
        return invalid_token("x-api-key takes an API key, and this is none")
    return Credential(value=value, is_api_key=True, api_key_header=True)

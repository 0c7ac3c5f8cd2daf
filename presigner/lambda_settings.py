"""What the presigner's Lambda function is told: its environment, read once into one frozen value.

The names are those that `upload-gateway serve` reads from its environment, as far as both have them. Everything that is
wrong is said at once, by the variable's name and never with its value.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.cors import Cors
from gateway.policy.document import parse_issuer
from gateway.policy.model import IssuerRule
from gateway.storage.endpoint import Addressing, Endpoint
from gateway.storage.sigv4 import Credentials
from presigner.sealing import KEY_BYTES

PREFIX: Final = "UPLOAD_GATEWAY_"


class LambdaSettingsError(Exception):
    """The environment can't be used; the message says everything that is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who signs: a role to assume, or static keys, or with neither the function's own role."""

    role: str | None = None
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaSettings:
    """The settings of one function.

    Attributes:
        endpoint, region: where the bucket is.
        signer, completer: who may put objects and parts, and who completes uploads.
        table, table_endpoint: the DynamoDB table of the stores; `table_endpoint` None where it is AWS's.
        sealing_keys: 32 bytes each, newest first; empty where they are in the parameter.
        sealing_parameter: the SSM parameter (SecureString) that holds the keys as the variable would.
        issuers: the operator's, each with a tenant claim.
        cors: whose pages may call.
        base_path: what a custom domain puts before every path.
        policy_lifetime: seconds that a policy is believed.
        allow_private_issuers: whether issuers may be on private addresses, in a VPC.
    """

    endpoint: Endpoint
    region: str
    signer: Identity
    completer: Identity
    table: str
    table_endpoint: str | None
    sealing_keys: tuple[bytes, ...] = field(repr=False)
    sealing_parameter: str | None
    issuers: tuple[IssuerRule, ...]
    cors: Cors
    base_path: str
    policy_lifetime: float
    allow_private_issuers: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "LambdaSettings":
        """The settings; raises LambdaSettingsError."""
        reading = _Reading(environment)
        region = reading.text("S3__REGION", environment.get("AWS_REGION"))
        private = reading.parsed("TENANTS__ALLOW_PRIVATE_ISSUERS", _boolean, False)
        parameter = reading.optional("SEALING__PARAMETER")
        keys = reading.parsed("SEALING__KEYS", sealing_keys, ())
        if not keys and parameter is None:
            reading.fault("SEALING__KEYS", "is required, or SEALING__PARAMETER in its place")
        settings = cls(
            endpoint=reading.endpoint(region),
            region=region,
            signer=reading.identity("SIGNER"),
            completer=reading.identity("COMPLETER"),
            table=reading.text("STORE__TABLE"),
            table_endpoint=reading.optional("STORE__ENDPOINT"),
            sealing_keys=keys,
            sealing_parameter=parameter,
            issuers=reading.parsed("ISSUERS", lambda text: _issuers(text, allow_private=private), ()),
            cors=reading.parsed("CORS__ORIGINS", lambda text: Cors.of(_listed(text)), Cors()),
            base_path=reading.parsed("BASE_PATH", _base_path, ""),
            policy_lifetime=reading.parsed("TENANTS__POLICY_LIFETIME", _seconds, 30.0),
            allow_private_issuers=private,
        )
        reading.demand_none()
        return settings


class _Reading:
    """Reads variables and remembers what is wrong."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._faults: list[str] = []

    def fault(self, name: str, detail: str) -> None:
        self._faults.append(f"{PREFIX}{name} {detail}")

    def demand_none(self) -> None:
        if self._faults:
            raise LambdaSettingsError("The environment is not valid: " + "; ".join(self._faults) + ".")

    def optional(self, name: str) -> str | None:
        return self._environment.get(PREFIX + name) or None

    def text(self, name: str, otherwise: str | None = None) -> str:
        found = self.optional(name) or otherwise
        if not found:
            self.fault(name, "is required")
        return found or ""

    def parsed(self, name: str, read: Callable[[str], Any], otherwise: Any) -> Any:
        """The variable as `read` understands it; a ValueError's text is the fault."""
        text = self.optional(name)
        if text is None:
            return otherwise
        try:
            return read(text)
        except ValueError as error:
            self.fault(name, f"can't be used: {error}")
            return otherwise

    def endpoint(self, region: str) -> Endpoint:
        bucket, url = self.text("S3__BUCKET"), self.optional("S3__ENDPOINT")
        default = Addressing.VIRTUAL if url is None else Addressing.PATH
        addressing = self.parsed("S3__ADDRESSING", Addressing, default)
        try:
            if url is None:
                return Endpoint.aws(bucket, region, addressing=addressing)
            return Endpoint.at(url, bucket, addressing=addressing)
        except ValueError as error:
            self.fault("S3__BUCKET", f"can't be used: {error}")
            return Endpoint.at("http://localhost", "none")

    def identity(self, name: str) -> Identity:
        role = self.optional(f"S3__{name}__ROLE")
        access, secret = self.optional(f"S3__{name}__ACCESS_KEY"), self.optional(f"S3__{name}__SECRET_KEY")
        if (access is None) != (secret is None):
            self.fault(f"S3__{name}__ACCESS_KEY", "goes together with its SECRET_KEY")
        if access is None or secret is None:
            return Identity(role=role)
        return Identity(role=role, credentials=Credentials(access, secret))


def sealing_keys(text: str) -> tuple[bytes, ...]:
    """Keys in base64 with commas between them; raises ValueError without a word of them."""
    try:
        keys = tuple(base64.b64decode(key, validate=True) for key in _listed(text))
    except (binascii.Error, ValueError):
        keys = ()
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise ValueError(f"keys are {KEY_BYTES} random bytes each, in base64, with commas between them") from None
    return keys


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("it is true or false")
    return text == "true"


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        raise ValueError("it is 0 to 3600 seconds")
    return seconds


def _base_path(text: str) -> str:
    if not text.startswith("/") or text.endswith("/"):
        raise ValueError("it begins with a slash and ends in none")
    return text


def _issuers(text: str, *, allow_private: bool) -> tuple[IssuerRule, ...]:
    listed = json.loads(text)
    if not isinstance(listed, list):
        raise ValueError("it is a JSON array of issuers")  # noqa: TRY004 - what a setting's reader raises
    rules = []
    for at, entry in enumerate(listed):
        rule = parse_issuer(entry, allow_private_issuers=allow_private)
        if not isinstance(rule, IssuerRule):
            raise ValueError("; ".join(f"/{at}{fault.pointer} {fault.detail}" for fault in rule))  # noqa: TRY004 - same
        if rule.tenant_claim is None:
            raise ValueError(f"/{at}/tenant_claim is required of an issuer that all tenants share")
        rules.append(rule)
    return tuple(rules)

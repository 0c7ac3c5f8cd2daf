"""What every Lambda function of ours is told: its environment, read once into frozen values.

The names are those that `upload-gateway serve` reads from its environment, as far as both have them. Everything that is
wrong is said at once, by the variable's name and never with its value.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.cors import Cors
from gateway.policy.document import parse_issuer
from gateway.policy.model import IssuerRule

PREFIX: Final = "UPLOAD_GATEWAY_"


class LambdaSettingsError(Exception):
    """The environment can't be used; the message says everything that is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionSettings:
    """What it takes to admit requests.

    Attributes:
        region: where the table is.
        table, table_endpoint: the DynamoDB table of the stores; `table_endpoint` None where it is AWS's.
        issuers: the operator's, each with a tenant claim.
        cors: whose pages may call.
        policy_lifetime: seconds that a policy is believed.
        allow_private_issuers: whether issuers may be on private addresses, in a VPC.
    """

    region: str
    table: str
    table_endpoint: str | None
    issuers: tuple[IssuerRule, ...]
    cors: Cors
    policy_lifetime: float
    allow_private_issuers: bool

    @classmethod
    def read(cls, reading: "Reading") -> "AdmissionSettings":
        """The settings, as far as the environment has them; what is wrong is remembered by `reading`."""
        private = reading.parsed("TENANTS__ALLOW_PRIVATE_ISSUERS", boolean, False)
        return cls(
            region=reading.text("S3__REGION", reading.environment.get("AWS_REGION")),
            table=reading.text("STORE__TABLE"),
            table_endpoint=reading.optional("STORE__ENDPOINT"),
            issuers=reading.parsed("ISSUERS", lambda text: issuers(text, allow_private=private, shared=True), ()),
            cors=reading.parsed("CORS__ORIGINS", lambda text: Cors.of(listed(text)), Cors()),
            policy_lifetime=reading.parsed("TENANTS__POLICY_LIFETIME", _seconds, 30.0),
            allow_private_issuers=private,
        )


class Reading:
    """Reads variables and remembers what is wrong."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self._faults: list[str] = []

    def fault(self, name: str, detail: str) -> None:
        """Remember what is wrong with a variable."""
        self._faults.append(f"{PREFIX}{name} {detail}")

    def demand_none(self) -> None:
        """Raise LambdaSettingsError with everything that is wrong."""
        if self._faults:
            raise LambdaSettingsError("The environment is not valid: " + "; ".join(self._faults) + ".")

    def optional(self, name: str) -> str | None:
        """The variable; None where it is not set or empty."""
        return self.environment.get(PREFIX + name) or None

    def text(self, name: str, otherwise: str | None = None) -> str:
        """The variable or what stands in for it; neither is a fault."""
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


def listed(text: str) -> list[str]:
    """What stands between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def boolean(text: str) -> bool:
    """`true` or `false`; raises ValueError."""
    if text not in {"true", "false"}:
        raise ValueError("it is true or false")
    return text == "true"


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        raise ValueError("it is 0 to 3600 seconds")
    return seconds


def base_path(text: str) -> str:
    """A path that stands before others; raises ValueError for one that does not begin with a slash or ends in one."""
    if not text.startswith("/") or text.endswith("/"):
        raise ValueError("it begins with a slash and ends in none")
    return text


def issuers(text: str, *, allow_private: bool, shared: bool) -> tuple[IssuerRule, ...]:
    """The issuers in a JSON array; `shared` ones must have a tenant claim. Raises ValueError."""
    listed = json.loads(text)
    if not isinstance(listed, list):
        raise ValueError("it is a JSON array of issuers")  # noqa: TRY004 - what a setting's reader raises
    rules = []
    for at, entry in enumerate(listed):
        rule = parse_issuer(entry, allow_private_issuers=allow_private)
        if not isinstance(rule, IssuerRule):
            raise ValueError("; ".join(f"/{at}{fault.pointer} {fault.detail}" for fault in rule))  # noqa: TRY004 - same
        if shared and rule.tenant_claim is None:
            raise ValueError(f"/{at}/tenant_claim is required of an issuer that all tenants share")
        rules.append(rule)
    return tuple(rules)

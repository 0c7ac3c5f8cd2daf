"""The operator's own issuers, as the settings name them; what is right for a tenant's issuer is right for these."""

from typing import Any, Self

from pydantic import Field, ValidationInfo, model_validator

from gateway.policy.document import parse_issuer
from gateway.policy.model import IssuerRule
from gateway.settings.base import Table

PRIVATE = "allow_private_issuers"
"""The member of the validation's context that says whether issuers may be at private addresses."""


class Issuer(Table):
    """An issuer of tokens."""

    issuer: str = Field(description="Exactly what its tokens say in `iss`.")
    kind: str = Field(default="oidc", description="`oidc`, or `cognito` for an Amazon Cognito user pool.")
    audience: tuple[str, ...] = Field(default=(), description="Accepted values of `aud`.")
    client_ids: tuple[str, ...] = Field(default=(), description="Accepted app clients, for `cognito`.")
    token_use: tuple[str, ...] = Field(
        default=("access",), description="Accepted values of `token_use`: `access`, `id`."
    )
    jwks_uri: str | None = Field(default=None, description="Where its keys are, if not where discovery says.")
    subject_claim: str = Field(default="sub", description="The claim that tells who it is.")
    scope_claim: str = Field(default="scope", description="The claim that holds the scopes.")

    @model_validator(mode="after")
    def _believable(self, info: ValidationInfo) -> Self:
        """Hold it against the rules of a tenant document's issuers (`gateway.policy.document`)."""
        allowed = bool((info.context or {}).get(PRIVATE))
        parsed = parse_issuer(self.model_dump(mode="json", exclude_unset=True), allow_private_issuers=allowed)
        faults = parsed if isinstance(parsed, tuple) else ()
        if faults:
            raise ValueError("; ".join(f"{fault.pointer.removeprefix('/')}: {fault.detail}" for fault in faults))
        return self

    def rule(self) -> IssuerRule:
        """The issuer as it is believed."""
        members: dict[str, Any] = self.model_dump()
        return IssuerRule(**members)


class SharedIssuer(Issuer):
    """An issuer that speaks for all tenants: a claim of its tokens says for which."""

    tenant_claim: str = Field(min_length=1, description="The claim whose value is exactly a tenant's id.")


class OperatorIssuer(Issuer):
    """An issuer of the people who use the admin API; a token needs the scope `tenants:admin`."""

"""The roles of the templates as they would be deployed, and whether one may do something."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.infra.deployed import Deployed
from tests.infra.iam import ACCOUNT, Call, allowed, listed
from tests.infra.templates import of_type, template

DISTRIBUTION = "arn:aws:cloudfront::111122223333:distribution/E1EXAMPLE"
READER = "arn:aws:iam::111122223333:role/reader"
KEY = "arn:aws:kms:eu-central-1:111122223333:key/k"
REGIONAL = Deployed(
    template("regional"),
    EdgeDistributionArn=DISTRIBUTION,
    CreateOnly="false",
    DataRoles=READER,
    KmsKeyArn=KEY,
    UsagePlans="true",
)
DOCUMENTS = "arn:aws:s3:::documents"
EDGE_PARAMETER = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/edge"
EDGE = Deployed(
    template("edge"),
    DocumentsBuckets=DOCUMENTS,
    DocumentsObjects=f"{DOCUMENTS}/*",
    SettingsParameterArn=EDGE_PARAMETER,
)
BUCKET, TABLE = "arn:aws:s3:::UploadBucket", f"arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/Table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role of a template, by its logical id."""

    name: str
    of: Deployed

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:iam::{ACCOUNT}:role/{self.name}"

    def statements(self) -> list[dict[str, Any]]:
        """All that its policies say."""
        return self.of.statements(self.name)

    def trust(self) -> list[dict[str, Any]]:
        """Who may assume it."""
        found: list[dict[str, Any]] = self.of.fill(
            self.of.template["Resources"][self.name]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        )
        return found

    def resource(self, named: str) -> str:
        """The ARN of what a recorded call names."""
        if self.of is EDGE:
            return {"object": f"{DOCUMENTS}/root", "bucket": DOCUMENTS}.get(named, EDGE_PARAMETER)
        kind, _, name = named.partition(" ")
        return {
            "object": f"{BUCKET}/acme/a/b.txt",
            "bucket": BUCKET,
            "table": TABLE,
            "index": f"{TABLE}/index/{name}",
            "apigateway": f"arn:aws:apigateway:eu-central-1::{name.replace('*', 'id')}",
            "function": "UsagePlansFunction.Arn",
        }.get(kind) or (
            f"arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter{named}"
            if named.startswith("/")
            else f"arn:aws:iam::{ACCOUNT}:role/{named}"
        )


ROLES: Mapping[str, Role] = {
    **{
        name: Role(name=name, of=REGIONAL)
        for name in (
            *("AuthorizerRole", "CompleterRole", "PresignerRole", "ProxyRole", "SignerRole"),
            *("UsagePlansRole", "UsagePlansScheduleRole"),
        )
    },
    "EdgeRole": Role(name="EdgeRole", of=EDGE),
}


def roles_of_the_templates() -> set[str]:
    """The logical ids of those that code of ours runs by."""
    return {name for each in ("regional", "edge") for name in of_type(template(each), "AWS::IAM::Role")}


def actions_of(role: Role) -> set[str]:
    """Every action that a role's policies allow."""
    return {action for statement in role.statements() for action in listed(statement["Action"])}


def may(role: Role, action: str, resource: str, context: Mapping[str, str] | None = None) -> bool:
    """Whether a role may; `resource` is an ARN, or what a recorded call names."""
    arn = resource if resource.startswith("arn:") else role.resource(resource)
    keys = {"s3:signatureAge": "0", "s3:signatureversion": "AWS4-HMAC-SHA256", **(context or {})}
    guarded = REGIONAL.bucket_policy() if arn.startswith(BUCKET) else []
    return allowed(Call(who=role.arn, action=action, resource=arn, context=keys), role.statements(), guarded)

"""A template as it would be deployed: parameters, conditions and intrinsic functions filled in, resources as ARNs."""

import re
from typing import Any

from tests.infra.iam import ACCOUNT, PARTITION, REGION

PSEUDO = {
    "AWS::Partition": PARTITION,
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "stage",
}
_ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::IAM::Role": "arn:aws:iam::111122223333:role/{}",
    "AWS::Logs::LogGroup": "arn:aws:logs:eu-central-1:111122223333:log-group:{}:*",
    "AWS::KMS::Key": "arn:aws:kms:eu-central-1:111122223333:key/{}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:eu-central-1:111122223333:table/{}",
}
_NOTHING = object()


class Deployed:
    """A template with parameters; what is left out has its default."""

    def __init__(self, template: dict[str, Any], **parameters: Any) -> None:
        self.template = template
        self._values = {name: rule.get("Default", name) for name, rule in template["Parameters"].items()}
        self._values = {
            name: value.split(",") if template["Parameters"][name]["Type"] == "CommaDelimitedList" else value
            for name, value in (self._values | parameters).items()
        }

    def statements(self, role: str) -> list[dict[str, Any]]:
        """Everything that a role's own policies say."""
        resources = self.template["Resources"]
        properties = self.fill(resources[role]["Properties"])
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        documents += [
            self.fill(resources[name]["Properties"]["PolicyDocument"])
            for name in properties.get("ManagedPolicyArns", [])
        ]
        documents += [
            self.fill(resource["Properties"])["PolicyDocument"]
            for resource in resources.values()
            if resource["Type"] == "AWS::IAM::RolePolicy" and resource["Properties"]["RoleName"] == {"Ref": role}
        ]
        return [statement for document in documents for statement in document["Statement"]]

    def bucket_policy(self) -> list[dict[str, Any]]:
        """The bucket's statements."""
        found: list[dict[str, Any]] = self.fill(
            self.template["Resources"]["UploadBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        )
        return found

    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources that there are, filled in."""
        return {
            name: self.fill(resource)
            for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self.holds({"Condition": resource["Condition"]})
        }

    def fill(self, value: Any) -> Any:
        """The value as CloudFormation would make it."""
        if isinstance(value, list):
            return [one for one in map(self.fill, value) if one is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, inner), *_ = value.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._intrinsic(name, inner)
        filled = {name: self.fill(member) for name, member in value.items()}
        return {name: member for name, member in filled.items() if member is not _NOTHING}

    def _intrinsic(self, name: str, inner: Any) -> Any:
        if name == "Ref":
            return _NOTHING if inner == "AWS::NoValue" else self._named(inner)
        if name == "Fn::GetAtt":
            return self._attribute(*inner)
        if name == "Fn::Sub":
            return re.sub(r"\$\{([^}]+)\}", lambda match: str(self._named(match[1])), inner)
        if name == "Fn::Join":
            return inner[0].join(self.fill(inner[1]))
        if name == "Fn::Transform":
            return {name: inner}
        assert name == "Fn::If", name
        return self.fill(inner[1] if self.holds(self.template["Conditions"][inner[0]]) else inner[2])

    def holds(self, condition: Any) -> bool:
        """Whether a condition holds."""
        (name, inner), *_ = condition.items()
        if name == "Fn::Equals":
            return bool(self.fill(inner[0]) == self.fill(inner[1]))
        if name == "Fn::Not":
            return not self.holds(inner[0])
        if name in {"Fn::And", "Fn::Or"}:
            return (all if name == "Fn::And" else any)(map(self.holds, inner))
        return self.holds(self.template["Conditions"][inner])

    def _named(self, name: str) -> Any:
        if name in PSEUDO or name in self._values:
            return PSEUDO.get(name, self._values.get(name))
        resource, _, attribute = name.partition(".")
        return self._attribute(resource, attribute) if attribute else resource

    def _attribute(self, resource: str, attribute: str) -> str:
        if attribute.startswith("Outputs.") and attribute.endswith("RoleArn"):  # of a nested stack
            return _ARNS["AWS::IAM::Role"].format(attribute.removeprefix("Outputs.").removesuffix("Arn"))
        if attribute != "Arn":
            return f"{resource}.{attribute}"
        return _ARNS.get(self.template["Resources"][resource]["Type"], "{}").format(resource)

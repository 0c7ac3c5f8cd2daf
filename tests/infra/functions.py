"""The regional functions' package, built for this machine, and its functions as a stage has them.

Each has a role's credentials of its own, S3, DynamoDB, STS and SSM behind one recorder, and the environment of the
template but for where those are.
"""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gateway.identity.apikeys import mint_api_key
from gateway.local.embedded_s3 import EmbeddedS3
from gateway.tenants.dynamodb.boto import make_client
from gateway.tenants.dynamodb.table import Table
from gateway.tenants.policies import Change
from gateway.tenants.stores import dynamodb_stores
from tests.infra import events
from tests.infra.recorder import Recorder
from tests.lambda_runtime import RUNTIME, Function, Sandbox, scripted
from tests.stores import local_dynamodb

NAME, PAGE = "functions", "https://app.example.com"
PART = 5_242_880
COMMON = {"version": 1, "types": {"*/*": []}, "metadata": {"keys": ["title"]}, "overwrite": True}
TENANTS = {
    "acme": {**COMMON, "clients": ["uppy", "uppy-sign"], "multipart": {"threshold": 6_000_000, "part_size": PART}},
    "once": {**COMMON, "overwrite": False},
    "full": {**COMMON, "quota": {"bytes": 20, "objects": 4}, "rate": {"per_second": 0.001, "burst": 3}},
    "limited": {
        **COMMON,
        "quota": {"bytes": 100_000_000, "objects": 50},
        "rate": {"per_second": 100, "burst": 100, "per": "subject"},
    },
}
AUTHORIZER, PRESIGNER = "gateway.proxy.lambda_handler.handler", "presigner.lambda_handler.handler"
USAGE_PLANS = "gateway.functions.usage_plans_handler.handler"
ADMIN, SWEEPER = "gateway.server.admin.lambda_handler.handler", "gateway.upkeep.sweeper.handler"
ROLES = {
    AUTHORIZER: "AuthorizerRole",
    PRESIGNER: "PresignerRole",
    USAGE_PLANS: "UsagePlansRole",
    ADMIN: "AdminRole",
    SWEEPER: "SweeperRole",
}
"""Each function's handler, and the logical id of its role, which is its access key here."""

FIRST: dict[str, events.Event] = {
    AUTHORIZER: events.authorizer("PUT", "/proxy/a.png", {}),
    PRESIGNER: events.rest("GET", "/nowhere", {}),
    USAGE_PLANS: events.scheduled(),
    ADMIN: events.rest("GET", "/healthz", {}),
    SWEEPER: events.scheduled(),
}
"""What each function is asked at its start: the least that it answers."""

SEALING = "/upload-gateway/sealing"


def build(folder: Path, *options: str) -> Path:
    """The package as `make deploy` builds it, for the machine and the Python that run this."""
    package = folder / "functions.zip"
    scripted(
        "scripts/function-package", "--machine", "x86_64", "--runtime", RUNTIME, "--output", str(package), *options
    )
    return package


Packages = Callable[[str], Path]
"""The zip or the folder of a handler's function."""


class Stage:
    """A sandbox of each function that was asked for, over a table with tenants and a bucket."""

    def __init__(self, packages: Packages, folder: Path, store: EmbeddedS3, recorder: Recorder, dynamodb: str) -> None:
        self.recorder = recorder
        self._packages, self._folder, self._store = packages, folder, store
        self._sandboxes: dict[str, Sandbox] = {}
        self.keys = _stocked(store.region, dynamodb)

    def asked(self, handler: str, event: events.Event) -> Any:
        """What the function answers to an event."""
        if handler not in self._sandboxes:
            function = Function(
                package=self._packages(handler),
                handler=handler,
                variables=self.variables(handler),
                region=self._store.region,
            )
            (self._folder / handler).mkdir(exist_ok=True)
            sandbox = Sandbox(function, self._folder / handler, is_answer=lambda answer: "errorType" not in answer)
            self._sandboxes[handler] = sandbox
            sandbox.start(FIRST[handler])
        return self._sandboxes[handler](event)

    def variables(self, handler: str) -> dict[str, str]:
        """A function's environment."""
        said = {
            "S3__BUCKET": self._store.bucket,
            "S3__ENDPOINT": self.recorder.url,
            "S3__SIGNER__ROLE": role_arn("SignerRole"),
            "S3__COMPLETER__ROLE": role_arn("CompleterRole"),
            "STORE__TABLE": NAME,
            "STORE__ENDPOINT": self.recorder.url,
            "SEALING__PARAMETER": SEALING,
            "ISSUERS": json.dumps([]),
            "OPERATORS": json.dumps([{"issuer": "https://staff.example", "audience": ["admin"]}]),
            "CORS__ORIGINS": PAGE,
            "PROXY__METADATA_KEYS": "title",
            "PROXY__USAGE_PLANS": "stage",
            "PROXY__API": "abcdef123",
            "PROXY__STAGE": "live",
        }
        return {
            "AWS_ACCESS_KEY_ID": ROLES[handler],
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_ENDPOINT_URL_API_GATEWAY": self.recorder.url,
            "AWS_ENDPOINT_URL_SSM": self.recorder.url,
            "AWS_ENDPOINT_URL_STS": self.recorder.url,
            **{f"UPLOAD_GATEWAY_{name}": value for name, value in said.items()},
        }

    def edge_credentials(self) -> dict[str, str]:
        """What the runtime tells the edge function, whose role may read documents."""
        reader = self._store.identities.edge
        keys = {"AWS_ACCESS_KEY_ID": reader.access_key, "AWS_SECRET_ACCESS_KEY": reader.secret_key}
        return {**keys, "AWS_REGION": "us-east-1"}

    def logs(self) -> str:
        """All that the functions wrote."""
        return "".join(sandbox.log.read_text() for sandbox in self._sandboxes.values())

    def stop(self) -> None:
        """End every sandbox."""
        for sandbox in self._sandboxes.values():
            sandbox.stop()


def role_arn(name: str) -> str:
    """A role's ARN by its logical id."""
    return f"arn:aws:iam::111122223333:role/{name}"


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """The functions, ready to be asked; raises NoRuntimeError where the package or the runtime can't be had."""
    package = build(folder)
    with over_recorder(folder, lambda _: package) as stage:
        yield stage


@contextmanager
def over_recorder(folder: Path, packages: Packages) -> Iterator[Stage]:
    """The same with packages that there are."""
    with ExitStack() as stack:
        endpoint = stack.enter_context(local_dynamodb.serving())
        store = stack.enter_context(EmbeddedS3(folder / "s3"))
        host, _, port = endpoint.rpartition("//")[2].partition(":")
        recorder = Recorder(
            {"dynamodb": (host, int(port)), "s3": ("localhost", store.port or 0)},
            {
                role_arn("SignerRole"): store.identities.signer,
                role_arn("CompleterRole"): store.identities.completer,
            },
            {SEALING: base64.b64encode(bytes(range(32))).decode()},
        )
        stack.enter_context(recorder.serving())
        stage = Stage(packages, folder, store, recorder, endpoint)
        stack.callback(stage.stop)
        yield stage


def _stocked(region: str, endpoint: str) -> dict[str, str]:
    """Put the tenants into a new table; an API key of each."""
    client = make_client(region=region, endpoint=endpoint, aws_access_key_id="local", aws_secret_access_key="local")
    table = Table(client, NAME)
    table.create()
    stores, keys = dynamodb_stores(table), {}
    for tenant, document in TENANTS.items():
        stores.policies.create(tenant, {**document, "tenant": tenant}, Change(at=0.0, by="the suite"))
        minted = mint_api_key(tenant=tenant, name="suite", scopes=("files:write",), now=0.0)
        stores.keys.create(minted.record)
        keys[tenant] = minted.text
    return keys

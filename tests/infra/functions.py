"""The regional functions' package, built for this machine, and what its functions are told."""

import base64
import json
from pathlib import Path

from gateway.identity.apikeys import mint_api_key
from gateway.tenants.dynamodb.boto import make_client
from gateway.tenants.dynamodb.table import Table
from gateway.tenants.policies import Change
from gateway.tenants.stores import dynamodb_stores
from tests.lambda_runtime import RUNTIME, scripted

REGION, NAME = "eu-central-1", "functions"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
DOCUMENT = {"version": 1, "tenant": "acme", "types": {"image/png": [".png"]}, "metadata": {"keys": ["title"]}}


def build(folder: Path, *options: str) -> Path:
    """The package as `make deploy` builds it, for the machine and the Python that run this."""
    package = folder / "functions.zip"
    scripted(
        "scripts/function-package", "--machine", "x86_64", "--runtime", RUNTIME, "--output", str(package), *options
    )
    return package


def stocked_table(endpoint: str) -> str:
    """A table with one tenant; an API key of it."""
    client = make_client(region=REGION, endpoint=endpoint, aws_access_key_id="local", aws_secret_access_key="local")
    table = Table(client, NAME)
    table.create()
    stores = dynamodb_stores(table)
    stores.policies.create("acme", DOCUMENT, Change(at=0.0, by="the suite"))
    minted = mint_api_key(tenant="acme", name="suite", scopes=("files:write",), now=0.0)
    stores.keys.create(minted.record)
    return minted.text


def variables(endpoint: str) -> dict[str, str]:
    """A function's environment, as the template would set it but for static keys in the place of roles."""
    said = {
        "S3__BUCKET": "uploads-111122223333",
        "S3__SIGNER__ACCESS_KEY": "AKIDSIGNER",
        "S3__SIGNER__SECRET_KEY": "secret",
        "S3__COMPLETER__ACCESS_KEY": "AKIDCOMPLETER",
        "S3__COMPLETER__SECRET_KEY": "secret",
        "STORE__TABLE": NAME,
        "STORE__ENDPOINT": endpoint,
        "SEALING__KEYS": base64.b64encode(bytes(range(32))).decode(),
        "ISSUERS": json.dumps([]),
        "CORS__ORIGINS": "https://app.example.com",
        "PROXY__METADATA_KEYS": "title",
    }
    return {**CREDENTIALS, **{f"UPLOAD_GATEWAY_{name}": value for name, value in said.items()}}

"""SSM Parameter Store, as far as a function needs it: one parameter, by one request that we sign ourselves.

Protocol: AWS JSON 1.1, operation `GetParameter` ("AWS Systems Manager API Reference").
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from edge_auth.settings import Parameter, SettingsError
from gateway.policy.problems import Fault
from gateway.policy.strict_json import loads
from gateway.storage.endpoint import domain_of
from gateway.storage.kept import KeptConnections
from gateway.storage.sigv4 import Credentials, Service, Signer

SSM: Final = Service(name="ssm")


def fetch_parameter(
    parameter: Parameter,
    credentials: Credentials,
    *,
    clock: Callable[[], float],
    within: float,
) -> Mapping[str, Any]:
    """The JSON object that is the parameter's value; raises `OSError`, or `SettingsError` where it is none."""
    origin = parameter.endpoint or f"https://ssm.{parameter.region}.{domain_of(parameter.region)}"
    host = origin.partition("://")[2]
    body = json.dumps({"Name": parameter.name}).encode()
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AmazonSSM.GetParameter"}
    signed = Signer(credentials, parameter.region, SSM).sign_headers(
        "POST", host, "/", now=clock(), headers=tuple(headers.items()), payload_hash=hashlib.sha256(body).hexdigest()
    )
    connections = KeptConnections(origin)
    try:
        reply = connections.exchange("POST", "/", {"host": host, **headers, **signed}, body, within=within)
    finally:
        connections.close()
    if reply.status != 200:
        raise OSError(f"SSM answered {reply.status} for the parameter {parameter.name}")
    return _object(_object(reply.body, "SSM's answer").get("Parameter", {}).get("Value", ""), "the parameter's value")


def _object(text: bytes | str, what: str) -> Mapping[str, Any]:
    value = loads(text)
    if isinstance(value, Fault) or not isinstance(value, dict):
        raise SettingsError(f"{what} is no JSON object")
    return value

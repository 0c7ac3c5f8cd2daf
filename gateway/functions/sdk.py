"""AWS's SDK as functions use it: sessions that share what it parsed, and nothing else.

Most of the time that a client takes to be made goes into the SDK's own data files (endpoints, the service's model).
They never change while a process lives, so they are parsed once; credentials and connections belong to the session that
was asked, and are forgotten with it.
"""

import functools
from typing import Any


def sdk_session() -> Any:
    """A new boto3 session, whose clients find the SDK's data parsed."""
    import boto3.session  # noqa: PLC0415 - slow to import
    import botocore.session  # noqa: PLC0415

    session = botocore.session.Session()
    session.register_component("data_loader", _loader())
    return boto3.session.Session(botocore_session=session)


def secret_parameter(name: str, region: str) -> str:
    """The value of an SSM parameter (SecureString); raises OSError without a word of it."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        answer = sdk_session().client("ssm", region_name=region).get_parameter(Name=name, WithDecryption=True)
    except (BotoCoreError, ClientError) as error:
        raise OSError(f"the parameter {name} can't be read: {_said(error)}") from error
    value: str = answer["Parameter"]["Value"]
    return value


def _said(error: Exception) -> str:
    """The service's code for the error, else its class: what an SDK says in words may hold anything."""
    code: str | None = getattr(error, "response", {}).get("Error", {}).get("Code")
    return code or type(error).__name__


@functools.cache
def _loader() -> Any:
    from botocore.loaders import create_loader  # noqa: PLC0415

    return create_loader()

"""DynamoDB through boto3, which is imported when a client is made: a `table.Client` for servers and functions."""

from collections.abc import Callable
from typing import Any

from gateway.tenants.dynamodb.table import AnswerError, Client
from gateway.tenants.errors import StoreUnavailableError


def make_client(*, region: str, endpoint: str | None = None, session: Any = None, **credentials: str) -> Client:
    """A client with short deadlines; `endpoint` and `credentials` (boto3's names) only where there is no role."""
    import boto3  # noqa: PLC0415 - slow to import, and only deployments with this store pay for it
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        connect_timeout=2,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=64,
    )
    client = (session or boto3.session.Session()).client(
        "dynamodb", region_name=region, endpoint_url=endpoint, config=config, **credentials
    )
    return Translating(client)


class Translating:
    """A client of boto3's, safe for threads (boto3 guide, "Clients"); botocore's errors become `table.Client`'s."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        """An operation by its Python name."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - imported with the client

        call: Callable[..., Any] = getattr(self._client, operation)

        def translated(*arguments: Any, **body: Any) -> Any:
            try:
                return call(*arguments, **body)
            except ClientError as error:
                told = error.response
                code = told.get("Error", {}).get("Code", "")
                reasons = told.get("CancellationReasons", ())
                raise AnswerError(code, item=told.get("Item", {}), reasons=reasons) from error
            except BotoCoreError as error:
                raise StoreUnavailableError(f"the store does not answer ({type(error).__name__})") from error

        return translated

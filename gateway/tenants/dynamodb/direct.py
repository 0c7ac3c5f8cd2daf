"""DynamoDB without an SDK: a `table.Client` over kept connections and our own signature, each call within a deadline.

For an edge function, whose sandbox has no room for boto3 and five seconds for everything. Protocol: AWS JSON 1.0,
`X-Amz-Target: DynamoDB_20120810.<operation>` ("DynamoDB low-level API", DynamoDB Developer Guide). What DynamoDB could
not do just now is asked for again while there is time (same guide, "Error handling with DynamoDB"): every caller's
verb may be repeated.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.storage.kept import KeptConnections, Reply
from gateway.storage.sigv4 import Service, Signer
from gateway.tenants.dynamodb.table import AnswerError, Client
from gateway.tenants.errors import StoreUnavailableError

DYNAMODB: Final = Service(name="dynamodb")

TRIES: Final = 3
PAUSE: Final = 0.05
"""Seconds before the second try; before the third twice as many."""

ATTEMPT: Final = 1.0
"""Seconds for one try, so that a silent connection leaves time for another."""

MOST_BYTES: Final = 1_048_576

_AGAIN: Final = frozenset({"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"})


class DirectDynamoDb:
    """DynamoDB at `origin` (`https://dynamodb.<region>.amazonaws.com`); `signer` is asked at every request.

    `clock` gives seconds since the epoch, `monotonic` those that deadlines are in.
    """

    def __init__(
        self,
        origin: str,
        signer: Callable[[], Signer],
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._host = origin.partition("://")[2]
        self._connections = KeptConnections(origin, most=MOST_BYTES, monotonic=monotonic)
        self._signer = signer
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep

    def until(self, deadline: float) -> Client:
        """A client all of whose calls are over by `deadline`; later ones raise `StoreUnavailableError`."""
        return _Within(self, deadline)

    def close(self) -> None:
        """Close what is kept."""
        self._connections.close()

    def call(self, operation: str, body: Mapping[str, Any], deadline: float) -> dict[str, Any]:
        """One operation by its API name: the answer's members."""
        for left in reversed(range(TRIES)):
            try:
                return _answered(self._ask(operation, json.dumps(body).encode(), deadline))
            except _NotNowError as error:
                if not left:
                    raise StoreUnavailableError(f"the store does not answer ({error})") from error
            except OSError as error:
                if not left or self._monotonic() >= deadline:
                    raise StoreUnavailableError(f"the store does not answer ({type(error).__name__})") from error
            self._sleep(PAUSE * (TRIES - left))
        raise AssertionError("the last try answers or raises")

    def _ask(self, operation: str, body: bytes, deadline: float) -> Reply:
        headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"DynamoDB_20120810.{operation}"}
        signed = self._signer().sign_headers(
            "POST",
            self._host,
            "/",
            now=self._clock(),
            headers=tuple(headers.items()),
            payload_hash=hashlib.sha256(body).hexdigest(),
        )
        within = min(ATTEMPT, deadline - self._monotonic())
        return self._connections.exchange("POST", "/", {"host": self._host, **headers, **signed}, body, within=within)


class _Within:
    """The operations by boto3's names, each within the deadline."""

    def __init__(self, dynamodb: DirectDynamoDb, deadline: float) -> None:
        self._dynamodb = dynamodb
        self._deadline = deadline

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        name = operation.title().replace("_", "")
        return lambda **body: self._dynamodb.call(name, body, self._deadline)


class _NotNowError(Exception):
    """DynamoDB could not; the message is its code."""


def _answered(reply: Reply) -> dict[str, Any]:
    """The members of an answer; `__type` of a refusal is `com.amazonaws.dynamodb.v20120810#<code>`."""
    if reply.status >= 500:
        raise _NotNowError(str(reply.status))
    try:
        told = json.loads(reply.body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise _NotNowError("no JSON object")
    if reply.status == 200:
        return told
    code = str(told.get("__type", reply.status)).rpartition("#")[2]
    if code in _AGAIN:
        raise _NotNowError(code)
    raise AnswerError(code, item=told.get("Item"), reasons=told.get("CancellationReasons") or ())

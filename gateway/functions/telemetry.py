"""What each invocation leaves on the function's log: one line of JSON, which CloudWatch also reads as metrics.

The line is in CloudWatch's embedded metric format (CloudWatch User Guide, "Specification: Embedded metric format"), so
that metrics need no call of their own. It says whose trace the invocation belongs to: Lambda's own, which is also the
one that AWS's SDK hands on, and the caller's, where it sent a W3C `traceparent`. Nothing else of a request is in it.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO, TypeVar

Result = TypeVar("Result")

NAMESPACE: Final = "UploadGateway"

_TRACE: Final = "_X_AMZN_TRACE_ID"
_ROOT: Final = re.compile(r"(?:^|;)Root=1-([0-9a-f]{8})-([0-9a-f]{24})(?:;|$)")
"""AWS X-Ray Developer Guide, "Tracing header"."""

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
"""W3C Trace Context, section 3.2."""


class Telemetry:
    """Writes the lines. `environment` is the process's own; `clock` gives seconds since the epoch."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        out: TextIO | None = None,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._environment = environment
        self._out = out
        self._clock = clock
        self._timer = timer
        self._start = "cold"

    def restored(self) -> None:
        """The sandbox begins with a snapshot."""
        self._start = "restored"

    def told(
        self,
        work: Callable[[], Result],
        event: object,
        context: object,
        describe: Callable[[Any, Result], Mapping[str, str]],
    ) -> Result:
        """What `work` answers; a line says how long that took and what it came to."""
        began, code, more = self._timer(), "raised", {}
        try:
            result = work()
            more = dict(describe(event, result))
            code = more.pop("code", "ok")
            return result
        finally:
            self._write(code, (self._timer() - began) * 1000, event, context, more)
            self._start = "warm"

    def _write(self, code: str, milliseconds: float, event: object, context: object, more: Mapping[str, str]) -> None:
        name = self._environment.get("AWS_LAMBDA_FUNCTION_NAME")
        if name is None:
            return
        metrics = [
            {"Namespace": NAMESPACE, "Dimensions": [["Function", "Code"]], "Metrics": [{"Name": "Answers"}]},
            {
                "Namespace": NAMESPACE,
                "Dimensions": [["Function"]],
                "Metrics": [{"Name": "Latency", "Unit": "Milliseconds"}],
            },
        ]
        line = {
            **more,
            **traces(self._environment.get(_TRACE), event),
            "_aws": {"Timestamp": int(self._clock() * 1000), "CloudWatchMetrics": metrics},
            "Function": name,
            "Code": code,
            "Answers": 1,
            "Latency": round(milliseconds, 3),
            "start": self._start,
            "invocation": getattr(context, "aws_request_id", None),
        }
        out = self._out or sys.stdout
        out.write(json.dumps(line, sort_keys=True) + "\n")
        out.flush()


def traces(header: str | None, event: object) -> dict[str, str]:
    """The trace that Lambda says (as W3C has it, 32 digits), and the caller's `traceparent` if it is one."""
    found: dict[str, str] = {}
    if header and (root := _ROOT.search(header)):
        found["trace"] = root[1] + root[2]
    parent = _traceparent(event)
    if parent is not None:
        found["parent_trace"], found["parent_span"] = parent[1], parent[2]
    return found


def _traceparent(event: object) -> re.Match[str] | None:
    headers = event.get("headers") if isinstance(event, Mapping) else None
    if not isinstance(headers, Mapping):
        return None
    said = [value for name, value in headers.items() if isinstance(name, str) and name.lower() == "traceparent"]
    match = _TRACEPARENT.fullmatch(said[0]) if len(said) == 1 and isinstance(said[0], str) else None
    return None if match is None or not int(match[1], 16) or not int(match[2], 16) else match

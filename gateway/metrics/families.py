"""The metrics that there are: names, meanings, and the closed lists that their labels take values from.

Names follow Prometheus' "Metric and label naming"; units are seconds and bytes. `docs/reference/metrics.md` is made
from this table.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import Final

from gateway.policy.problems import Code

PREFIX: Final = "upload_gateway_"

OTHER: Final = "other"
"""What a value is counted as that its label does not list."""


class Kind(StrEnum):
    """What a family's figures are, in Prometheus' own words."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric: its name without the prefix, what it says, its labels with all of their values.

    `bounds` are a histogram's (seconds). Of a gauge the workers' values are added up, or the `most` of them is told.
    """

    name: str
    kind: Kind
    help: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bounds: tuple[float, ...] = ()
    most: bool = False

    @property
    def full_name(self) -> str:
        """As it is scraped."""
        return PREFIX + self.name

    @property
    def width(self) -> int:
        """Cells of one series: a histogram's are its buckets, the one without a bound, and the sum."""
        return len(self.bounds) + 2 if self.kind is Kind.HISTOGRAM else 1

    @property
    def cells(self) -> int:
        """Cells of all series."""
        return self.width * math.prod(len(values) for values in self.labels.values())

    def series(self) -> Iterator[tuple[str, ...]]:
        """The labels' values of each series, in the order of their cells."""
        return product(*self.labels.values())


RESOURCES: Final = (
    "proxy",
    "presigned",
    "edge",
    "files",
    "uploads",
    "s3",
    "t",
    "admin",
    "healthz",
    "readyz",
    "metrics",
    OTHER,
)
"""The first segment of a path: the three backends, `/files`, the upload API, Uppy's paths, the admin API, operations;
`other` are the pages and what there is nothing at."""

STATUSES: Final = (
    *("200", "201", "204", "304", "307", "400", "401", "403", "404", "405", "408", "409", "411", "412", "413", "414"),
    *("415", "422", "428", "429", "431", "500", "502", "503"),
    "none",
    OTHER,
)
"""`none`: the client went away, or the connection broke, before there was an answer."""

CODES: Final = (*(str(code) for code in Code), OTHER)

ACTIONS: Final = (
    *("upload", "upload.plan", "upload.parts", "upload.complete", "upload.abort", "upload.sign", "upload.ticket"),
    *("upload.credentials", "upload.expire", "call", OTHER),
)
OUTCOMES: Final = ("granted", "refused", "stored", "released", "completed", "aborted", OTHER)

METHODS: Final = ("PUT", "POST", "GET", "HEAD", "DELETE", OTHER)
CLASSES: Final = ("2xx", "3xx", "4xx", "5xx", "none")
"""Of S3's answers; `none`: it gave none in time, or broke off."""

SHORT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LONG: Final = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0, 300.0, 1_800.0)

REQUESTS: Final = Family(
    name="requests_total",
    kind=Kind.COUNTER,
    help="Requests that were answered, by the first segment of their path and their status.",
    labels={"resource": RESOURCES, "status": STATUSES},
)
PROBLEMS: Final = Family(
    name="problems_total",
    kind=Kind.COUNTER,
    help="Problems that clients were told, by the code of the catalogue.",
    labels={"resource": RESOURCES, "code": CODES},
)
UNDER_WAY: Final = Family(
    name="requests_under_way",
    kind=Kind.GAUGE,
    help="Requests whose head has arrived and whose answer is not complete.",
    labels={"resource": RESOURCES},
)
DURATION: Final = Family(
    name="request_seconds",
    kind=Kind.HISTOGRAM,
    help="From a request's head to the end of its answer; an upload's body is in between.",
    labels={"resource": RESOURCES},
    bounds=LONG,
)
RECEIVED: Final = Family(
    name="received_bytes_total",
    kind=Kind.COUNTER,
    help="Bytes of bodies that were taken from clients.",
    labels={"resource": RESOURCES},
)
FRONT: Final = Family(
    name="front_refusals_total",
    kind=Kind.COUNTER,
    help="What the HTTP front ended by itself: malformed, too late, too slow, too many; silent is a connection that "
    "was idle too long.",
    labels={"code": (*CODES, "silent", "unread", "dropped", "handshake")},
)
CONNECTIONS: Final = Family(
    name="connections", kind=Kind.GAUGE, help="Client connections that are open, TLS handshakes under way among them."
)
UPLOADS: Final = Family(
    name="uploads_under_way",
    kind=Kind.GAUGE,
    help="Uploads whose bytes are passing, through proxy and edge, as tenants' bounds count them.",
)
DECISIONS: Final = Family(
    name="decisions_total",
    kind=Kind.COUNTER,
    help="What the audit has a line about, by action and outcome; code is the problem's, empty where there is none. "
    "Room that is reserved now: granted less stored and released.",
    labels={"action": ACTIONS, "outcome": OUTCOMES, "code": ("", *CODES)},
)
S3_REQUESTS: Final = Family(
    name="s3_requests_total",
    kind=Kind.COUNTER,
    help="Requests to S3 by method and the class of its answer.",
    labels={"method": METHODS, "answer": CLASSES},
)
S3_SECONDS: Final = Family(
    name="s3_answer_seconds",
    kind=Kind.HISTOGRAM,
    help="From the last byte that was sent to S3 to the end of its answer.",
    labels={"method": METHODS},
    bounds=SHORT,
)
POLICY: Final = Family(
    name="policy_reads_total",
    kind=Kind.COUNTER,
    help="Looks of the policy cache at the store: answered, old (it was silent, and what it last said was used), "
    "failed. What came from memory is not counted here.",
    labels={"result": ("answered", "old", "failed")},
)
JWKS: Final = Family(
    name="jwks_fetches_total",
    kind=Kind.COUNTER,
    help="Fetches of issuers' documents.",
    labels={"result": ("ok", "failed")},
)
JWKS_SECONDS: Final = Family(
    name="jwks_fetch_seconds", kind=Kind.HISTOGRAM, help="How long such a fetch took.", bounds=SHORT
)
AUDIT_WAITING: Final = Family(name="audit_waiting", kind=Kind.GAUGE, help="Lines of the audit that wait for the store.")
AUDIT_LOST: Final = Family(
    name="audit_lost", kind=Kind.GAUGE, help="Lines that had no room, since the workers that are there started."
)
LAG: Final = Family(
    name="event_loop_lag_seconds",
    kind=Kind.GAUGE,
    help="How late the event loop was at its last look, of the worker that was latest.",
    most=True,
)
WORKERS: Final = Family(name="workers", kind=Kind.GAUGE, help="Workers that serve.")
STARTS: Final = Family(name="worker_starts_total", kind=Kind.COUNTER, help="Workers that began to serve.")
CPU: Final = Family(name="cpu_seconds_total", kind=Kind.COUNTER, help="Processor time of the workers.")
MEMORY: Final = Family(
    name="resident_bytes", kind=Kind.GAUGE, help="Resident memory of the workers; pages that they share count in each."
)
DESCRIPTORS: Final = Family(name="open_descriptors", kind=Kind.GAUGE, help="Open descriptors of the workers.")

FAMILIES: Final = (
    *(REQUESTS, PROBLEMS, UNDER_WAY, DURATION, RECEIVED, FRONT, CONNECTIONS, UPLOADS, DECISIONS),
    *(S3_REQUESTS, S3_SECONDS, POLICY, JWKS, JWKS_SECONDS, AUDIT_WAITING, AUDIT_LOST),
    *(LAG, WORKERS, STARTS, CPU, MEMORY, DESCRIPTORS),
)

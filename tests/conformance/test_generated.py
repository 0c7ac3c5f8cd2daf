"""Names, headers and types that nobody thought of: three backends and the policy itself must say the same.

The short form runs with the suite; the long form (`-m long`) sends 10^5 requests' worth of each over kept connections.
"""

import uuid
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.intake import RawRequest, read_intent
from gateway.policy.decide import decide
from gateway.policy.document import parse
from gateway.policy.model import Backend, Carriage, Minted, Policy, Principal
from gateway.policy.problems import Refusal
from tests.conformance import checksums
from tests.conformance.cases_headers import hostile_members
from tests.conformance.conftest import Examination
from tests.conformance.credentials import MAKERS
from tests.conformance.deployment import BACKENDS
from tests.conformance.examiner import PROBLEM
from tests.conformance.wire import Request, Trace

Pairs = tuple[tuple[str, str], ...]
BODY: Final = b"generated\n"
LOOK_EVERY: Final = 200
"""How many stored uploads of the long form share one look into the bucket."""

ACME: Final = {
    "version": 1,
    "tenant": "acme",
    "types": {kind: [] for kind in ("image/*", "text/*", "application/pdf", "application/octet-stream")},
    "overwrite": True,
    "metadata": {"keys": ["*"]},
}
"""What the contract says of the demo's acme, as far as these strategies reach."""

PRINCIPAL: Final = Principal(tenant="acme", issuer="i", subject="s", scopes=frozenset({"files:write"}))

_PLAIN: Final = st.sampled_from("abcXYZ019-_.~!$&'()*+,;=:@/")
_ENCODED: Final = st.binary(min_size=1, max_size=4).map(lambda data: "".join(f"%{byte:02X}" for byte in data))
_LETTER: Final = st.characters(min_codepoint=0x20, exclude_categories=["Cs"]).map(
    lambda letter: "".join(f"%{byte:02x}" for byte in letter.encode())
)
_HOSTILE: Final = st.sampled_from(
    (
        *("..", "%2e", "%2F", "/", "//", "%5C", "%00", "%", "%2", "%zz", "%25", "%252e", "%C0%AF", "%ED%A0%80"),
        *("%E2%80%8D", "%E2%80%8C", "%E2%80%AE", "%EF%BB%BF", "$%7B", "${", ".exe", ".html", ".png", "+", "%2B"),
        *("acme", "globex", "%20", "%0D%0A", "%C2%85", "%F3%A0%81%A1", "e%CC%81", "x" * 120, "%E5%86%99" * 50),
    )
)
RAW_NAMES: Final = st.lists(_PLAIN | _ENCODED | _LETTER | _HOSTILE, max_size=24).map("".join)

_RIGHT: Final = st.sampled_from([checksums.header(algorithm, BODY) for algorithm in checksums.DIGESTS])
_VALUE: Final = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
_TOKEN: Final = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)
_CASING: Final = st.sampled_from((str.lower, str.upper, str.title, str.swapcase))
_PAIR: Final = st.one_of(
    _RIGHT,
    st.tuples(st.sampled_from(hostile_members()), _VALUE),
    st.tuples(_TOKEN.map("x-amz-meta-".__add__), _VALUE),
    st.tuples(_TOKEN.map("x-amz-".__add__), _VALUE),
    st.tuples(_TOKEN.map("x-amzn-".__add__), _VALUE),
    st.tuples(_TOKEN.map("x-".__add__), _VALUE),
    st.just(("if-none-match", "*")),
    st.just(checksums.digest_field(BODY)),
    st.just(checksums.digest_field(BODY, name="Repr-Digest")),
    st.tuples(st.sampled_from(("x-amz-checksum-sha256", "content-md5", "content-digest", "if-none-match")), _VALUE),
)
HEADERS: Final = st.lists(
    st.tuples(_PAIR, _CASING).map(lambda drawn: (drawn[1](drawn[0][0]), drawn[0][1])), max_size=4
).map(tuple)
"""Header pairs but for what frames a message, and for `x-api-key` and `x-amz-cf-id`, which have cases of their own."""

TYPES: Final = st.one_of(
    st.sampled_from(("text/plain", "TEXT/csv", "application/octet-stream", "video/mp4", "text/plain; charset=x")),
    st.sampled_from(("", "text", "text/", "/", "*/*", "text/*", "text/plain;", "text/plain;a", 'text/plain; a="b;c"')),
    st.tuples(_TOKEN, _TOKEN).map("/".join),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30),
)
"""Types well formed and not; none whose content is looked at, because that is no matter of the policy."""


def _policy() -> Policy:
    policy = parse(ACME)
    if not isinstance(policy, Policy):
        raise TypeError(policy)
    return policy


POLICY: Final = _policy()


def predicted(backend: str, path: str, base: str, headers: Pairs) -> str:
    """What the policy alone says: `key …` or a problem's code."""
    way = Backend(backend)
    intent = read_intent(
        RawRequest(method="PUT", path=path, query="", headers=headers),
        base=base,
        carriage=Carriage(backend=way, adds_headers=way is not Backend.PRESIGNED),
        minted=Minted(at=0.0, uuid="0"),
    )
    verdict = intent if isinstance(intent, Refusal) else decide(PRINCIPAL, POLICY, intent)
    return str(verdict.code) if isinstance(verdict, Refusal) else f"key {verdict.key}"


def said(trace: Trace, backend: str, prediction: str) -> str:
    """What the deployment said, in the same words; the edge does not say its key, the bucket will."""
    last = trace.last
    if last.status == 200:
        if backend == "proxy":
            return f"key {unquote(last.header('content-location') or '').removeprefix('/')}"
        if backend == "presigned":
            return f"key {unquote(urlsplit(trace.first.header('location') or '').path).split('/', 2)[-1]}"
        return prediction if prediction.startswith("key ") else "stored"
    if last.media_type == "application/problem+json":
        found = last.body.split(PROBLEM.encode(), 1)[-1].split(b'"', 1)[0]
        return found.decode()
    return f"{last.status} {last.body[:300]!r}"


class Comparison:
    """Sends generated uploads to all backends, and looks into the bucket every so many of them."""

    def __init__(self, examination: Examination, every: int) -> None:
        self._deployment = examination.deployment
        self._wire = examination.wire
        self._every = every
        self._credential = MAKERS["good"](examination.deployment.issuer, "acme")
        self._before: Mapping[str, str] = examination.deployment.bucket.list()
        self._due: set[str] = set()

    def upload(self, raw_name: str, headers: Pairs) -> None:
        """One upload, three backends: the policy's verdict on each."""
        framed = (*headers, ("Content-Length", str(len(BODY))))
        verdicts = [self._one(backend, raw_name, framed) for backend in BACKENDS]

        if differing := [pair for pair in verdicts if pair[0] != pair[1]]:
            self._clear()
            pytest.fail(f"{raw_name!r} {headers!r}: (the policy, the deployment) {differing!r}")
        self._due |= {wanted.removeprefix("key ") for wanted, _ in verdicts if wanted.startswith("key ")}
        if len(self._due) >= self._every:
            self.look()

    def _one(self, backend: str, raw_name: str, headers: Pairs) -> tuple[str, str]:
        base = self._deployment.base(backend)
        assert base is not None
        path = f"{base.path}/{uuid.uuid4().hex[:8]}/{raw_name}"
        wanted = predicted(backend, path, base.path, (*self._credential, *headers))
        request = Request(method="PUT", target=path, headers=(*self._credential, *headers), body=BODY)
        return wanted, said(self._wire.follow(base.origin, request), backend, wanted)

    def look(self) -> None:
        """The bucket holds exactly what the policy granted since the last look."""
        due = set(self._due)
        found = self._clear()
        assert found == due, (sorted(found - due), sorted(due - found))

    def _clear(self) -> set[str]:
        """Take away what was stored since the last look, and say what it was."""
        found = set(self._deployment.bucket.list()) - set(self._before)
        for key in found:
            self._deployment.bucket.discard(key)
        self._due.clear()
        return found


@pytest.fixture(scope="module")
def comparing(examination: Examination) -> Iterator[Comparison]:
    """Looks after every upload that is stored."""
    if examination.deployment.limits != "machine":
        pytest.skip("the prediction is the machine's own; AWS's limits have their table")
    comparison = Comparison(examination, 1)
    yield comparison
    comparison.look()


@pytest.fixture(scope="module")
def comparing_long(examination: Examination) -> Iterator[Comparison]:
    """Looks seldom."""
    if examination.deployment.limits != "machine":
        pytest.skip("the prediction is the machine's own; AWS's limits have their table")
    comparison = Comparison(examination, LOOK_EVERY)
    yield comparison
    comparison.look()


SHORT: Final = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LONG: Final = settings(SHORT, max_examples=50_000, derandomize=False)


@SHORT
@given(raw_name=RAW_NAMES)
def test_names_mean_the_same_everywhere(comparing: Comparison, raw_name: str) -> None:
    """Key for key and problem for problem, as the policy says."""
    comparing.upload(raw_name, (("Content-Type", "text/plain"),))


@SHORT
@given(headers=HEADERS, content_type=TYPES)
def test_headers_and_types_mean_the_same_everywhere(comparing: Comparison, headers: Pairs, content_type: str) -> None:
    """Allowed, refused and ignored alike, as the policy says."""
    comparing.upload("a.txt", (("Content-Type", content_type), *headers))


@pytest.mark.long
@LONG
@given(raw_name=RAW_NAMES)
def test_names_mean_the_same_everywhere_long(comparing_long: Comparison, raw_name: str) -> None:
    """The long form over names."""
    comparing_long.upload(raw_name, (("Content-Type", "text/plain"),))


@pytest.mark.long
@LONG
@given(headers=HEADERS, content_type=TYPES)
def test_headers_and_types_mean_the_same_everywhere_long(
    comparing_long: Comparison, headers: Pairs, content_type: str
) -> None:
    """The long form over headers and types."""
    comparing_long.upload("a.txt", (("Content-Type", content_type), *headers))

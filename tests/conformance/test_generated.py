"""Names, headers and types that nobody thought of: three backends and the policy itself must say the same.

The short form runs with the suite. The long form (`-m long`) sends 10^5 uploads to each backend, many at a time on kept
connections, and prints how many it compared (`-rP` shows it).
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from tests.conformance.deployment import BACKENDS, Base
from tests.conformance.findings import PROBLEM
from tests.conformance.wire import Pipeline, Request, Response, redirected

# The prediction is the machine's own; AWS's limits have their table.
pytestmark = pytest.mark.parametrize("examination", ["demo"], indirect=True, scope="session")

Pairs = tuple[tuple[str, str], ...]
BODY: Final = b"generated\n"
AT_ONCE: Final = 10
"""Uploads that go out together."""

LOOK_EVERY: Final = 400
"""Stored uploads that share one look into the bucket."""

FOLLOW_EVERY: Final = 10
"""Of so many redirects one is followed; the others are held to the key that their URL is signed for."""

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


def said(answer: Response, backend: str, prediction: str) -> str:
    """What the deployment said, in the same words; the edge does not say its key, the bucket will."""
    if answer.status == 200 and backend == "proxy":
        return f"key {unquote(answer.header('content-location') or '').removeprefix('/')}"
    if answer.status == 307 and backend == "presigned":
        return f"key {unquote(urlsplit(answer.header('location') or '').path).split('/', 2)[-1]}"
    if answer.status == 200 and backend == "edge":
        return prediction if prediction.startswith("key ") else "stored"
    if answer.media_type == "application/problem+json":
        return answer.body.split(PROBLEM.encode(), 1)[-1].split(b'"', 1)[0].decode()
    return f"{answer.status} {answer.body[:300]!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A generated upload: its raw name and the headers that are not the suite's own."""

    raw_name: str
    headers: Pairs


class Comparison:
    """Sends generated uploads to all backends, and looks into the bucket every so many of them."""

    def __init__(self, examination: Examination) -> None:
        self._deployment = examination.deployment
        self._wire = examination.wire
        self._credential = MAKERS["good"](examination.deployment.issuer, "acme")
        self._before = frozenset(examination.deployment.bucket.list())
        self._due: set[str] = set()
        self._bases = {name: base for name in BACKENDS if (base := self._deployment.base(name)) is not None}
        self._pipelines = {name: Pipeline(base.origin) for name, base in self._bases.items()}
        self.compared = self.granted = self.stored = 0

    def uploads(self, uploads: Sequence[Upload]) -> None:
        """Some uploads, three backends: the policy's verdict on each."""
        sent = {name: [self._request(base, upload) for upload in uploads] for name, base in self._bases.items()}
        for name, requests in sent.items():
            self._pipelines[name].send(requests)
        for name, requests in sent.items():
            for upload, request, answer in zip(uploads, requests, self._pipelines[name].receive(), strict=True):
                self._compare(name, upload, request, answer)
        self.compared += len(uploads)
        if len(self._due) >= LOOK_EVERY:
            self.look()

    def _request(self, base: Base, upload: Upload) -> Request:
        """The upload in a folder of its own, so that no name is another's folder (which SeaweedFS could not hold)."""
        path = f"{base.path}/{secrets.token_hex(4)}/{upload.raw_name}"
        headers = (*self._credential, *upload.headers, ("Content-Length", str(len(BODY))))
        return Request(method="PUT", target=path, headers=headers, body=BODY)

    def _compare(self, backend: str, upload: Upload, request: Request, answer: Response) -> None:
        wanted = predicted(backend, request.target, self._bases[backend].path, request.headers)
        found = said(answer, backend, wanted)
        if wanted != found:
            self._clear()
            pytest.fail(f"{backend} {upload!r}: the policy says {wanted!r}, the deployment {found!r}")
        if not wanted.startswith("key "):
            return
        self.granted += 1
        if backend != "presigned" or self.granted % FOLLOW_EVERY == 0:
            if backend == "presigned":
                self._follow(upload, request, answer)
            self.stored += 1
            self._due.add(wanted.removeprefix("key "))

    def _follow(self, upload: Upload, request: Request, redirect: Response) -> None:
        there, again = redirected(self._bases["presigned"].origin, request, redirect)
        answer = self._wire.exchange(there, again)
        if answer.status != 200:
            pytest.fail(f"S3 on {upload!r}: {answer.status} {answer.body[:300]!r}")

    def look(self) -> None:
        """The bucket holds exactly what the policy granted since the last look."""
        due = set(self._due)
        found = self._clear()
        assert found == due, (sorted(found - due), sorted(due - found))

    def close(self) -> None:
        """Close the connections."""
        for pipeline in self._pipelines.values():
            pipeline.close()

    def _clear(self) -> set[str]:
        """Take away what was stored since the last look, and say what it was."""
        found = set(self._deployment.bucket.list()) - self._before
        self._deployment.bucket.discard(*found)
        self._due.clear()
        return found


@pytest.fixture(scope="module")
def comparing(examination: Examination) -> Iterator[Comparison]:
    """A comparison that has looked at everything at its end."""
    comparison = Comparison(examination)
    yield comparison
    comparison.look()
    comparison.close()


SHORT: Final = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LONG: Final = settings(SHORT, max_examples=50_000 // AT_ONCE, derandomize=False)

NAMED: Final = RAW_NAMES.map(lambda name: Upload(raw_name=name, headers=(("Content-Type", "text/plain"),)))
HEADED: Final = st.tuples(TYPES, HEADERS).map(
    lambda drawn: Upload(raw_name="a.txt", headers=(("Content-Type", drawn[0]), *drawn[1]))
)


def _several(upload: st.SearchStrategy[Upload]) -> st.SearchStrategy[list[Upload]]:
    return st.lists(upload, min_size=AT_ONCE, max_size=AT_ONCE)


@SHORT
@given(uploads=st.lists(NAMED, min_size=1, max_size=AT_ONCE))
def test_names_mean_the_same_everywhere(comparing: Comparison, uploads: list[Upload]) -> None:
    """Key for key and problem for problem, as the policy says."""
    comparing.uploads(uploads)


@SHORT
@given(uploads=st.lists(HEADED, min_size=1, max_size=AT_ONCE))
def test_headers_and_types_mean_the_same_everywhere(comparing: Comparison, uploads: list[Upload]) -> None:
    """Allowed, refused and ignored alike, as the policy says."""
    comparing.uploads(uploads)


def _long(comparing: Comparison, upload: st.SearchStrategy[Upload]) -> None:
    """50,000 of these uploads, with what came of them."""
    compared, granted, stored = comparing.compared, comparing.granted, comparing.stored

    @LONG
    @given(uploads=_several(upload))
    def compare(uploads: list[Upload]) -> None:
        comparing.uploads(uploads)

    compare()
    comparing.look()
    print(
        f"{comparing.compared - compared} uploads to each of {len(BACKENDS)} backends as the policy says: "
        f"{comparing.granted - granted} granted, {comparing.stored - stored} of them stored and found, no divergence"
    )
    assert comparing.compared - compared >= 50_000


@pytest.mark.long
def test_names_mean_the_same_everywhere_long(comparing: Comparison) -> None:
    """The long form over names."""
    _long(comparing, NAMED)


@pytest.mark.long
def test_headers_and_types_mean_the_same_everywhere_long(comparing: Comparison) -> None:
    """The long form over headers and types."""
    _long(comparing, HEADED)

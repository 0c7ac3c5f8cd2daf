"""Laws of the policy core: names, headers and decisions, for any input."""

import dataclasses
import unicodedata
from typing import Any
from urllib.parse import quote, quote_from_bytes

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from gateway.intake import RawRequest, read_intent
from gateway.policy.decide import Outcome, decide, explain
from gateway.policy.grant import Grant
from gateway.policy.headers import declared
from gateway.policy.media import essence
from gateway.policy.model import (
    Algorithm,
    Backend,
    Carriage,
    Intent,
    MetadataRule,
    Minted,
    NameRule,
    Policy,
    Principal,
    SizeRule,
    TenantId,
)
from gateway.policy.names import check_name, decode_name, denied_extension, extensions, object_key
from gateway.policy.problems import CATALOGUE, Code, Refusal

FEW = settings(max_examples=150, deadline=None)
MANY = settings(max_examples=400, deadline=None)

JOINERS = "\u200c\u200d"
ASCII_TRICKS = ("..", "//", "%2F", "%25", "${", "{name}", ".exe", ".EXE", ".js", ".png", *"./\\%+&:; \x00")
TRICKS = st.sampled_from([*ASCII_TRICKS, *"\uff0e\uff0f\u2105\u2024\u212a\ufb00\u0301\u202e\ud800é😀", *JOINERS])
TEXT = st.text() | st.lists(TRICKS | st.text(max_size=3), max_size=8).map("".join)
LETTERS = st.characters(exclude_categories=["Cc", "Cf", "Cs"], exclude_characters="/\\", include_characters=JOINERS)
SEGMENT = st.text(LETTERS, min_size=1, max_size=60).map(lambda text: unicodedata.normalize("NFC", text))
VALID = st.lists(SEGMENT, min_size=1, max_size=4).filter(
    lambda parts: (
        not any(part in {".", ".."} or len(part.encode()) > 255 for part in parts) and "${" not in "/".join(parts)
    )
)


def refused_as(outcome: object, *codes: Code) -> bool:
    return isinstance(outcome, Refusal) and outcome.code in codes


# --- names -----------------------------------------------------------------------------------------------------------


@given(parts=VALID)
@FEW
def test_a_valid_name_arrives_as_it_was_meant(parts: list[str]) -> None:
    """Encoding a name and decoding it changes nothing but the normal form, whatever form it was sent in."""
    name = "/".join(parts)

    assert decode_name(quote(name)) == name
    assert decode_name(quote(name, safe="")) == name
    assert decode_name(quote(unicodedata.normalize("NFD", name))) == unicodedata.normalize("NFC", name)
    assert check_name(name) == name


@given(raw=TEXT | st.binary().map(quote_from_bytes) | st.binary().map(lambda b: b.decode("utf-8", "surrogateescape")))
@MANY
def test_any_path_is_a_name_or_a_refusal(raw: str) -> None:
    """Decoding never raises, and a name that comes out would be judged the same if it came again as text."""
    for outcome in (decode_name(raw), check_name(raw)):
        assert refused_as(outcome, Code.NAME_INVALID) or check_name(str(outcome)) == outcome


MINTED = st.builds(
    Minted,
    at=st.floats(min_value=0, max_value=253_402_300_799, allow_nan=False),
    uuid=st.uuids().map(lambda value: value.hex),
)
TEMPLATES = st.sampled_from(
    [
        "{tenant}/{name}",
        "{tenant}/{subject}/{name}",
        "{tenant}/{year}/{month}/{day}/{uuid}",
        "{tenant}/.{name}",
        "{tenant}/x{uuid}/{name}.bin",
        "{tenant}/" + "p" * 255 + "/" + "q" * 240 + "/{name}",
    ]
)
SUBJECTS = st.sampled_from(["someone", "..", "a/b", "", "{name}"]) | TEXT


@given(
    name=TEXT | VALID.map("/".join),
    template=TEMPLATES,
    subject=SUBJECTS,
    minted=MINTED,
    tenant=st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True),
)
@MANY
def test_a_key_never_leaves_its_tenant(name: str, template: str, subject: str, minted: Minted, tenant: str) -> None:
    """A key's first segment is the tenant's id, whole, and no segment of it is empty or points elsewhere."""
    checked = check_name(name)
    if isinstance(checked, Refusal):
        return
    caller = Principal(tenant=tenant, issuer="i", subject=subject, scopes=frozenset())

    key = object_key(Policy(tenant=TenantId(tenant), key=template), caller, checked, minted)

    if isinstance(key, Refusal):
        assert key.code is Code.NAME_INVALID
        return
    first, *rest = key.split("/")
    assert first == tenant
    assert rest
    assert not {"", ".", ".."} & set(rest)
    assert len(key.encode()) <= 1024


@given(name=TEXT)
@MANY
def test_a_denied_extension_is_denied_however_it_is_dressed(name: str) -> None:
    """Denying finds at least the extensions that a name has by its own letters."""
    denied = (".exe", ".js")

    if set(extensions(name)) & set(denied):
        assert denied_extension(name, denied) is not None
    if name.isascii() and not any(each in name.lower() for each in denied):
        assert denied_extension(name, denied) is None


# --- headers ---------------------------------------------------------------------------------------------------------

HEADER_NAMES = st.sampled_from(
    [
        "Content-Type",
        "content-length",
        "If-None-Match",
        "if-match",
        "Content-MD5",
        "content-digest",
        "Repr-Digest",
        "expires",
        "content-encoding",
        "X-Amz-Meta-K",
        "x-amz-meta-",
        "x-amz-meta-\xe9",
        "x-amz-acl",
        "x-amz-cf-id",
        "X-Amzn-Trace-Id",
        "transfer-encoding",
        *(f"x-amz-checksum-{algorithm}" for algorithm in Algorithm),
    ]
)
SHA256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
DIGEST = f"sha-256=:{SHA256}:"
HEADER_VALUES = st.sampled_from(
    ["*", "", "image/png", "text/plain; a=b", "AAAAAA==", SHA256, DIGEST, "a\r\nb", "é", " x ", "aws-chunked"]
)
PAIRS = st.lists(st.tuples(HEADER_NAMES | st.text(), HEADER_VALUES | st.text()), max_size=6)


def values_of(found: object) -> set[str]:
    """Every text inside a frozen value, however deep."""
    if isinstance(found, str):
        return {found}
    if isinstance(found, tuple):
        return {text for part in found for text in values_of(part)}
    if dataclasses.is_dataclass(found) and not isinstance(found, Refusal):
        return {text for field in dataclasses.fields(found) for text in values_of(getattr(found, field.name))}
    return set()


@given(headers=PAIRS)
@MANY
def test_headers_declare_nothing_that_was_not_sent(headers: list[tuple[str, str]]) -> None:
    """Reading headers never raises, and invents neither a name nor a value."""
    found = declared(headers)

    names = {name.lower() for name, _ in headers}
    sent = " ".join(value for _, value in headers)
    known = names | {name.removeprefix("x-amz-meta-") for name in names} | set(Algorithm)
    assert all(text in known or text in sent for text in values_of(found))
    assert found.fault is None or found == declared([]).__class__(fault=found.fault)
    assert refused_as(found.fault, Code.HEADER_NOT_ALLOWED, Code.REQUEST_INVALID) or found.fault is None


@given(value=st.text() | HEADER_VALUES)
@FEW
def test_an_essence_is_a_plain_type(value: str) -> None:
    """Whatever is declared, what is compared is `type/subtype` in lower-case ASCII without parameters, or nothing."""
    kind = essence(value)

    assert kind is None or (
        kind.count("/") == 1 and kind.isascii() and kind == kind.lower() and not set(' ;,"') & set(kind)
    )
    assert kind is None or essence(kind) == kind


# --- decisions -------------------------------------------------------------------------------------------------------

TYPES = st.dictionaries(
    st.sampled_from(["image/png", "image/*", "text/plain", "*/*"]),
    st.sampled_from([(), (".png",), (".txt", ".png")]),
    max_size=4,
)
POLICIES = st.builds(
    Policy,
    tenant=st.sampled_from([TenantId("acme"), TenantId("acme"), TenantId("acme"), TenantId("globex")]),
    status=st.sampled_from(["active", "active", "active", "suspended"]),
    scopes=st.sampled_from([("files:write",), ("files:write", "other"), ("other",)]),
    backends=st.lists(st.sampled_from(Backend), unique=True, min_size=2).map(tuple),
    key=TEMPLATES,
    size=st.builds(SizeRule, min=st.sampled_from([0, 0, 5]), max=st.sampled_from([5, 1000, 10**12])),
    types=TYPES,
    names=st.builds(
        NameRule,
        max_depth=st.sampled_from([1, 2, 16]),
        deny_extensions=st.sampled_from([(), (".exe",), (".exe", ".js")]),
        pattern=st.sampled_from([None, None, "[a-z./]*"]),
    ),
    overwrite=st.booleans(),
    checksum=st.sampled_from(["optional", "optional", "required"]),
    metadata=st.builds(
        MetadataRule, keys=st.sampled_from([("*",), ("k",), ()]), max_bytes=st.sampled_from([2, 4, 2048])
    ),
    object_headers=st.sampled_from([(), ("expires",), ("expires", "content-encoding")]),
)
CALLERS = st.builds(
    Principal,
    tenant=st.sampled_from(["acme", "acme", "acme", "globex", None]),
    issuer=st.just("i"),
    subject=SUBJECTS,
    scopes=st.sets(st.sampled_from(["files:write", "files:write", "other"]), min_size=1).map(frozenset),
    name_prefix=st.sampled_from([None, None, None, "a"]),
)
CARRIAGES = st.builds(
    Carriage,
    backend=st.sampled_from(Backend),
    max_size=st.sampled_from([5, 10_485_760, 5_368_709_120]),
    adds_headers=st.booleans(),
    portable_names=st.booleans(),
    max_encoded_name=st.sampled_from([None, None, 10]),
    metadata_keys=st.sampled_from([None, frozenset({"k"}), frozenset()]),
    checksums=st.sampled_from([None, frozenset(Algorithm), frozenset({Algorithm.SHA256})]),
    object_headers=st.sampled_from([None, frozenset({"expires"}), frozenset()]),
)
LIKELY = st.lists(
    st.sampled_from(
        [
            ("If-None-Match", "*"),
            ("x-amz-checksum-sha256", SHA256),
            ("x-amz-meta-k", "v"),
            ("x-amz-meta-other", "v"),
            ("expires", "0"),
            ("content-digest", DIGEST),
        ]
    ),
    unique=True,
    max_size=3,
)
NAMES = st.sampled_from(["a.png", "a/b.txt", "a.exe.png", "a", "é/a.png"]).map(quote) | TEXT


@st.composite
def intents(draw: st.DrawFn, carriages: st.SearchStrategy[Carriage] = CARRIAGES) -> Intent:
    """An intent as the decoder makes it of some request."""
    size = draw(st.sampled_from([0, 4, 5, 6, 1000, 5_368_709_121]))
    kind = draw(st.sampled_from(["image/png", "Text/Plain; a=b", "image/gif", "bad", None]))
    headers: list[tuple[str, str]] = [("Content-Length", str(size)), *draw(LIKELY)]
    headers += [] if kind is None else [("content-type", kind)]
    headers += draw(PAIRS) if draw(st.integers(0, 3)) == 0 else []
    raw = RawRequest(method="PUT", path="/b/" + draw(NAMES), query="", headers=tuple(headers))
    intent = read_intent(raw, base="/b", carriage=draw(carriages), minted=draw(MINTED))
    assume(isinstance(intent, Intent))
    assert isinstance(intent, Intent)
    return intent


@given(caller=CALLERS, policy=POLICIES, intent=intents())
@MANY
def test_every_request_is_decided_once_and_for_all(caller: Principal, policy: Policy, intent: Intent) -> None:
    """A decision is a grant or a refusal of the catalogue, the same each time, and explained as it was made."""
    outcome = decide(caller, policy, intent)

    explanation = explain(caller, policy, intent)
    assert decide(caller, policy, intent) == outcome == explanation.decision
    refused = [name for name, what in explanation.walk if what is Outcome.REFUSED]
    assert isinstance(outcome, Grant) is (not refused)
    assert isinstance(outcome, Grant) or (outcome.code in CATALOGUE and outcome.detail)


GENEROUS = Policy(
    tenant=TenantId("acme"),
    types={"*/*": ()},
    metadata=MetadataRule(keys=("*",)),
    object_headers=("content-encoding", "content-disposition", "content-language", "expires"),
)
ANYONE = Principal(tenant="acme", issuer="i", subject="s", scopes=frozenset({"files:write"}))


@given(
    policy=st.builds(
        lambda key, *, overwrite: dataclasses.replace(GENEROUS, key=key, overwrite=overwrite),
        TEMPLATES,
        overwrite=st.booleans(),
    ),
    intent=intents(st.just(Carriage(backend=Backend.PROXY))),
)
@MANY
def test_a_grant_stays_within_what_was_asked_and_allowed(policy: Policy, intent: Intent) -> None:
    """No header of a grant can break a request apart, and nothing in it was not declared."""
    grant = decide(ANYONE, policy, intent)
    event("granted" if isinstance(grant, Grant) else f"refused: {grant.code}")
    if isinstance(grant, Refusal):
        return
    assert grant.key.startswith("acme/")
    assert (grant.name, grant.size, grant.content_type) == (intent.name, intent.size, intent.content_type)
    assert policy.size.min <= grant.size <= min(policy.size.max, intent.carriage.max_size, 5_368_709_120)
    assert grant.create_only or policy.overwrite
    headers = grant.s3_headers()
    assert len({name for name, _ in headers}) == len(headers)
    for name, value in headers:
        assert name == name.lower()
        assert all(text.isascii() and not set("\r\n\x00") & set(text) for text in (name, value))


def covered(entry: str, types: dict[str, Any]) -> bool:
    """Whether a broader entry of the types would take over if this one were gone."""
    broader = {"*/*"} if entry.endswith("/*") else {entry.partition("/")[0] + "/*", "*/*"}
    return entry != "*/*" and bool(broader & types.keys())


def narrowings(policy: Policy) -> list[Policy]:
    """Policies that allow less than this one in one respect."""
    size, names, metadata = policy.size, policy.names, policy.metadata
    changes: list[dict[str, Any]] = [
        *(
            {"types": {k: v for k, v in policy.types.items() if k != entry}}
            for entry in policy.types
            if not covered(entry, dict(policy.types))
        ),
        *({"backends": tuple(each for each in policy.backends if each != gone)} for gone in policy.backends),
        *({"scopes": tuple(each for each in policy.scopes if each != gone)} for gone in policy.scopes),
        *(
            {"object_headers": tuple(each for each in policy.object_headers if each != gone)}
            for gone in policy.object_headers
        ),
        *({"size": dataclasses.replace(size, max=limit)} for limit in (0, 4, 5, 999) if limit < size.max),
        {"size": dataclasses.replace(size, min=size.min + 1)},
        *(
            {"names": dataclasses.replace(names, deny_extensions=(*names.deny_extensions, each))}
            for each in (".png", ".txt", ".")
        ),
        {"names": dataclasses.replace(names, max_depth=names.max_depth - 1)},
        {"names": dataclasses.replace(names, pattern=names.pattern or "[a-z.]*")},
        {"metadata": dataclasses.replace(metadata, keys=("k",) if metadata.keys == ("*",) else ())},
        {"metadata": dataclasses.replace(metadata, max_bytes=metadata.max_bytes - 1)},
        {"overwrite": False},
        {"checksum": "required"},
        {"status": "suspended"},
    ]
    return [dataclasses.replace(policy, **change) for change in changes]


@given(caller=CALLERS, policy=POLICIES, intent=intents())
@MANY
def test_a_narrower_policy_never_grants_more(caller: Principal, policy: Policy, intent: Intent) -> None:
    """Taking something away from a tenant turns no refusal into a grant."""
    outcome = decide(caller, policy, intent)

    for narrower in narrowings(policy):
        assert isinstance(outcome, Grant) or isinstance(decide(caller, narrower, intent), Refusal)


def test_an_exact_type_may_be_what_narrows_a_wildcard() -> None:
    """The one exception, and by design: an exact entry beats its wildcard, so taking it out leaves the wildcard."""
    raw = RawRequest(
        method="PUT", path="/a.x", query="", headers=(("content-length", "0"), ("content-type", "image/png"))
    )
    intent = read_intent(raw, base="", carriage=Carriage(backend=Backend.PROXY), minted=Minted(at=0, uuid="0" * 32))
    assert isinstance(intent, Intent)

    both = decide(ANYONE, Policy(tenant=TenantId("acme"), types={"image/png": (".png",), "image/*": ()}), intent)
    wildcard = decide(ANYONE, Policy(tenant=TenantId("acme"), types={"image/*": ()}), intent)

    assert refused_as(both, Code.TYPE_MISMATCH)
    assert isinstance(wildcard, Grant)

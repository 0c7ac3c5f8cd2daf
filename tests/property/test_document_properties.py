"""Laws of the tenant document: nothing raises, and what is rendered is read back."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.document import parse, render
from gateway.policy.model import Policy
from gateway.policy.problems import Fault
from gateway.policy.strict_json import loads

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
)
_NAMES = """
version tenant status scopes backends key owner size types names overwrite checksum metadata object_headers url_lifetime
multipart clients quota rate inspection webhooks issuers min max max_depth deny_extensions pattern keys max_bytes
threshold part_size max_age bytes objects per_second burst per issuer kind audience client_ids token_use jwks_uri
subject_claim scope_claim tenant_claim
"""
MEMBERS = st.sampled_from(_NAMES.split())
WORDS = st.sampled_from(
    ["acme", "active", "edge", "{tenant}/{name}", ".png", "text/html", ".html", "sts", "cognito", "https://a.example/"]
)
NEAR = st.recursive(
    SCALARS | WORDS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(MEMBERS | WORDS, inner, max_size=12)
)


def _subset(*options: str, least: int = 0) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(options), unique=True, min_size=least)


def _token(alphabet: str = "abcxyz0189-") -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=1, max_size=8)


EXTENSIONS = st.lists(_token("abc09_+").map(".{}".format), unique=True, max_size=4)
ISSUERS = st.lists(
    st.fixed_dictionaries(
        {"issuer": _token("abc").map("https://{}.example/".format), "audience": st.just(["files"])},
        optional={
            "token_use": _subset("access", "id", least=1),
            "tenant_claim": st.none() | st.text("abc:/", min_size=1),
            "jwks_uri": st.none() | st.just("https://keys.example.com/jwks"),
        },
    ),
    unique_by=lambda issuer: str(issuer["issuer"]),
    max_size=3,
)
DOCUMENTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"version": st.just(1), "tenant": st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)},
    optional={
        "status": st.sampled_from(["active", "suspended"]),
        "scopes": st.lists(_token(), unique=True, min_size=1, max_size=3),
        "backends": _subset("edge", "presigned", "proxy", least=1),
        "key": st.sampled_from(["{tenant}/{name}", "{tenant}/{subject}/{uuid}", "{tenant}/in/{year}-{month}/{name}"]),
        "size": st.tuples(st.integers(0, 10**13), st.integers(0, 10**13)).map(
            lambda pair: {"min": min(pair), "max": max(pair)}
        ),
        "types": st.dictionaries(st.builds("{}/{}".format, _token("ABc"), _token("xyz.+")).filter(
            lambda text: text.partition("/")[2][0].isalnum()), EXTENSIONS, max_size=4
        ).filter(lambda types: len({name.lower() for name in types}) == len(types)),
        "names": st.fixed_dictionaries({"deny_extensions": st.just([]), "pattern": st.none() | st.just("[a-z]+")}),
        "metadata": st.fixed_dictionaries({"keys": st.just(["*"]) | st.lists(_token(), unique=True)}),
        "rate": st.none() | st.fixed_dictionaries(
            {"per_second": st.floats(0.01, 1e6) | st.integers(1, 10**6), "burst": st.integers(1, 10**6)}
        ),
        "quota": st.fixed_dictionaries({"bytes": st.none() | st.integers(0, 2**63 - 1)}),
        "issuers": ISSUERS,
    },
)  # fmt: skip


@given(JSON | NEAR)
@settings(max_examples=300, deadline=None)
def test_any_value_is_a_policy_or_faults(document: object) -> None:
    """Whatever JSON can hold is answered; a refusal has pointers into what was sent, ready to be encoded."""
    answer = parse(document)

    if not isinstance(answer, Policy):
        assert answer
        assert all(fault.pointer == "" or fault.pointer.startswith("/") for fault in answer)
        assert json.dumps([fault.pointer for fault in answer], ensure_ascii=False).encode()


@settings(deadline=None)
@given(DOCUMENTS, MEMBERS, NEAR)
def test_one_strange_member_is_a_policy_or_faults(document: dict[str, Any], member: str, value: object) -> None:
    """A right document with one member replaced is read, or only that member and what depends on it is blamed."""
    answer = parse({**document, member: value})

    if not isinstance(answer, Policy):
        assert {fault.pointer.split("/")[1] for fault in answer} <= {member, "types"}


@settings(deadline=None)
@given(DOCUMENTS)
def test_a_policy_survives_its_document(document: dict[str, Any]) -> None:
    """Rendered, sent as JSON and read again it is the same policy; and rendering is stable."""
    policy = parse(document)
    assert isinstance(policy, Policy), policy

    rendered = render(policy)
    again = parse(loads(json.dumps(rendered)))

    assert policy == again
    assert rendered == render(again)


@settings(deadline=None)
@given(JSON)
def test_what_is_encoded_is_read_as_itself(value: object) -> None:
    """Strict reading changes nothing of a value that it takes, and what it refuses is a fault."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except ValueError:
        return
    answer = loads(text)

    assert isinstance(answer, Fault) or answer == value


@given(st.binary(max_size=60) | st.text(st.sampled_from('[]{}",:\\u0d8e19-+.tfn \n\ufeff\ud800'), max_size=40))
@settings(max_examples=300, deadline=None)
def test_bytes_never_raise_and_never_mean_more_than_to_the_library(data: bytes | str) -> None:
    """What is taken here, the library takes with the same value."""
    answer = loads(data, max_depth=4)

    if not isinstance(answer, Fault):
        assert json.loads(data) == answer

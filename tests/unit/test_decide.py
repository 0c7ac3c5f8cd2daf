"""The decision: every rule, the order of refusals, and the walk that explains it."""

import dataclasses
import itertools
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.admission import Admission
from gateway.identity.credential import Credential
from gateway.intake import RawRequest
from gateway.policy.decide import RULES, Outcome, decide, explain
from gateway.policy.grant import Grant
from gateway.policy.model import (
    SINGLE_PUT_LIMIT,
    Algorithm,
    Backend,
    Carriage,
    Checksum,
    Intent,
    MetadataRule,
    Minted,
    NameRule,
    Policy,
    Principal,
    SizeRule,
    TenantId,
)
from gateway.policy.names import check_name
from gateway.policy.problems import CATALOGUE, Code, Refusal

CONTRACT = Path(__file__).parents[2] / "../shared/design/contract.md"
MINTED = Minted(at=1_795_000_000.0, uuid="0" * 32)
PROXY = Carriage(backend=Backend.PROXY)
PRESIGNED = Carriage(backend=Backend.PRESIGNED, adds_headers=False)
CALLER = Principal(tenant="acme", issuer="https://issuer", subject="someone", scopes=frozenset({"files:write"}))
POLICY = Policy(tenant=TenantId("acme"), types={"image/png": (".png",), "text/*": ()})
INTENT = Intent(
    carriage=PROXY,
    name="a.png",
    size=5,
    content_type="image/png",
    checksum=None,
    create_only=False,
    metadata=(),
    object_headers=(),
    minted=MINTED,
)
CRC32 = Checksum(Algorithm.CRC32, "AAAAAA==")


def code(outcome: Grant | Refusal) -> Code | None:
    """The refusal's code, None for a grant."""
    return outcome.code if isinstance(outcome, Refusal) else None


def judged(policy: Policy = POLICY, intent: Intent = INTENT, caller: Principal = CALLER) -> Code | None:
    return code(decide(caller, policy, intent))


def with_policy(**changes: object) -> Policy:
    return dataclasses.replace(POLICY, **changes)  # type: ignore[arg-type]


def with_intent(**changes: object) -> Intent:
    return dataclasses.replace(INTENT, **changes)  # type: ignore[arg-type]


def with_caller(**changes: object) -> Principal:
    return dataclasses.replace(CALLER, **changes)  # type: ignore[arg-type]


def test_an_upload_within_every_rule_is_granted() -> None:
    """The grant repeats what was declared under the key that the policy makes, and creates only."""
    grant = decide(CALLER, POLICY, INTENT)

    assert isinstance(grant, Grant)
    assert (grant.key, grant.size, grant.content_type, grant.create_only) == ("acme/a.png", 5, "image/png", True)
    assert (grant.tenant, grant.issuer, grant.subject) == ("acme", "https://issuer", "someone")


def test_a_policy_of_defaults_grants_nothing() -> None:
    """What a tenant does not list, nobody may upload."""
    policy = Policy(tenant=TenantId("acme"))

    assert judged(policy, with_intent(content_type=None)) is Code.TYPE_NOT_ALLOWED
    assert judged(policy) is Code.TYPE_NOT_ALLOWED


@pytest.mark.parametrize(
    ("caller", "policy", "expected"),
    [
        (with_caller(tenant=None), POLICY, Code.TENANT_UNKNOWN),
        (with_caller(tenant=""), POLICY, Code.TENANT_UNKNOWN),
        (with_caller(tenant="ACME"), POLICY, Code.TENANT_UNKNOWN),
        (with_caller(tenant="acme/"), POLICY, Code.TENANT_UNKNOWN),
        (with_caller(tenant="globex"), POLICY, Code.TENANT_UNKNOWN),
        (CALLER, with_policy(status="suspended"), Code.TENANT_SUSPENDED),
        (CALLER, with_policy(status="unheard-of"), Code.TENANT_SUSPENDED),
        (with_caller(scopes=frozenset()), POLICY, Code.SCOPE_MISSING),
        (with_caller(scopes=frozenset({"files:read"})), POLICY, Code.SCOPE_MISSING),
        (with_caller(scopes=frozenset({"files:writ", "FILES:WRITE"})), POLICY, Code.SCOPE_MISSING),
        (CALLER, with_policy(scopes=()), Code.SCOPE_MISSING),
        (CALLER, with_policy(scopes=("other", "files:write")), None),
        (with_caller(scopes=frozenset({"a", "files:write"})), POLICY, None),
        (CALLER, with_policy(backends=(Backend.EDGE, Backend.PRESIGNED)), Code.BACKEND_NOT_ALLOWED),
        (CALLER, with_policy(backends=()), Code.BACKEND_NOT_ALLOWED),
        (CALLER, with_policy(backends=(Backend.PROXY,)), None),
        (CALLER, with_policy(inspection="required"), Code.BACKEND_NOT_ALLOWED),
        (with_caller(name_prefix="a."), POLICY, None),
        (with_caller(name_prefix="b"), POLICY, Code.NAME_NOT_ALLOWED),
        (with_caller(name_prefix="a.png/"), POLICY, Code.NAME_NOT_ALLOWED),
    ],
)
def test_who_may_upload(caller: Principal, policy: Policy, expected: Code | None) -> None:
    """The tenant is the credential's own, active, and the caller has one of its scopes."""
    assert judged(policy, caller=caller) is expected


def test_a_missing_scope_is_challenged_as_rfc_6750_has_it() -> None:
    """The client learns which scope would do."""
    refusal = decide(with_caller(scopes=frozenset()), with_policy(scopes=("a", "b")), INTENT)

    assert isinstance(refusal, Refusal)
    assert refusal.headers == (
        ("www-authenticate", 'Bearer realm="upload-gateway", error="insufficient_scope", scope="a b"'),
    )


@pytest.mark.parametrize(
    ("name", "rule", "expected"),
    [
        ("a.png", NameRule(), None),
        ("/".join("a" * 16) + ".png", NameRule(), None),
        ("/".join("a" * 17) + ".png", NameRule(), Code.NAME_NOT_ALLOWED),
        ("a.png", NameRule(max_depth=1), None),
        ("a/b.png", NameRule(max_depth=1), Code.NAME_NOT_ALLOWED),
        ("a.exe.png", NameRule(), Code.NAME_NOT_ALLOWED),
        ("a.HTML.png", NameRule(), Code.NAME_NOT_ALLOWED),
        ("x.js.\uff0fb.png", NameRule(), Code.NAME_NOT_ALLOWED),
        ("a.exe.png", NameRule(deny_extensions=()), None),
        ("a.exe/b.png", NameRule(), None),
        ("a.png", NameRule(pattern="[a-z]\\.png"), None),
        ("aa.png", NameRule(pattern="[a-z]\\.png"), Code.NAME_NOT_ALLOWED),
        ("a.pngx", NameRule(pattern="[a-z]\\.png"), Code.NAME_NOT_ALLOWED),
        ("a" * 256, NameRule(), None),
    ],
)
def test_which_names_a_tenant_allows(name: str, rule: NameRule, expected: Code | None) -> None:
    """Depth, extensions and pattern are the tenant's; a pattern matches all of a name or nothing."""
    assert judged(with_policy(names=rule, types={"*/*": ()}), with_intent(name=name)) is expected


def test_a_name_that_could_not_be_decoded_is_refused_as_it_was() -> None:
    """The decoder's own refusal comes out, in its turn."""
    fault = Refusal(code=Code.NAME_INVALID, detail="why")

    assert decide(CALLER, POLICY, with_intent(name=fault)) is fault


@pytest.mark.parametrize(("length", "expected"), [(1018, None), (1019, None), (1020, Code.NAME_INVALID)])
def test_a_key_over_1024_bytes_is_refused(length: int, expected: Code | None) -> None:
    """The prefix counts."""
    name = "/".join(["a" * 200] * 5 + ["a" * (length - 1005)])

    assert judged(with_policy(types={"*/*": ()}), with_intent(name=name)) is expected


def test_a_key_that_a_template_and_a_name_make_together_has_no_form_variable() -> None:
    """A dollar sign of the template before a brace of the name would be a variable to an S3 form."""
    policy = with_policy(key="{tenant}/${name}", types={"*/*": ()})

    assert judged(policy, with_intent(name="{filename}")) is Code.NAME_INVALID
    assert judged(policy, with_intent(name="filename")) is None


@pytest.mark.parametrize(("length", "fits"), [(4095, True), (4096, True), (4097, False)])
def test_a_name_that_can_not_fit_a_key_is_not_even_normalised(length: int, *, fits: bool) -> None:
    """Normalising costs the square of a run of combining marks, so what no normal form could save is refused first."""
    name = ("a" * 99 + "/") * 40 + "b" * (length - 4000)

    assert isinstance(check_name(name), str) is fits


@pytest.mark.parametrize("shrinking", ["\u1fbe\u0308\u0341", "\u03b1\u0313\u0300\u0345", "\u212a"])
def test_a_name_that_fits_once_normalised_is_taken(shrinking: str) -> None:
    """A key of 1,024 bytes may come from the longest spelling of it there is."""
    size = len(unicodedata.normalize("NFC", shrinking).encode())
    segments = [shrinking * (count // size) for count in (252, 252, 252, 252)]
    outcome = decide(CALLER, with_policy(types={"*/*": ()}), with_intent(name=check_name("/".join(segments))))

    assert isinstance(outcome, Grant)
    assert len(outcome.key.encode()) == len("acme/") + 4 * 252 + 3


@pytest.mark.parametrize(
    ("name", "content_type", "expected"),
    [
        ("a.png", "image/png", None),
        ("a.PNG", "IMAGE/PNG; x=y", None),
        ("a.tar.png", "image/png", None),
        ("a.png", None, Code.TYPE_NOT_ALLOWED),
        ("a.png", "", Code.TYPE_NOT_ALLOWED),
        ("a.png", "image/gif", Code.TYPE_NOT_ALLOWED),
        ("a.png", "image/png, text/plain", Code.TYPE_NOT_ALLOWED),
        ("a.png", "png", Code.TYPE_NOT_ALLOWED),
        ("a.jpg", "image/png", Code.TYPE_MISMATCH),
        ("a.png.jpg", "image/png", Code.TYPE_MISMATCH),
        ("a", "image/png", Code.TYPE_MISMATCH),
        ("a.", "image/png", Code.TYPE_MISMATCH),
        ("a.png.", "image/png", Code.TYPE_MISMATCH),
        ("a.png/b", "image/png", Code.TYPE_MISMATCH),
        ("png", "image/png", Code.TYPE_MISMATCH),
        (".png", "image/png", None),
        ("a", "text/plain", None),
        ("a.anything", "text/csv", None),
    ],
)
def test_which_type_goes_with_which_extension(name: str, content_type: str | None, expected: Code | None) -> None:
    """The type must be listed, and the last extension one of its own; none listed allows any and none."""
    assert judged(intent=with_intent(name=name, content_type=content_type)) is expected


@pytest.mark.parametrize(
    ("types", "content_type", "expected"),
    [
        ({"image/png": (".png",), "image/*": (".gif",), "*/*": (".txt",)}, "image/png", None),
        ({"image/png": (".gif",), "image/*": (".png",), "*/*": (".png",)}, "image/png", Code.TYPE_MISMATCH),
        ({"image/*": (".gif",), "*/*": (".png",)}, "image/png", Code.TYPE_MISMATCH),
        ({"*/*": ()}, None, None),
        ({"*/*": ()}, "not a type", Code.TYPE_NOT_ALLOWED),
        ({}, "image/png", Code.TYPE_NOT_ALLOWED),
    ],
)
def test_an_exact_type_beats_a_wildcard(
    types: dict[str, tuple[str, ...]], content_type: str | None, expected: Code | None
) -> None:
    """The most exact entry alone says which extensions go with a type."""
    assert judged(with_policy(types=types), with_intent(content_type=content_type)) is expected


@pytest.mark.parametrize("extension", [".tif", ".tiff"])
def test_an_extension_with_a_ligature_is_none_of_the_listed(extension: str) -> None:
    """Letters are folded as ASCII, so what looks alike is not alike."""
    policy = with_policy(types={"image/tiff": (extension,)})

    assert judged(policy, with_intent(name="a.ti\ufb00", content_type="image/tiff")) is Code.TYPE_MISMATCH


GIB5 = 5_368_709_120


@pytest.mark.parametrize(
    ("rule", "max_size", "size", "expected", "limit"),
    [
        (SizeRule(min=10, max=20), GIB5, 9, Code.SIZE_BELOW_MINIMUM, 10),
        (SizeRule(min=10, max=20), GIB5, 10, None, None),
        (SizeRule(min=10, max=20), GIB5, 20, None, None),
        (SizeRule(min=10, max=20), GIB5, 21, Code.SIZE_EXCEEDS_LIMIT, 20),
        (SizeRule(), GIB5, 0, None, None),
        (SizeRule(), GIB5, GIB5 - 1, None, None),
        (SizeRule(), GIB5, GIB5, None, None),
        (SizeRule(), GIB5, GIB5 + 1, Code.SIZE_EXCEEDS_LIMIT, GIB5),
        (SizeRule(), GIB5, 10**30, Code.SIZE_EXCEEDS_LIMIT, GIB5),
        (SizeRule(max=GIB5 + 1), GIB5, GIB5 + 1, Code.SIZE_EXCEEDS_LIMIT, GIB5),
        (SizeRule(max=GIB5 - 1), GIB5, GIB5, Code.SIZE_EXCEEDS_LIMIT, GIB5 - 1),
        (SizeRule(), 10_485_760, 10_485_760, None, None),
        (SizeRule(), 10_485_760, 10_485_761, Code.SIZE_EXCEEDS_LIMIT, 10_485_760),
        (SizeRule(min=0, max=0), GIB5, 0, None, None),
        (SizeRule(min=0, max=0), GIB5, 1, Code.SIZE_EXCEEDS_LIMIT, 0),
    ],
)
def test_sizes_at_their_limits(
    rule: SizeRule, max_size: int, size: int, expected: Code | None, limit: int | None
) -> None:
    """The tighter of the tenant's and the way's limit holds, both ends included, and is said."""
    carriage = Carriage(backend=Backend.PROXY, max_size=max_size)

    outcome = decide(CALLER, with_policy(size=rule), with_intent(size=size, carriage=carriage))

    assert code(outcome) is expected
    assert (outcome.limit if isinstance(outcome, Refusal) else None) == limit


@pytest.mark.parametrize("backend", Backend)
def test_five_gib_is_a_put_s_end_on_any_backend_and_the_way_on_is_named(backend: Backend) -> None:
    """Whatever the policy, more goes in parts; where the tenant's own limit is the reason, parts would not help."""
    too_large = with_intent(size=SINGLE_PUT_LIMIT + 1, carriage=Carriage(backend=backend))

    beyond_a_put = decide(CALLER, POLICY, too_large)
    beyond_the_tenant = decide(CALLER, with_policy(size=SizeRule(max=5)), too_large)

    assert isinstance(beyond_a_put, Refusal)
    assert isinstance(beyond_the_tenant, Refusal)
    assert "POST /uploads" in beyond_a_put.detail
    assert "POST /uploads" not in beyond_the_tenant.detail


@pytest.mark.parametrize(
    ("rule", "metadata", "expected"),
    [
        (MetadataRule(), (), None),
        (MetadataRule(), (("a", ""),), Code.HEADER_NOT_ALLOWED),
        (MetadataRule(keys=("a",)), (("a", "x"),), None),
        (MetadataRule(keys=("a",)), (("a", "x"), ("b", "x")), Code.HEADER_NOT_ALLOWED),
        (MetadataRule(keys=("*",)), (("anything", "x"),), None),
        (MetadataRule(keys=("a",)), (("*", "x"),), Code.HEADER_NOT_ALLOWED),
        (MetadataRule(keys=("*",), max_bytes=10), (("abcd", "x" * 5),), None),
        (MetadataRule(keys=("*",), max_bytes=10), (("abcd", "x" * 6),), None),
        (MetadataRule(keys=("*",), max_bytes=10), (("abcd", "x" * 7),), Code.HEADER_NOT_ALLOWED),
        (MetadataRule(keys=("*",), max_bytes=10), (("ab", "xxx"), ("cd", "xxx")), None),
        (MetadataRule(keys=("*",), max_bytes=10), (("ab", "xxx"), ("cd", "xxxx")), Code.HEADER_NOT_ALLOWED),
        (MetadataRule(keys=("*",), max_bytes=0), (), None),
        (MetadataRule(keys=("*",)), (("a", "x" * 2047),), None),
        (MetadataRule(keys=("*",)), (("a", "x" * 2048),), Code.HEADER_NOT_ALLOWED),
    ],
)
def test_metadata_within_its_limits(
    rule: MetadataRule, metadata: tuple[tuple[str, str], ...], expected: Code | None
) -> None:
    """Keys are the tenant's to list; keys and values together have a limit in bytes."""
    assert judged(with_policy(metadata=rule), with_intent(metadata=metadata)) is expected


@pytest.mark.parametrize(
    ("listed", "sent", "expected"),
    [
        ((), ("content-encoding",), Code.HEADER_NOT_ALLOWED),
        ((), ("expires",), Code.HEADER_NOT_ALLOWED),
        (("content-encoding",), ("content-encoding",), None),
        (("content-encoding",), ("content-language",), Code.HEADER_NOT_ALLOWED),
        (("content-encoding",), ("content-encoding", "content-disposition"), Code.HEADER_NOT_ALLOWED),
    ],
)
def test_object_headers_are_the_tenant_s_to_list(
    listed: tuple[str, ...], sent: tuple[str, ...], expected: Code | None
) -> None:
    """What S3 would serve again with the object is refused unless the tenant lists it."""
    intent = with_intent(object_headers=tuple((name, "x") for name in sent))

    assert judged(with_policy(object_headers=listed), intent) is expected


@pytest.mark.parametrize(
    ("required", "checksum", "expected"),
    [
        ("optional", None, None),
        ("optional", CRC32, None),
        ("required", None, Code.CHECKSUM_REQUIRED),
        *(("required", Checksum(algorithm, "x"), None) for algorithm in Algorithm),
    ],
)
def test_any_checksum_satisfies_required(required: str, checksum: Checksum | None, expected: Code | None) -> None:
    """Which of the six it is makes no difference."""
    assert judged(with_policy(checksum=required), with_intent(checksum=checksum)) is expected


@pytest.mark.parametrize(
    ("overwrite", "create_only", "carriage", "expected"),
    [
        (True, False, PRESIGNED, None),
        (True, True, PRESIGNED, None),
        (False, True, PRESIGNED, None),
        (False, False, PRESIGNED, Code.PRECONDITION_REQUIRED),
        (False, False, PROXY, None),
    ],
)
def test_a_create_only_tenant_gets_its_precondition_or_asks_for_it(
    *, overwrite: bool, create_only: bool, carriage: Carriage, expected: Code | None
) -> None:
    """Where nothing can be added to the client's request, the client must send it itself."""
    outcome = decide(CALLER, with_policy(overwrite=overwrite), with_intent(create_only=create_only, carriage=carriage))

    assert code(outcome) is expected
    assert not isinstance(outcome, Grant) or outcome.create_only is (create_only or not overwrite)


OPEN = with_policy(
    types={"*/*": ()}, metadata=MetadataRule(keys=("*",)), object_headers=("expires",), names=NameRule(max_depth=99)
)


@pytest.mark.parametrize(
    ("carriage", "changes", "expected"),
    [
        (PROXY, {"unread_headers": ("content-digest",)}, None),
        (PRESIGNED, {"unread_headers": ("content-digest",)}, Code.HEADER_NOT_ALLOWED),
        (Carriage(backend=Backend.PROXY, portable_names=True), {"name": "aZ0._-/b"}, None),
        *(
            (Carriage(backend=Backend.PROXY, portable_names=True), {"name": f"a{character}"}, Code.NAME_NOT_ALLOWED)
            for character in " +%~&'()é😀"
        ),
        (Carriage(backend=Backend.PROXY, max_encoded_name=10), {"name": "a" * 9}, None),
        (Carriage(backend=Backend.PROXY, max_encoded_name=10), {"name": "a" * 10}, None),
        (Carriage(backend=Backend.PROXY, max_encoded_name=10), {"name": "a" * 11}, Code.NAME_NOT_ALLOWED),
        (Carriage(backend=Backend.PROXY, max_encoded_name=10), {"name": "aaaa é"}, Code.NAME_NOT_ALLOWED),
        (Carriage(backend=Backend.EDGE, metadata_keys=frozenset({"a"})), {"metadata": (("a", "x"),)}, None),
        (
            Carriage(backend=Backend.EDGE, metadata_keys=frozenset({"a"})),
            {"metadata": (("a", "x"), ("b", "x"))},
            Code.HEADER_NOT_ALLOWED,
        ),
        (
            Carriage(backend=Backend.EDGE, metadata_keys=frozenset()),
            {"metadata": (("a", "x"),)},
            Code.HEADER_NOT_ALLOWED,
        ),
        (
            Carriage(backend=Backend.EDGE, object_headers=frozenset({"expires"})),
            {"object_headers": (("expires", "x"),)},
            None,
        ),
        (
            Carriage(backend=Backend.EDGE, object_headers=frozenset()),
            {"object_headers": (("expires", "x"),)},
            Code.HEADER_NOT_ALLOWED,
        ),
        (Carriage(backend=Backend.EDGE, checksums=frozenset({Algorithm.CRC32})), {"checksum": CRC32}, None),
        (
            Carriage(backend=Backend.EDGE, checksums=frozenset({Algorithm.SHA1})),
            {"checksum": CRC32},
            Code.HEADER_NOT_ALLOWED,
        ),
        (Carriage(backend=Backend.EDGE, checksums=frozenset()), {"checksum": None}, None),
    ],
)
def test_what_a_way_can_not_carry_is_refused_with_what_would_work(
    carriage: Carriage, changes: dict[str, object], expected: Code | None
) -> None:
    """A limit of the way is said with the way's name, and with its advice."""
    intent = with_intent(carriage=carriage, create_only=True, **changes)

    outcome = decide(CALLER, OPEN, intent)

    assert code(outcome) is expected
    if isinstance(outcome, Refusal) and not intent.unread_headers:
        assert carriage.backend in outcome.detail
        assert carriage.advice in outcome.detail


# --- the order of refusals -------------------------------------------------------------------------------------------

GOOD_HEADERS = {
    "authorization": "Bearer token",
    "content-length": "5",
    "content-type": "image/png",
    "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==",
    "if-none-match": "*",
}


@dataclasses.dataclass(kw_only=True)
class Situation:
    """A request that would be granted, to be spoilt; and the gateway it meets."""

    method: str = "PUT"
    path: str = "/presigned/a.png"
    query: str = ""
    headers: dict[str, str] = dataclasses.field(default_factory=GOOD_HEADERS.copy)
    policy: Policy | None = dataclasses.field(default_factory=lambda: with_policy(checksum="required"))
    changes: dict[str, object] = dataclasses.field(default_factory=dict)
    caller: Principal = CALLER

    def authenticate(self, _presented: Credential) -> Principal | Refusal:
        return self.caller

    async def authenticate_async(self, presented: Credential) -> Principal | Refusal:
        return self.authenticate(presented)

    def get(self, _tenant: str) -> Policy | None:
        return None if self.policy is None else dataclasses.replace(self.policy, **self.changes)  # type: ignore[arg-type]

    def outcome(self) -> Grant | Refusal:
        raw = RawRequest(method=self.method, path=self.path, query=self.query, headers=tuple(self.headers.items()))
        admitted = Admission(self, self, lambda: MINTED).admit_sync(
            raw, base="/presigned", carriage=PRESIGNED, request_id="r"
        )
        return admitted if isinstance(admitted, Refusal) else admitted.grant


Spoil = Callable[[Situation], object]

FAULTS: list[tuple[str, Spoil, Code]] = [
    ("method", lambda s: setattr(s, "method", "POST"), Code.METHOD_NOT_ALLOWED),
    ("length", lambda s: s.headers.pop("content-length"), Code.LENGTH_REQUIRED),
    ("query", lambda s: setattr(s, "query", "a=b"), Code.QUERY_NOT_ALLOWED),
    ("token", lambda s: s.headers.pop("authorization"), Code.TOKEN_MISSING),
    ("tenant", lambda s: setattr(s, "policy", None), Code.TENANT_UNKNOWN),
    ("status", lambda s: s.changes.update(status="suspended"), Code.TENANT_SUSPENDED),
    ("scope", lambda s: setattr(s, "caller", with_caller(scopes=frozenset())), Code.SCOPE_MISSING),
    ("backend", lambda s: s.changes.update(backends=(Backend.EDGE,)), Code.BACKEND_NOT_ALLOWED),
    ("headers", lambda s: s.headers.update({"x-amz-acl": "private"}), Code.HEADER_NOT_ALLOWED),
    ("name", lambda s: setattr(s, "path", "/presigned/a//b.png"), Code.NAME_INVALID),
    ("name-rule", lambda s: s.changes.update(names=NameRule(max_depth=0)), Code.NAME_NOT_ALLOWED),
    ("type", lambda s: s.headers.update({"content-type": "image/gif"}), Code.TYPE_NOT_ALLOWED),
    ("extension", lambda s: s.changes.update(types={"image/png": (".x",)}), Code.TYPE_MISMATCH),
    ("size", lambda s: s.changes.update(size=SizeRule(max=4)), Code.SIZE_EXCEEDS_LIMIT),
    ("checksum", lambda s: s.headers.pop("content-md5"), Code.CHECKSUM_REQUIRED),
    ("precondition", lambda s: s.headers.pop("if-none-match"), Code.PRECONDITION_REQUIRED),
]


def test_the_situation_is_granted_unspoilt() -> None:
    """Each fault below is the only one there is."""
    assert isinstance(Situation().outcome(), Grant)


@pytest.mark.parametrize(("name", "spoil", "expected"), FAULTS, ids=[name for name, *_ in FAULTS])
def test_each_fault_is_refused_by_its_own_code(name: str, spoil: Spoil, expected: Code) -> None:
    """One fault, one code."""
    situation = Situation()
    spoil(situation)

    assert code(situation.outcome()) is expected


PAIRS = list(itertools.combinations(FAULTS, 2))


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=[f"{a[0]}-{b[0]}" for a, b in PAIRS])
def test_of_two_faults_the_earlier_is_said(first: tuple[str, Spoil, Code], second: tuple[str, Spoil, Code]) -> None:
    """The contract's order holds for every pair of faults a request may have."""
    situation = Situation()
    for _name, spoil, _code in (first, second):
        spoil(situation)

    assert code(situation.outcome()) is first[2]


def test_with_every_fault_at_once_the_first_is_said_then_the_next() -> None:
    """Mending one fault after the other walks the whole order."""
    said = []
    for start in range(len(FAULTS)):
        situation = Situation()
        for _name, spoil, _code in FAULTS[start:]:
            spoil(situation)
        said.append(code(situation.outcome()))

    assert said == [expected for *_, expected in FAULTS]


# --- explaining ------------------------------------------------------------------------------------------------------

REFUSED_AT: list[tuple[str | None, Principal, Policy, Intent]] = [
    (None, CALLER, POLICY, INTENT),
    ("tenant", with_caller(tenant=None), POLICY, INTENT),
    ("scope", with_caller(scopes=frozenset()), POLICY, INTENT),
    ("backend", CALLER, with_policy(backends=()), INTENT),
    ("headers", CALLER, POLICY, with_intent(metadata=(("a", "b"),))),
    ("name", CALLER, with_policy(names=NameRule(max_depth=0)), INTENT),
    ("type", CALLER, POLICY, with_intent(content_type=None)),
    ("size", CALLER, POLICY, with_intent(size=SINGLE_PUT_LIMIT + 1)),
    ("checksum", CALLER, with_policy(checksum="required"), INTENT),
    ("precondition", CALLER, POLICY, with_intent(carriage=PRESIGNED)),
]


@pytest.mark.parametrize(("rule", "caller", "policy", "intent"), REFUSED_AT, ids=[str(row[0]) for row in REFUSED_AT])
def test_an_explanation_is_the_decision_and_its_walk(
    rule: str | None, caller: Principal, policy: Policy, intent: Intent
) -> None:
    """Every rule is named: passed up to the one that refused, not reached after it."""
    explanation = explain(caller, policy, intent)

    names = [each.name for each in RULES]
    stop = len(names) if rule is None else names.index(rule)
    assert explanation.decision == decide(caller, policy, intent)
    assert [name for name, _ in explanation.walk] == names
    assert [outcome for _, outcome in explanation.walk] == [
        Outcome.PASSED if at < stop else Outcome.REFUSED if at == stop else Outcome.NOT_REACHED
        for at in range(len(names))
    ]


# --- the catalogue ---------------------------------------------------------------------------------------------------


def contract_statuses() -> dict[str, set[int]]:
    """Code to the statuses that the contract's table of problems gives it."""
    section = CONTRACT.read_text().split("## 4. Problems")[1].split("## 5.")[0]
    found: dict[str, set[int]] = {}
    for row in re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", section, re.MULTILINE):
        codes, cell = re.findall(r"`([a-z-]+)`", row[0]), row[1].split(", ")
        statuses = [{int(number) for number in re.findall(r"\d{3}", part)} for part in cell]
        found |= dict(zip(codes, statuses * len(codes) if len(statuses) == 1 else statuses, strict=False))
    return found


@pytest.mark.skipif(not CONTRACT.exists(), reason="The wire contract is not beside this repository.")
def test_every_code_has_the_status_of_the_contract() -> None:
    """No code is missing, none is invented, and each says its own status."""
    expected = contract_statuses()

    assert {code.value for code in Code} == set(expected)
    assert {code for code, (status, _) in CATALOGUE.items() if status not in expected[code]} == set()


def test_every_code_has_a_title_of_its_own() -> None:
    """A person can tell two problems apart by their titles."""
    assert set(CATALOGUE) == set(Code)
    assert len({title for _, title in CATALOGUE.values()}) == len(Code)


def test_a_problem_says_what_rfc_9457_and_the_contract_want() -> None:
    """Type, title, status, detail and instance, and the members that the code carries."""
    refusal = Refusal(code=Code.SIZE_EXCEEDS_LIMIT, detail="why", limit=0, retry_after=0, headers=(("allow", "PUT"),))

    assert refusal.body("id") == {
        "type": "urn:upload-gateway:problem:size-exceeds-limit",
        "title": "The upload is too large",
        "status": 413,
        "detail": "why",
        "instance": "id",
        "limit": 0,
    }
    assert refusal.response_headers() == (
        ("content-type", "application/problem+json"),
        ("cache-control", "no-store"),
        ("retry-after", "0"),
        ("allow", "PUT"),
    )


def test_a_status_may_be_the_contract_s_other_one() -> None:
    """A target that is too long is a 414, a head that is too long a 431, by one code."""
    refusal = Refusal(code=Code.REQUEST_TOO_LONG, detail="why", status_override=414)

    assert refusal.status == refusal.body("id")["status"] == 414
    assert Refusal(code=Code.REQUEST_TOO_LONG, detail="why").status == 431

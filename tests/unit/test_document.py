"""The tenant document and the strict JSON it is written in."""

import json
from ipaddress import ip_address
from typing import Any

import pytest

from gateway.policy.addresses import public_address
from gateway.policy.document import MAX_FAULTS, parse, render, tenant_id
from gateway.policy.model import IssuerRule, Policy, RateRule
from gateway.policy.problems import Fault
from gateway.policy.strict_json import MAX_NUMBER, loads

OIDC = {"issuer": "https://id.example.com/a", "audience": ["files"]}


def _document(**members: Any) -> dict[str, Any]:
    return {"version": 1, "tenant": "acme", **members}


def _issuer(**members: Any) -> dict[str, Any]:
    return _document(issuers=[{**OIDC, **members}])


def _parsed(document: object, **options: bool) -> Policy:
    policy = parse(document, **options)
    assert isinstance(policy, Policy), policy
    return policy


def _pointers(document: object, **options: bool) -> list[str]:
    faults = parse(document, **options)
    return [] if isinstance(faults, Policy) else sorted(fault.pointer for fault in faults)


CONTRACT_EXAMPLE = {
    "version": 1,
    "tenant": "acme",
    "status": "active",
    "scopes": ["files:write"],
    "backends": ["edge", "presigned", "proxy"],
    "key": "{tenant}/{name}",
    "owner": "tenant",
    "size": {"min": 0, "max": 53687091200000},
    "types": {"image/png": [".png"], "text/*": [".txt", ".csv"]},
    "names": {"max_depth": 16, "deny_extensions": [".exe", ".html", ".htm", ".svg", ".js"], "pattern": None},
    "overwrite": False,
    "checksum": "optional",
    "metadata": {"keys": [], "max_bytes": 2048},
    "object_headers": [],
    "url_lifetime": 900,
    "multipart": {"threshold": 104857600, "part_size": 8388608, "max_age": 86400},
    "clients": ["uppy"],
    "quota": {"bytes": None, "objects": None},
    "rate": {"per_second": 50, "burst": 100, "per": "tenant"},
    "inspection": "none",
    "webhooks": [],
    "issuers": [
        {
            "issuer": "https://id.example.com",
            "kind": "oidc",
            "audience": ["files"],
            "client_ids": [],
            "token_use": ["access"],
            "jwks_uri": None,
            "subject_claim": "sub",
            "scope_claim": "scope",
            "tenant_claim": None,
        }
    ],
}


def test_the_contracts_document_is_read_and_rendered_as_it_stands() -> None:
    """Every member of the contract's example survives, in its order."""
    rendered = render(_parsed(CONTRACT_EXAMPLE))

    assert json.dumps(CONTRACT_EXAMPLE) == json.dumps(rendered)


def test_what_is_left_out_is_the_contracts_default() -> None:
    """A document of two members renders as the contract's brackets say."""
    defaults = {**CONTRACT_EXAMPLE, "types": {}, "rate": None, "issuers": []}

    assert defaults == render(_parsed(_document()))


ACCEPTED = [
    _document(key="{tenant}/{year}/{month}/{day}/{subject}/{uuid}"),
    _document(key="{tenant}/ünicode 100% a+b&c'd/{name}"),
    _document(key="{tenant}/$/{name}"),
    _document(types={"*/*": []}),
    _document(types={"application/vnd.oasis.opendocument.text": [".odt"]}),
    _document(types={"text/html": [".html"]}, names={"deny_extensions": []}),
    _document(names={"pattern": "[a-z0-9/._-]+"}),
    _document(metadata={"keys": ["*"]}),
    _document(metadata={"keys": ["album", "x.y"], "max_bytes": 0}),
    _document(size={"min": 7, "max": 7}),
    _document(size={"min": 0, "max": 0}),
    _document(clients=[]),
    _document(url_lifetime=60),
    _document(url_lifetime=3600),
    _document(quota={"bytes": 0, "objects": 2**63 - 1}),
    _document(rate={"per_second": 0.5, "burst": 1}),
    _document(webhooks=["https://hooks.example.com:8443/a?tenant=acme"]),
    _document(webhooks=["https://93.184.216.34/", "https://[2606:2800:220:1::1]/"]),
    _issuer(kind="cognito", audience=[], client_ids=["c"], token_use=["access", "id"]),
    _issuer(jwks_uri="https://keys.example.com/jwks.json", tenant_claim="https://example.com/tenant"),
]


@pytest.mark.parametrize("document", ACCEPTED, ids=range(len(ACCEPTED)))
def test_a_right_document_round_trips(document: dict[str, Any]) -> None:
    """What is read, rendered, sent as JSON and read again is the same policy."""
    policy = _parsed(document)

    assert policy == _parsed(loads(json.dumps(render(policy))))


REFUSED: list[tuple[object, list[str]]] = [
    # The whole
    (None, [""]),
    ([], [""]),
    ("acme", [""]),
    ({1: 2}, [""]),
    ({}, ["/tenant", "/version"]),
    ({"version": 1}, ["/tenant"]),
    ({"tenant": "acme"}, ["/version"]),
    (_document(version=2), ["/version"]),
    (_document(version=True), ["/version"]),
    (_document(version=1.0), ["/version"]),
    (_document(version="1"), ["/version"]),
    (_document(extra=1), ["/extra"]),
    (_document(__proto__={"overwrite": True}), ["/__proto__"]),
    (_document(constructor=None), ["/constructor"]),
    (_document(Status="active"), ["/Status"]),
    (_document(**{"a/b~c": 1}), ["/a~1b~0c"]),
    (_document(**{"": 1}), ["/"]),
    (_document(**{"\ud800": 1}), ["/?"]),
    # tenant
    (_document(tenant=""), ["/tenant"]),
    (_document(tenant="Acme"), ["/tenant"]),
    (_document(tenant="-acme"), ["/tenant"]),
    (_document(tenant="acme\n"), ["/tenant"]),
    (_document(tenant="acme/.."), ["/tenant"]),
    (_document(tenant="a" * 64), ["/tenant"]),
    (_document(tenant="асме"), ["/tenant"]),
    (_document(tenant=["acme"]), ["/tenant"]),
    # words
    (_document(status="Active"), ["/status"]),
    (_document(status=None), ["/status"]),
    (_document(owner="user"), ["/owner"]),
    (_document(checksum=True), ["/checksum"]),
    (_document(inspection="maybe"), ["/inspection"]),
    (_document(overwrite=1), ["/overwrite"]),
    (_document(overwrite="false"), ["/overwrite"]),
    # scopes, backends, clients
    (_document(scopes=[]), ["/scopes"]),
    (_document(scopes="files:write"), ["/scopes"]),
    (_document(scopes=["a b"]), ["/scopes/0"]),
    (_document(scopes=["a", "", 'b"', "c\\"]), ["/scopes/1", "/scopes/2", "/scopes/3"]),
    (_document(scopes=["a", "a"]), ["/scopes/1"]),
    (_document(scopes=["files:write", "tenants:admin"]), ["/scopes/1"]),
    (_document(backends=[]), ["/backends"]),
    (_document(backends=["edge", "edge"]), ["/backends/1"]),
    (_document(backends=["files", ["edge"]]), ["/backends/0", "/backends/1"]),
    (_document(clients=["uppy", "tus"]), ["/clients/1"]),
    (_document(clients=["sts", "sts"]), ["/clients/1"]),
    # key
    (_document(key="{name}"), ["/key"]),
    (_document(key="globex/{name}"), ["/key"]),
    (_document(key="{tenant}{name}"), ["/key"]),
    (_document(key="/{tenant}/{name}"), ["/key", "/key"]),
    (_document(key="{tenant}/fixed"), ["/key"]),
    (_document(key="{tenant}/{subject}"), ["/key"]),
    (_document(key="{tenant}/../{name}"), ["/key"]),
    (_document(key="{tenant}/./{name}"), ["/key"]),
    (_document(key="{tenant}//{name}"), ["/key"]),
    (_document(key="{tenant}/{name}/"), ["/key"]),
    (_document(key="{tenant}/${name}"), ["/key"]),
    (_document(key="{tenant}/{email}/{name}"), ["/key"]),
    (_document(key="{tenant}/{name}}"), ["/key"]),
    (_document(key="{tenant}/{{name}}"), ["/key"]),
    (_document(key="{tenant}/{name.__class__}/{uuid}"), ["/key"]),
    (_document(key="{tenant}/a\\b/{name}"), ["/key"]),
    (_document(key="{tenant}/a\x00/{name}"), ["/key"]),
    (_document(key="{tenant}/a\u202e/{name}"), ["/key"]),
    (_document(key="{tenant}/\ud800/{name}"), ["/key"]),
    (_document(key="{tenant}/e\u0301/{name}"), ["/key"]),
    (_document(key="{tenant}/" + "a" * 256 + "/{name}"), ["/key"]),
    (_document(key="{tenant}/{name}" + "a" * 600), ["/key"]),
    (_document(key=None), ["/key"]),
    # size
    (_document(size={"min": 2, "max": 1}), ["/size/min"]),
    (_document(size={"min": 53687091200001}), ["/size/min"]),
    (_document(size={"max": 53687091200001}), ["/size/max"]),
    (_document(size={"min": -1, "max": -1}), ["/size/max", "/size/min"]),
    (_document(size={"min": 1.0, "max": True}), ["/size/max", "/size/min"]),
    (_document(size={"min": "0", "max": None}), ["/size/max", "/size/min"]),
    (_document(size={"min": 10**400}), ["/size/min"]),
    (_document(size=[0, 1]), ["/size"]),
    (_document(size=None), ["/size"]),
    (_document(size={"minimum": 0}), ["/size/minimum"]),
    # types
    (_document(types=[]), ["/types"]),
    (_document(types={f"a/b{index}": [] for index in range(1_001)}), ["/types"]),
    (_document(types={"a/b": [f".{index}" for index in range(1_001)]}), ["/types/a~1b"]),
    (_document(types={"image": []}), ["/types/image"]),
    (_document(types={"*/png": []}), ["/types/*~1png"]),
    (_document(types={"text/plain; charset=utf-8": []}), ["/types/text~1plain; charset=utf-8"]),
    (_document(types={"text/plain ": []}), ["/types/text~1plain "]),
    (_document(types={"text/a/b": []}), ["/types/text~1a~1b"]),
    (_document(types={"text/ﬁ": []}), ["/types/text~1ﬁ"]),
    (_document(types={"image/PNG": [], "image/png": []}), ["/types/image~1png"]),
    (_document(types={"image/png": ".png"}), ["/types/image~1png"]),
    (_document(types={"image/png": ["png"]}), ["/types/image~1png/0"]),
    (_document(types={"image/png": ["."]}), ["/types/image~1png/0"]),
    (_document(types={"image/png": [".png", ".PNG"]}), ["/types/image~1png/1"]),
    (_document(types={"application/gzip": [".tar.gz"]}), ["/types/application~1gzip/0"]),
    (_document(types={"image/png": ["./png", ".p ng", ".p\\g", ".p:g", ".пнг", None]}),
     [f"/types/image~1png/{index}" for index in range(6)]),
    (_document(types={"Text/HTML": [".txt", ".HTML"]}), ["/types/Text~1HTML/1"]),
    (_document(types={"image/png": [".png"]}, names={"deny_extensions": [".png"]}), ["/types/image~1png/0"]),
    # names
    (_document(names={"max_depth": 0}), ["/names/max_depth"]),
    (_document(names={"max_depth": 1025}), ["/names/max_depth"]),
    (_document(names={"deny_extensions": ["exe", ".tar.gz", ".exe", ".EXE"]}),
     ["/names/deny_extensions/0", "/names/deny_extensions/1", "/names/deny_extensions/3"]),
    (_document(names={"pattern": ""}), ["/names/pattern"]),
    (_document(names={"pattern": "(a"}), ["/names/pattern"]),
    (_document(names={"pattern": r"(a)\1"}), ["/names/pattern"]),
    (_document(names={"pattern": "(?=a)a"}), ["/names/pattern"]),
    (_document(names={"pattern": "((a{100}){100}){100}"}), ["/names/pattern"]),
    (_document(names={"pattern": "a" * 513}), ["/names/pattern"]),
    (_document(names={"pattern": 5}), ["/names/pattern"]),
    # metadata, object headers
    (_document(metadata={"keys": ["*", "a"]}), ["/metadata/keys"]),
    (_document(metadata={"keys": ["Album", "a b", "", "ключ", "a:b"]}),
     [f"/metadata/keys/{index}" for index in range(5)]),
    (_document(metadata={"max_bytes": 2049}), ["/metadata/max_bytes"]),
    (_document(object_headers=["cache-control"]), ["/object_headers/0"]),
    (_document(object_headers=["Expires", "expires"]), ["/object_headers/1"]),
    # numbers
    (_document(url_lifetime=59), ["/url_lifetime"]),
    (_document(url_lifetime=3601), ["/url_lifetime"]),
    (_document(url_lifetime=None), ["/url_lifetime"]),
    (_document(multipart={"threshold": 5368709121}), ["/multipart/threshold"]),
    (_document(multipart={"threshold": 0}), ["/multipart/threshold"]),
    (_document(multipart={"part_size": 5242879}), ["/multipart/part_size"]),
    (_document(multipart={"part_size": 5368709121}), ["/multipart/part_size"]),
    (_document(multipart={"max_age": 3599}), ["/multipart/max_age"]),
    (_document(multipart={"max_age": 604801}), ["/multipart/max_age"]),
    (_document(quota={"bytes": -1, "objects": 2**63}), ["/quota/bytes", "/quota/objects"]),
    (_document(rate={}), ["/rate/burst", "/rate/per_second"]),
    (_document(rate={"per_second": 0, "burst": 0}), ["/rate/burst", "/rate/per_second"]),
    (_document(rate={"per_second": float("nan"), "burst": 1}), ["/rate/per_second"]),
    (_document(rate={"per_second": float("inf"), "burst": 1}), ["/rate/per_second"]),
    (_document(rate={"per_second": 5e-324, "burst": 1}), ["/rate/per_second"]),
    (_document(rate={"per_second": 10**400, "burst": 1}), ["/rate/per_second"]),
    (_document(rate={"per_second": True, "burst": 1.5}), ["/rate/burst", "/rate/per_second"]),
    (_document(rate={"per_second": 1, "burst": 1, "per": "issuer"}), ["/rate/per"]),
    (_document(rate=50), ["/rate"]),
    # issuers
    (_document(issuers={}), ["/issuers"]),
    (_document(issuers=[None]), ["/issuers/0"]),
    (_document(issuers=[{}]), ["/issuers/0/audience", "/issuers/0/issuer"]),
    (_issuer(audience=[]), ["/issuers/0/audience"]),
    (_issuer(audience="files"), ["/issuers/0/audience"]),
    (_issuer(audience=["", 1, "a\n"]), [f"/issuers/0/audience/{index}" for index in range(3)]),
    (_issuer(client_ids=["c"]), ["/issuers/0/client_ids"]),
    (_issuer(kind="cognito"), ["/issuers/0/client_ids"]),
    (_issuer(kind="saml"), ["/issuers/0/kind"]),
    (_issuer(token_use=[]), ["/issuers/0/token_use"]),
    (_issuer(token_use=["refresh"]), ["/issuers/0/token_use/0"]),
    (_issuer(subject_claim="", scope_claim=None), ["/issuers/0/scope_claim", "/issuers/0/subject_claim"]),
    (_issuer(tenant_claim=""), ["/issuers/0/tenant_claim"]),
    (_issuer(jwks_uri="file:///etc/passwd"), ["/issuers/0/jwks_uri"]),
    (_issuer(jwks_uri="http://id.example.com/keys"), ["/issuers/0/jwks_uri"]),
    (_document(issuers=[OIDC, OIDC]), ["/issuers/1"]),
    (_document(issuers=[OIDC] * 65), ["/issuers"]),
    # webhooks
    (_document(webhooks=["https://hooks.example.com/", "https://hooks.example.com/"]), ["/webhooks/1"]),
    (_document(webhooks=[f"https://hooks.example.com/{index}" for index in range(17)]), ["/webhooks"]),
    # several at once, also of different kinds
    (
        _document(status=0, size={"min": 9, "max": 1}, issuers=[{"issuer": "x", "audience": []}], rate={"burst": 1}),
        ["/issuers/0/audience", "/issuers/0/issuer", "/rate/per_second", "/size/min", "/status"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("document", "pointers"), REFUSED, ids=range(len(REFUSED)))
def test_a_wrong_document_is_refused_with_every_pointer(document: object, pointers: list[str]) -> None:
    """Each fault is told once, where it is, and nothing else is."""
    assert pointers == _pointers(document)


HOSTILE_URLS = [
    "",
    "id.example.com",
    "//id.example.com/",
    "HTTPS://id.example.com/",
    "http://id.example.com/",
    "ftp://id.example.com/",
    "data:application/json,{}",
    "javascript:alert(1)",
    "https://",
    "https:///path",
    "https://user@id.example.com/",
    "https://user:secret@id.example.com/",
    "https://id.example.com@127.0.0.1/",
    "https://id.example.com/#fragment",
    "https://id.example.com\\@127.0.0.1/",
    "https://id.example.com /",
    "https://id.example.com/\n",
    "https://id.example.com/a b",
    "https://id.example.com/%zz",
    "https://id.example.com/../a",
    "https://id.example.com/%2E%2e/a",
    "https://id.example.com:0/",
    "https://id.example.com:65536/",
    "https://id.example.com:/",
    "https://id.example.com.",
    "https://id..example.com/",
    "https://-id.example.com/",
    "https://ｉｄ.example.com/",  # noqa: RUF001 - full-width on purpose
    "https://bücher.example.com/",
    "https://" + "a" * 64 + ".example.com/",
    "https://" + ".".join(["a" * 60] * 5) + "/",
    "https://id.example.com/" + "a" * 2048,
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://a.localhost/",
    "https://metadata/",
    "https://metadata.google.internal/",
    "https://printer.local/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://127.0.0.1./",
    "https://127.0.0.08/",
    "https://0x/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:1::1]/",
    "https://[2001:db8::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[ff02::1]/",
    "https://[v1.x]/",
    "https://[1.2.3.4]/",
    "https://[]/",
]


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_no_spelling_of_a_private_host_is_taken(url: str) -> None:
    """Issuers, their keys and webhooks can't point where the gateway's own network is, nor be ambiguous."""
    document = {**_issuer(issuer=url, jwks_uri=url), "webhooks": [url]}

    assert _pointers(document) == ["/issuers/0/issuer", "/issuers/0/jwks_uri", "/webhooks/0"]


def test_only_a_webhook_may_have_a_query() -> None:
    """An issuer is an identifier without a query (OpenID Connect Discovery, section 2)."""
    url = "https://id.example.com/?a=b"

    assert _pointers({**_issuer(issuer=url), "webhooks": [url]}) == ["/issuers/0/issuer"]


PRIVATE_ISSUERS = ["http://127.0.0.1:9000", "http://localhost:9000/a", "https://[::1]/", "http://keycloak:8080/realm"]


@pytest.mark.parametrize("url", PRIVATE_ISSUERS)
def test_an_operator_may_allow_private_issuers(url: str) -> None:
    """The option takes loopback and http for issuers and their keys, and for nothing else."""
    document = _issuer(issuer=url, jwks_uri=url)

    assert url == _parsed(document, allow_private_issuers=True).issuers[0].issuer
    assert _pointers({**document, "webhooks": [url]}, allow_private_issuers=True) == ["/webhooks/0"]


ODD_PRIVATE = ["http://2130706433/", "http://0177.0.0.1/", "http://u@localhost/", "ftp://localhost/", "http://a b/"]


@pytest.mark.parametrize("url", ODD_PRIVATE)
def test_private_issuers_are_still_spelled_plainly(url: str) -> None:
    """What two parsers could read differently is refused with the option too."""
    assert _pointers(_issuer(issuer=url), allow_private_issuers=True) == ["/issuers/0/issuer"]


def test_public_addresses_are_told_from_others() -> None:
    """The rule that the fetcher applies after DNS is the one that literals are held to."""
    public = ["1.1.1.1", "93.184.216.34", "2606:4700::1111"]
    private = ["10.1.2.3", "0.1.2.3", "240.0.0.1", "192.0.2.1", "::", "::ffff:1.1.1.1", "2002:101:101::", "5f00::1"]

    assert [True] * len(public) == [public_address(ip_address(text)) for text in public]
    assert [False] * len(private) == [public_address(ip_address(text)) for text in private]


def test_a_default_that_denies_is_explained() -> None:
    """The contradiction with the default deny list says what to do about it."""
    (fault,) = parse(_document(types={"text/html": [".html"]}))  # type: ignore[misc]

    assert Fault(
        "/types/text~1html/0",
        "this extension is also denied: names.deny_extensions denies it unless it is given; "
        "give it without this extension",
    ) == fault  # fmt: skip


def test_case_without_meaning_is_folded() -> None:
    """Types, extensions and header names are stored in lower case."""
    policy = _parsed(_document(types={"Image/PNG": [".PNG"]}, object_headers=["Content-Language"]))

    assert policy.types == {"image/png": (".png",)}
    assert policy.object_headers == ("content-language",)


def test_absent_members_of_inner_objects_are_defaults() -> None:
    """A rate is for the tenant, an issuer is of kind oidc, unless they say otherwise."""
    policy = _parsed({**_issuer(), "rate": {"per_second": 2, "burst": 3}})

    assert RateRule(per_second=2.0, burst=3) == policy.rate
    assert (IssuerRule(issuer="https://id.example.com/a", audience=("files",)),) == policy.issuers


def test_an_answer_lists_a_bounded_number_of_faults() -> None:
    """A document of nothing but faults can't make an answer larger than the document."""
    assert len(_pointers({str(index): None for index in range(10_000)})) == MAX_FAULTS


def test_faults_do_not_repeat_what_was_sent() -> None:
    """A detail is a sentence of ours; a value sent by mistake (a secret) is not in it."""
    faults = parse(_document(status="hunter2", tenant="hunter2!", key="hunter2", webhooks=["https://a:hunter2@b.c/"]))

    assert "hunter2" not in str(faults)


@pytest.mark.parametrize("text", ["a", "0", "a-b", "a" * 63])
def test_a_tenant_id_is_made(text: str) -> None:
    """The bounds of an id."""
    assert text == tenant_id(text)


@pytest.mark.parametrize("text", ["", "A", "-", "a_b", "a" * 64, "a\n", "é", None, 1, b"a"])
def test_what_is_no_tenant_id_is_a_fault(text: object) -> None:
    """One beyond the bounds of an id."""
    assert isinstance(tenant_id(text), Fault)


# Strict JSON. The names are those of JSONTestSuite (N. Seriot, "Parsing JSON is a Minefield").

JSON_TAKEN: list[tuple[bytes, object]] = [
    (b"{}", {}),
    (b" [ 1 , 2 ]\n", [1, 2]),
    (b'"\\u00e9\\n"', "é\n"),
    (b'"\\ud83d\\ude00"', "😀"),
    ('["é😀\u2028"]'.encode(), ["é😀\u2028"]),
    (b"-0", 0),
    (b"1E2", 100.0),
    (b"[true,false,null]", [True, False, None]),
    (b'{"a":1,"b":{"a":2}}', {"a": 1, "b": {"a": 2}}),
    (b'{"":0}', {"": 0}),
    (b'"[[[[[[[[[[[[[[[[[[[["', "[[[[[[[[[[[[[[[[[[[["),
    (b'["\\"[", "\\\\", "]"]', ['"[', "\\", "]"]),
    (b"1" * MAX_NUMBER, int("1" * MAX_NUMBER)),
    (b'{"__proto__":1}', {"__proto__": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("data", "value"), JSON_TAKEN, ids=range(len(JSON_TAKEN)))
def test_json_is_read(data: bytes, value: object) -> None:
    """What RFC 8259 calls JSON is read, as bytes and as text."""
    assert [value, value] == [loads(data, max_depth=4), loads(data.decode(), max_depth=4)]


JSON_REFUSED: list[bytes] = [
    b"", b" ", b"[", b"]", b"{", b"[1,]", b"[,1]", b"[1,,2]", b"[1 2]", b'{"a":1,}', b'{"a" 1}', b"{a:1}", b"{'a':1}",
    b'{"a":1 "b":2}', b"{1:1}", b"[1]]", b"[1]x", b"1 2", b"//c\n1", b"/*c*/1", b"nul", b"True", b"NaN", b"Infinity",
    b"-Infinity", b"[NaN]", b"+1", b"01", b"-01", b"1.", b".5", b"1e", b"0x1", b"1_000", b"-", b"1e999", b"-1e999",
    b"9" * (MAX_NUMBER + 1), b"0." + b"1" * MAX_NUMBER, b'"', b'"\\x"', b'"\\u12"', b'"a\nb"', b'"a\tb"', b'"\x00"',
    b'"\\ud800"', b'["\\udc00"]', b'{"\\ud800":1}', b'{"a":[["\\ud83d"]]}', b'"\\ude00\\ud83d"', b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00", b"{\x00}\x00", b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b"\xc2\xa0[]", b"\x0c[]",
    b'{"a":1,"a":1}', b'[{"a":{"b":1,"b":2}}]', b'{"a":1,"\\u0061":2}', b"[[[[[1]]]]]", b'{"a":[{"a":[[]]}]}',
    b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000, b'"\\', b'["a\\"',
]  # fmt: skip


@pytest.mark.parametrize("data", JSON_REFUSED, ids=range(len(JSON_REFUSED)))
def test_what_is_no_strict_json_is_a_fault(data: bytes) -> None:
    """Malformed, ambiguous and oversized texts are one fault about the whole."""
    fault = loads(data, max_depth=4)

    assert isinstance(fault, Fault)
    assert fault.pointer == ""


@pytest.mark.parametrize(("extra", "taken"), [(-1, True), (0, True), (1, False)])
def test_the_size_is_counted_in_bytes(extra: int, taken: bool) -> None:
    """At the limit a text is read, one byte above it is not; letters of two bytes count twice."""
    text = '"' + "é" * 49 + "a" * extra + '"' if extra > 0 else '"' + "é" * (49 + extra) + '"'

    assert taken == isinstance(loads(text, max_bytes=100), str)


def test_bytes_above_the_limit_are_not_decoded() -> None:
    """Too long is told before anything else is looked at."""
    assert loads(b"\xff" * 101, max_bytes=100) == Fault("", "this JSON is longer than 100 bytes")


def test_text_with_a_surrogate_is_a_fault() -> None:
    """Text that was decoded leniently can't smuggle what bytes could not."""
    assert isinstance(loads('"\ud800"'), Fault)


def test_a_limit_above_the_interpreters_is_safe() -> None:
    """A caller that allows absurd depths gets a fault, not a RecursionError."""
    assert isinstance(loads(b"[" * 500_000 + b"]" * 500_000, max_depth=1_000_000), Fault)

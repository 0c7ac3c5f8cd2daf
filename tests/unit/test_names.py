"""The name a client sends, and the key it becomes."""

import pytest

from gateway.policy.model import Minted, Policy, Principal, TenantId
from gateway.policy.names import check_name, decode_name, denied_extension, extensions, key_prefix, object_key
from gateway.policy.problems import Code, Refusal

MINTED = Minted(at=1_795_000_000.0, uuid="0" * 32)


def principal(subject: str = "someone") -> Principal:
    return Principal(tenant="acme", issuer="https://issuer", subject=subject, scopes=frozenset())


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("photo.png", "photo.png"),
        ("a/b/c.txt", "a/b/c.txt"),
        ("a%2Fb", "a/b"),
        ("100%25.txt", "100%.txt"),
        ("a%252Fb", "a%2Fb"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("a%20b", "a b"),
        ("%F0%9F%91%A9%E2%80%8D%F0%9F%94%AC.png", "👩\u200d🔬.png"),
        ("cafe%CC%81.txt", "café.txt"),
        ("café.txt", "café.txt"),
        ("quote'\"&=;,.txt", "quote'\"&=;,.txt"),
        ("...", "..."),
        ("a/..b", "a/..b"),
        ("~user", "~user"),
        ("$money{", "$money{"),
        ("%41", "A"),
        ("a" * 255, "a" * 255),
    ],
)
def test_a_name_is_decoded_exactly_once(raw: str, name: str) -> None:
    """What arrives in the key is what the client meant, to the byte."""
    assert decode_name(raw) == name


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        "a%2F%2Fb",
        "a%2F",
        ".",
        "..",
        "a/./b",
        "a/../b",
        "..%2Fb",
        "%2e%2e/b",
        "a/%2E",
        "a\\b",
        "a%5Cb",
        "a%00b",
        "a%0Ab",
        "a%7Fb",
        "a%C2%80b",
        "a%E2%80%AEb",
        "a%EF%BB%BFb",
        "a%C2%ADb",
        "%ED%A0%80",
        "%C0%AF",
        "%E0%80%AF",
        "%F5%80%80%80",
        "%FF",
        "\udcff",
        "a%",
        "a%2",
        "a%zz",
        "a%%20",
        "a${filename}",
        "%24%7Bx",
        "a" * 256,
        "é" * 128,
    ],
)
def test_a_name_that_hops_could_read_differently_is_refused(raw: str) -> None:
    """Nothing that a later hop could decode, fold or resolve once more gets through."""
    outcome = decode_name(raw)

    assert isinstance(outcome, Refusal)
    assert outcome.code is Code.NAME_INVALID


def test_text_names_meet_the_same_rules_but_are_not_decoded() -> None:
    """A JSON member is text already: its percent signs are its own."""
    assert check_name("a%2Fb") == "a%2Fb"
    assert isinstance(check_name("a\ud800"), Refusal)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a", ()),
        ("a.png", (".png",)),
        ("A.PNG", (".png",)),
        ("a.tar.gz", (".tar", ".gz")),
        (".htaccess", (".htaccess",)),
        ("x.jpg.", (".jpg", ".")),
        ("dir.exe/a.png", (".png",)),
    ],
)
def test_every_extension_of_the_last_segment_counts(name: str, found: tuple[str, ...]) -> None:
    """The extensions of a name are all that follow a dot of its last segment."""
    assert extensions(name) == found


@pytest.mark.parametrize(
    "name",
    [
        "a.exe",
        "a.EXE",
        "a.exe.png",
        "a.exe ",
        "a.exe::$DATA",
        "a.exe;.png",
        "a\uff0eexe",
        "a.\uff45\uff58\uff45",
        "a.exe%00.png",
    ],
)
def test_a_denied_extension_is_seen_as_lenient_systems_see_it(name: str) -> None:
    """Tricks that reach a Windows user as an .exe are an .exe here."""
    assert denied_extension(name, (".exe",)) is not None


@pytest.mark.parametrize(
    ("template", "name", "key"),
    [
        ("{tenant}/{name}", "a.png", "acme/a.png"),
        ("{tenant}/{year}/{month}/{day}/{name}", "a", "acme/2026/11/18/a"),
        ("{tenant}/{uuid}-{name}", "{uuid}", f"acme/{'0' * 32}-{{uuid}}"),
        ("{tenant}/{subject}/{name}", "{tenant}", "acme/someone/{tenant}"),
    ],
)
def test_a_key_is_the_template_filled_in_one_pass(template: str, name: str, key: str) -> None:
    """Placeholders in a name are text, not placeholders."""
    policy = Policy(tenant=TenantId("acme"), key=template)

    assert object_key(policy, principal(), name, MINTED) == key


@pytest.mark.parametrize("subject", ["", ".", "..", "a/b", "a\\b", "a\n", "x" * 256, "cafe\u0301", "\u202e", "${a}"])
def test_a_subject_that_is_no_single_segment_makes_no_key(subject: str) -> None:
    """An identity provider's subject can't steer a key out of its place."""
    policy = Policy(tenant=TenantId("acme"), key="{tenant}/{subject}/{name}")

    outcome = object_key(policy, principal(subject), "a", MINTED)

    assert isinstance(outcome, Refusal)
    assert outcome.code is Code.NAME_INVALID


@pytest.mark.parametrize(("length", "fits"), [(1023, True), (1024, True), (1025, False)])
def test_a_key_has_at_most_1024_bytes_prefix_included(length: int, *, fits: bool) -> None:
    """S3's limit is on the whole key, in UTF-8."""
    name = "é" * 100 + "/" + "a" * (length - len("acme/") - 201)
    policy = Policy(tenant=TenantId("acme"))

    outcome = object_key(policy, principal(), name, MINTED)

    assert isinstance(outcome, str) is fits


@pytest.mark.parametrize(
    "template", ["{tenant}/{name}", "{tenant}/in/{subject}/{uuid}/{name}", "{tenant}/{year}-{name}"]
)
@pytest.mark.parametrize("narrowed", [None, "mine/"])
def test_every_key_begins_with_the_prefix(template: str, narrowed: str | None) -> None:
    """Whatever is uploaded; a credential that is narrowed has none where something that changes stands in between."""
    policy = Policy(tenant=TenantId("acme"), key=template)
    who = Principal(tenant="acme", issuer="i", subject="ann", scopes=frozenset(), name_prefix=narrowed)

    prefix = key_prefix(policy, who)

    key = object_key(policy, who, "mine/a.txt", Minted(at=0.0, uuid="u"))
    if isinstance(prefix, str):
        assert str(key).startswith(prefix)
        assert prefix.endswith("mine/") or narrowed is None
    else:
        assert (prefix.code, narrowed) == (Code.NAME_NOT_ALLOWED, "mine/")

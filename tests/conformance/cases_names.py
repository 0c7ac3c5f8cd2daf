"""Names: from the raw path to the key, or to a refusal. The decoded names are written out, not computed."""

from collections.abc import Iterator
from typing import Final

from tests.conformance.case import UNIQUE_LENGTH, Case, Stored, refused

ROWS: Final = ("S05", "M01", "M21")

KEPT: Final[tuple[tuple[str, str, str], ...]] = (
    ("plain", "a.txt", "a.txt"),
    ("no-extension", "README", "README"),
    ("sub-folder", "a/b/c.txt", "a/b/c.txt"),
    ("encoded-slash", "a%2Fb.txt", "a/b.txt"),
    ("encoded-slash-lower", "a%2fb.txt", "a/b.txt"),
    ("encoded-letters", "%61%2Etxt", "a.txt"),
    ("encoded-dot-in-segment", "a%2eb%2etxt", "a.b.txt"),
    ("plus", "a+b.txt", "a+b.txt"),
    ("encoded-plus", "a%2Bb.txt", "a+b.txt"),
    ("space", "a%20b.txt", "a b.txt"),
    ("space-and-plus", "a%20b+c%2Bd.txt", "a b+c+d.txt"),
    ("only-space", "%20", " "),
    ("double-quote", "a%22b.txt", 'a"b.txt'),
    ("single-quote", "a'b.txt", "a'b.txt"),
    ("backtick", "a%60b.txt", "a`b.txt"),
    ("ampersand", "a&b.txt", "a&b.txt"),
    ("encoded-ampersand", "a%26b.txt", "a&b.txt"),
    ("question-mark", "a%3Fb.txt", "a?b.txt"),
    ("encoded-query", "a.txt%3Facl", "a.txt?acl"),
    ("hash", "a%23b.txt", "a#b.txt"),
    ("percent", "100%25.txt", "100%.txt"),
    ("percent-and-digits", "a%2541.txt", "a%41.txt"),
    ("semicolon", "a;v=1.txt", "a;v=1.txt"),
    ("colon", "a:b.txt", "a:b.txt"),
    ("star", "a*.txt", "a*.txt"),
    ("encoded-star", "%2A.txt", "*.txt"),
    ("at-sign", "@host.txt", "@host.txt"),
    ("equals-and-comma", "a=b,c.txt", "a=b,c.txt"),
    ("brackets", "%5Ba%5D.txt", "[a].txt"),
    ("braces", "%7Ba%7D.txt", "{a}.txt"),
    ("parentheses", "(a)!.txt", "(a)!.txt"),
    ("angle-brackets", "%3Cscript%3E.txt", "<script>.txt"),
    ("pipe-and-caret", "a%7Cb%5Ec.txt", "a|b^c.txt"),
    ("tilde", "~a.txt", "~a.txt"),
    ("encoded-tilde", "%7Ea.txt", "~a.txt"),
    ("dollar", "a$b.txt", "a$b.txt"),
    ("dollar-space-brace", "a$%20%7Bb%7D.txt", "a$ {b}.txt"),
    ("key-template-word", "%7Btenant%7D-%7Buuid%7D.txt", "{tenant}-{uuid}.txt"),
    ("format-word", "%25s-%25(tenant)s.txt", "%s-%(tenant)s.txt"),
    ("dot-file", ".profile", ".profile"),
    ("three-dots", "a/.../b.txt", "a/.../b.txt"),
    ("dots-before-text", "..a/b.txt", "..a/b.txt"),
    ("trailing-dot", "a.", "a."),
    ("double-encoded-traversal", "%252e%252e%252fglobex%252fx.txt", "%2e%2e%2fglobex%2fx.txt"),
    ("double-encoded-slash", "a%252Fb.txt", "a%2Fb.txt"),
    ("double-encoded-nul", "a%2500.txt", "a%00.txt"),
    ("triple-encoded-traversal", "%25252e%25252e%25252fx.txt", "%252e%252e%252fx.txt"),
    ("fullwidth-traversal", "%EF%BC%8E%EF%BC%8E%EF%BC%8Fglobex.txt", "\uff0e\uff0e\uff0fglobex.txt"),
    ("division-slash", "..%E2%88%95globex.txt", "..\u2215globex.txt"),
    ("other-tenant-as-folder", "globex/x.txt", "globex/x.txt"),
    ("own-tenant-as-folder", "acme/x.txt", "acme/x.txt"),
    ("backend-as-folder", "edge/proxy/x.txt", "edge/proxy/x.txt"),
    ("nfc", "caf%C3%A9.txt", "caf\u00e9.txt"),
    ("nfd-becomes-nfc", "cafe%CC%81.txt", "caf\u00e9.txt"),
    ("angstrom-becomes-nfc", "%E2%84%AB.txt", "\u00c5.txt"),
    ("greek-question-mark-becomes-nfc", "a%CD%BEb.txt", "a;b.txt"),
    ("hangul-becomes-nfc", "%E1%84%92%E1%85%A1%E1%86%AB.txt", "\ud55c.txt"),
    ("composition-exclusion", "%E0%A5%98.txt", "\u0915\u093c.txt"),
    ("ligature-stays", "%EF%AC%81.txt", "\ufb01.txt"),
    ("emoji", "%F0%9F%98%80.txt", "\U0001f600.txt"),
    (
        "emoji-with-zwj",
        "%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB.txt",
        "\U0001f469\u200d\U0001f4bb.txt",
    ),
    ("persian-with-zwnj", "%D9%85%DB%8C%E2%80%8C%D8%B1%D9%88%D9%85.txt", "\u0645\u06cc\u200c\u0631\u0648\u0645.txt"),
    ("japanese", "%E5%86%99%E7%9C%9F.txt", "\u5199\u771f.txt"),
    ("cyrillic-homoglyph", "%D0%B0cme.txt", "\u0430cme.txt"),
    ("no-break-space", "a%C2%A0b.txt", "a\u00a0b.txt"),
    ("last-plane", "%F3%B0%80%80.txt", "\U000f0000.txt"),
    ("wildcards-of-iam", "%2A/%3F.txt", "*/?.txt"),
    ("sql-quote", "a'%20OR%20'1'='1.txt", "a' OR '1'='1.txt"),
    ("shell", "$(id)%60id%60.txt", "$(id)`id`.txt"),
    ("xml", "%3C!%5BCDATA%5B.txt", "<![CDATA[.txt"),
    ("windows-device", "CON", "CON"),
    ("alternate-stream", "x.txt::$DATA", "x.txt::$DATA"),
)
"""Id, raw name below a unique folder, decoded name."""

INVALID: Final[tuple[tuple[str, str], ...]] = (
    ("empty", ""),
    ("only-slash", "/"),
    ("leading-slash", "/{u}.txt"),
    ("encoded-leading-slash", "%2F{u}.txt"),
    ("leading-slash-other-tenant", "/globex/{u}.txt"),
    ("trailing-slash", "{u}/"),
    ("encoded-trailing-slash", "{u}%2F"),
    ("double-slash", "{u}//a.txt"),
    ("slash-and-encoded-slash", "{u}/%2Fa.txt"),
    ("two-encoded-slashes", "{u}%2F%2Fa.txt"),
    ("dot-segment", "{u}/./a.txt"),
    ("leading-dot-segment", "./{u}.txt"),
    ("trailing-dot-segment", "{u}/."),
    ("encoded-dot-segment", "{u}/%2E/a.txt"),
    ("parent-segment", "{u}/../a.txt"),
    ("parent-segment-to-other-tenant", "../globex/{u}.txt"),
    ("deep-parents", "../../../../../../{u}.txt"),
    ("trailing-parent", "{u}/.."),
    ("encoded-parent", "%2e%2e/globex/{u}.txt"),
    ("half-encoded-parent", ".%2e/globex/{u}.txt"),
    ("other-half-encoded-parent", "%2E./globex/{u}.txt"),
    ("encoded-slash-traversal", "..%2Fglobex%2F{u}.txt"),
    ("fully-encoded-traversal", "%2e%2e%2fglobex%2f{u}.txt"),
    ("traversal-inside", "{u}%2F..%2F..%2Fglobex%2Fx.txt"),
    ("parent-with-parameter-segment", "{u}/..%2f;/x.txt"),
    ("backslash", "a%5C{u}.txt"),
    ("backslash-traversal", "..%5Cglobex%5C{u}.txt"),
    ("nul", "{u}%00.txt"),
    ("nul-before-extension", "{u}.exe%00.txt"),
    ("line-feed", "{u}%0A.txt"),
    ("carriage-return-line-feed", "{u}%0D%0AX-Evil:%201.txt"),
    ("tab", "{u}%09.txt"),
    ("escape", "{u}%1B[31m.txt"),
    ("delete", "{u}%7F.txt"),
    ("c1-control", "{u}%C2%85.txt"),
    ("right-to-left-override", "{u}%E2%80%AEgpj.txt"),
    ("left-to-right-isolate", "{u}%E2%81%A6x.txt"),
    ("right-to-left-mark", "{u}%E2%80%8Fx.txt"),
    ("zero-width-space", "{u}%E2%80%8B.txt"),
    ("word-joiner", "{u}%E2%81%A0.txt"),
    ("soft-hyphen", "{u}%C2%AD.txt"),
    ("byte-order-mark", "%EF%BB%BF{u}.txt"),
    ("tag-character", "{u}%F3%A0%81%A1.txt"),
    ("not-utf-8", "{u}%FF.txt"),
    ("truncated-utf-8", "{u}%C3.txt"),
    ("bare-continuation", "{u}%80.txt"),
    ("latin-1", "caf%E9{u}.txt"),
    ("overlong-slash", "..%C0%AFglobex%C0%AF{u}.txt"),
    ("overlong-slash-three", "..%E0%80%AFglobex{u}.txt"),
    ("overlong-slash-four", "..%F0%80%80%AFglobex{u}.txt"),
    ("overlong-dot", "%C0%AE%C0%AE/{u}.txt"),
    ("overlong-nul", "{u}%C0%80.txt"),
    ("surrogate-high", "{u}%ED%A0%80.txt"),
    ("surrogate-low", "{u}%ED%BF%BF.txt"),
    ("surrogate-pair", "{u}%ED%A0%BD%ED%B8%80.txt"),
    ("above-unicode", "{u}%F4%90%80%80.txt"),
    ("percent-alone", "{u}%.txt"),
    ("percent-and-one-digit", "{u}%2"),
    ("percent-and-no-hex", "{u}%zz.txt"),
    ("percent-u", "{u}%u002e.txt"),
    ("filename-variable", "{u}/$%7Bfilename%7D"),
    ("dollar-brace", "{u}$%7Bx.txt"),
    ("half-encoded-dollar-brace", "%24%7B{u}"),
)
"""Id, raw name that can't become a key."""

NOT_ALLOWED: Final[tuple[tuple[str, str], ...]] = (
    ("denied-extension", "{u}.exe"),
    ("denied-extension-upper", "{u}.EXE"),
    ("denied-extension-mixed", "{u}.hTmL"),
    ("denied-extension-svg", "{u}.svg"),
    ("denied-extension-js", "{u}.js"),
    ("denied-extension-htm", "{u}.htm"),
    ("denied-extension-before-last", "{u}.exe.txt"),
    ("denied-extension-among-many", "{u}.a.html.b.txt"),
    ("denied-extension-upper-before-last", "{u}.HTML.txt"),
    ("denied-extension-encoded", "{u}%2Eexe"),
    ("denied-extension-in-folder", "{u}/a.js"),
    ("denied-extension-trailing-dot", "{u}.exe."),
)
"""Id, raw name that can become a key but not this tenant's."""

SEGMENT: Final = 255
KEY: Final = 1024
DEPTH: Final = 16


def _sized_key(total: int) -> str:
    """A name whose key `acme/{name}` has exactly `total` bytes, in segments of at most 255."""
    left = total - len("acme/") - UNIQUE_LENGTH
    segments = []
    while left > 0:
        segment = min(left - 1, 200)
        segments.append("k" * segment)
        left -= segment + 1
    return "/".join(("{u}", *segments))


def _limits() -> Iterator[Case]:
    """Segment, key and depth at one below, at, and one above their limit, in ASCII and in longer characters."""
    for off in (-1, 0, 1):
        expect_name = "{u}" + "s" * (SEGMENT - UNIQUE_LENGTH + off)
        verdict = Stored(name=expect_name) if off <= 0 else refused("name-invalid")
        yield Case(id=f"segment-{SEGMENT + off}-bytes", rows=("S05", "M22"), raw_name=expect_name, expect=verdict)
        name = _sized_key(KEY + off)
        verdict = Stored(name=name) if off <= 0 else refused("name-invalid")
        yield Case(id=f"key-{KEY + off}-bytes", rows=("S05", "M22"), raw_name=name, expect=verdict)
        name = "/".join(["{u}", *["d"] * (DEPTH - 1 + off)])
        verdict = Stored(name=name) if off <= 0 else refused("name-not-allowed")
        yield Case(id=f"depth-{DEPTH + off}", rows=("S05",), raw_name=name, expect=verdict)
    letters, rest = divmod(SEGMENT, 3)
    yield Case(
        id="segment-of-255-bytes-of-three-byte-letters",
        rows=("S05", "M22"),
        raw_name="{u}/" + "%E5%86%99" * letters + "x" * rest,
        expect=Stored(name="{u}/" + "\u5199" * letters + "x" * rest),
    )
    yield Case(
        id="segment-of-256-bytes-of-four-byte-letters",
        rows=("S05", "M22"),
        raw_name="{u}/" + "%F0%9F%98%80" * 64,
        expect=refused("name-invalid"),
    )
    yield Case(
        id="segment-that-grows-over-255-bytes-in-nfc",
        rows=("S05", "M22", "M23"),
        raw_name="{u}/" + "%E0%A5%98" * 43,
        expect=refused("name-invalid"),
    )
    yield Case(
        id="segment-that-shrinks-to-255-bytes-in-nfc",
        rows=("S05", "M22", "M23"),
        raw_name="{u}/" + "e%CC%81" * 127 + "x",
        expect=Stored(name="{u}/" + "\u00e9" * 127 + "x"),
    )
    yield Case(
        id="name-of-eight-kilobytes",
        rows=("S05", "M22", "H07"),
        raw_name="{u}/" + "a/" * 4000 + "x",
        expect=refused("name-invalid", "request-too-long"),
    )


def name_cases() -> Iterator[Case]:
    """Every case about names."""
    for label, raw, name in KEPT:
        yield Case(id=f"name-{label}", rows=ROWS, raw_name="{u}/" + raw, expect=Stored(name="{u}/" + name))
    for label, raw in INVALID:
        yield Case(id=f"name-invalid-{label}", rows=(*ROWS, "M23"), raw_name=raw, expect=refused("name-invalid"))
    for label, raw in NOT_ALLOWED:
        yield Case(id=f"name-{label}", rows=("F01", "F07"), raw_name=raw, expect=refused("name-not-allowed"))
    yield from _limits()

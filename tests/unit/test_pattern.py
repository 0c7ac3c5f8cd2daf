"""Tenants' patterns: the subset, what is refused, and that a match costs no more than it should."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy import pattern as module
from gateway.policy.pattern import MAX_LENGTH, MAX_STATES, Pattern, compile_pattern, compiled

NAMES = [
    "", "a", "b", "ab", "ba", "aa", "aab", "abab", "a.b", "a-b", "a/b", "A", "é", "1", "12", "٣", "_", " ", "\t", "\n",
    "a\n", "^", "$", "]", "}", "\\", "{", "a{2}", "photo.png", "2026/11/23/x.jpg", "日本語", "a" * 50,
]  # fmt: skip

SAME_AS_RE = [
    "", "a", "ab", "a|b", "|a", "(a|)b", "a?", "a*", "a+", "a??", "a*?b", "a{2}", "a{2,}", "a{,2}", "a{1,3}b?", "a{0}b",
    "(ab)*", "(?:ab)+", "(a|b){2,4}", "(a*)*", "(a*)+b?", "((a?)*)*", "((a|b)*c?){2}", "[ab]", "[^ab]", "[a-c]+",
    "[^a-z]", "[]a]", "[^]]", "[a-]", "[-a]", r"[\d_]+", r"[^\w]", r"[a\]]", r"[\\^$]", "[.]", "[a^]", r"\d+", r"\D",
    r"\w+", r"\W", r"\s", r"\S+", ".", ".*", ".+b", "^a$", "^a|b$", "^", "$", "^$", r"\.", r"a\{2\}", "]", "}", "é",
    "日.*",    r"[^/]+\.png", r"\d{4}/\d{2}/\d{2}/[^/]+", "(a|aa)+", "(a?){30}a{30}", "(?:)", "()", "()*a",
]  # fmt: skip


def _compiled(text: str) -> Pattern:
    found = compile_pattern(text)
    assert isinstance(found, Pattern), found
    return found


@pytest.mark.parametrize("text", SAME_AS_RE)
def test_the_subset_means_what_re_means(text: str) -> None:
    """Every construct matches the names that `re.fullmatch` matches, and no other."""
    own = _compiled(text)
    theirs = re.compile(text)

    assert [bool(theirs.fullmatch(name)) for name in NAMES] == [own.fullmatch(name) for name in NAMES]


REFUSED = [
    (r"(a)\1", "back-references"), (r"(?P<n>a)", "named groups"), (r"(?=a)", "lookaround"), (r"(?!a)", "lookaround"),
    (r"(?<=a)b", "lookaround"), (r"(?i)a", "flags"), (r"(?i:a)", "flags"), (r"(?>a)", "lookaround"), (r"\bx", "\\b"),
    (r"\Aa\Z", "\\A"), (r"\x41", "\\x"), (r"\u0041", "\\u"), (r"\n", "\\n"), ("(a", "no )"), ("a)", "no ("),
    ("(a))", "no ("), ("[a", "no ]"), ("[", "no ]"), ("[]", "no ]"), ("[^]", "no ]"), ("a\\", "backslash"),
    ("[a\\", "backslash"), ("*a", "nothing to repeat"), ("a|+", "nothing to repeat"), ("(?)", "flags"),
    ("a**", "repeat of a repeat"), ("a*+", "repeat of a repeat"), ("a+?+", "repeat of a repeat"), ("a{2}{3}", "repeat"),
    ("a{", "{"), ("a{}", "{"), ("a{x}", "{"), ("a{-1}", "{"), ("a{2", "{"), ("a{٣}", "{"), ("a{1,2,3}", "{"),
    ("a{3,2}", "below"), ("a{99999}", "at most"), ("a{501}", "states"), ("(a{50}){50}", "states"),
    ("((((a{0}){999}){999}){999}){999}", "states"), ("a^b", "end of the pattern"), ("a$b", "end of the pattern"),
    ("(^a)", "end of the pattern"), ("(a$)", "end of the pattern"), ("^*", "nothing to repeat"), ("[b-a]", "backwards"),
    (r"[\d-z]", "one character"), (r"[a-\d]", "one character"), ("[[:alpha:]]", "escaped"), ("[a&&b]", "set operation"),
    ("[a--b]", "set operation"), ("(" * 33 + ")" * 33, "nested"), ("(" * 512, "nested"), ("a" * 513, "longer"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_what_is_outside_the_subset_is_refused_with_a_reason(text: str, words: str) -> None:
    """The sentence names what is wrong."""
    refused = compile_pattern(text)

    assert isinstance(refused, str)
    assert words in refused


def test_the_bounds_themselves_are_taken() -> None:
    """The longest pattern, the deepest nesting and a large count compile."""
    taken = ["a" * MAX_LENGTH, "(" * 32 + "a" + ")" * 32, "[a-z]{1,255}", "a{499}"]

    assert [True] * len(taken) == [isinstance(compile_pattern(text), Pattern) for text in taken]


CATASTROPHIC = [
    "(a+)+b",
    "(a|a)*b",
    "(a|aa)+$",
    "(.*)*b",
    "(a*)*b",
    "([a-z]+)*b",
    "a*a*a*a*a*a*a*a*b",
    "(a?){50}a{50}b",
]


@pytest.mark.parametrize("text", CATASTROPHIC)
def test_what_makes_a_backtracker_hang_takes_a_few_steps(text: str) -> None:
    """A long name of one letter teaches the machine once; what follows is looked up, whatever the pattern."""
    pattern = _compiled(text)
    pattern.fullmatch("a" * 100_000)

    assert pattern.steps <= 10_000


def test_a_match_costs_at_most_its_length_times_the_states() -> None:
    """Where nothing repeats, so that nothing is remembered in time, the bound still holds."""
    pattern = _compiled("(.{0,40}/)*.{0,40}x")
    name = "".join(chr(0x4E00 + index) for index in range(1_000))
    pattern.fullmatch(name)

    assert pattern.steps <= len(name) * MAX_STATES


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern that has learnt too much forgets it and still answers rightly."""
    monkeypatch.setattr(module, "MAX_CACHED", 50)
    pattern = _compiled("(a|b)*a(a|b){8}")
    names = [f"{number:012b}".replace("0", "a").replace("1", "b") for number in range(500)]

    assert [name[-9] == "a" for name in names] == [pattern.fullmatch(name) for name in names]
    assert len(pattern._known) <= 100


def test_a_policys_pattern_is_compiled_once() -> None:
    """The machine and what it has learnt are shared by all requests."""
    assert compiled("[a-z]+") is compiled("[a-z]+")


def test_a_refused_pattern_can_not_be_used() -> None:
    """No parsed policy holds one; if one came here all the same, nothing would match by accident."""
    with pytest.raises(ValueError, match="no \\)"):
        compiled("(a")


def _joined(parts: list[str]) -> str:
    return "".join(parts)


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", r"\S", r"\.", "[a-c1]", "é"])
REPEATS = st.sampled_from(["", "", "", "?", "*", "+", "{2}", "{1,3}", "{,2}", "{2,}", "*?"])
# The oracle backtracks: a repeated group of repeats must stay small, or `re` itself would not come back.
GROUP_REPEATS = st.sampled_from(["", "", "?", "*", "{1,2}"])
PATTERNS = st.recursive(
    st.builds(str.__add__, ATOMS, REPEATS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(_joined),
        st.builds("({}){}".format, inner, GROUP_REPEATS),
        st.builds("(?:{}|{}){}".format, inner, inner, GROUP_REPEATS),
        st.builds("^{}|{}$".format, inner, inner).filter(lambda text: text.count("^") == 1),
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(PATTERNS, st.lists(st.text("abc1.é\n-", max_size=6), min_size=1, max_size=8))
def test_generated_patterns_mean_what_re_means(text: str, names: list[str]) -> None:
    """Whatever compiles here decides as `re` does."""
    own = compile_pattern(text)
    if isinstance(own, Pattern):
        theirs = re.compile(text)

        assert [bool(theirs.fullmatch(name)) for name in names] == [own.fullmatch(name) for name in names]


@settings(deadline=None)
@given(st.text(st.sampled_from("ab1()[]{}|*+?^$\\-.,:=!<>P#&~dwbxé\n\ud800"), max_size=30), st.text(max_size=5))
def test_any_text_is_a_pattern_or_a_sentence(text: str, name: str) -> None:
    """Nothing raises; and what compiles here is a pattern for `re` too, with the same meaning."""
    own = compile_pattern(text)

    if isinstance(own, Pattern):
        assert bool(re.fullmatch(text, name)) == own.fullmatch(name)
    else:
        assert own

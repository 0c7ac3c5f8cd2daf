"""What a `Content-Type` names, and which extensions a tenant's types allow."""

import pytest

from gateway.policy.media import allowed_extensions, essence


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("image/png", "image/png"),
        ("IMAGE/Png", "image/png"),
        (" text/plain ", "text/plain"),
        ("text/plain; charset=utf-8", "text/plain"),
        ("text/plain;charset=utf-8", "text/plain"),
        ("text/plain ; charset=utf-8", "text/plain"),
        ("text/plain;", "text/plain"),
        ('text/plain; a="b,c"', "text/plain"),
        ('text/plain; a="b\\",c"', "text/plain"),
        ('text/plain; a="b;c"; d=e', "text/plain"),
        ("application/vnd.api+json", "application/vnd.api+json"),
        ("image/svg+xml; a=text/html", "image/svg+xml"),
    ],
)
def test_the_essence_is_the_type_without_its_parameters(value: str, expected: str) -> None:
    """Case and parameters make no difference to what may be stored."""
    assert essence(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        ";",
        "image",
        "image/",
        "/png",
        "/",
        "image/png/x",
        "image /png",
        "image/ png",
        "image/png image/gif",
        "image/png, text/html",
        "image/png,text/html",
        ",image/png",
        "image/png; a=b, text/html",
        "image/png;,text/html",
        'image/png; a="b", text/html',
        'image/png; a="b',
        'image/png; a="b\\"',
        'image/png; a="\\',
        "image/pn\u212a",
        "im\u00e4ge/png",
        '"image/png"',
        "image/png\x00",
        "image\\png",
        "image/(png)",
        "text/*",
        "*/*",
        "*/png",
    ],
)
def test_a_value_that_readers_could_take_for_another_type_has_no_essence(value: str) -> None:
    """A browser that is served a list, or an open quote, may take the type after the comma."""
    assert essence(value) is None


TYPES = {"image/png": (".png",), "image/*": (".img",), "*/*": (".any",)}


@pytest.mark.parametrize(
    ("types", "kind", "expected"),
    [
        (TYPES, "image/png", (".png",)),
        (TYPES, "image/gif", (".img",)),
        (TYPES, "text/plain", (".any",)),
        (TYPES, None, (".any",)),
        ({"image/*": (".img",)}, "image/png", (".img",)),
        ({"image/*": (".img",)}, "imagex/png", None),
        ({"image/*": (".img",)}, "text/plain", None),
        ({"image/*": (".img",)}, None, None),
        ({"image/png": ()}, "image/png", ()),
        ({"image/png": (), "*/*": (".any",)}, "image/png", ()),
        ({"image/png": ()}, "image/pngx", None),
        ({"*/*": ()}, "a/b", ()),
        ({"*/*": ()}, None, ()),
        ({}, "image/png", None),
        ({}, None, None),
    ],
)
def test_the_most_exact_entry_speaks_alone(
    types: dict[str, tuple[str, ...]], kind: str | None, expected: tuple[str, ...] | None
) -> None:
    """An exact entry hides `type/*`, which hides `*/*`; an empty list of types allows nothing."""
    assert allowed_extensions(types, kind) == expected

"""The canonical form of a request: the bytes both sides of a Signature Version 4 must agree on.

Strings in, strings out; this module knows no key, no clock and no service. Every rule is from "Create a signed AWS
API request" (IAM User Guide, SigV4) and its S3 variant ("Signature Calculations for the Authorization Header", S3 API
Reference). What can't be put on a wire without changing its meaning is a `ValueError`, because a newline in a header
value would sign a header nobody sent.
"""

import re
import string
from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Final

Pairs = Iterable[tuple[str, str]]
"""Names and values in order; a name may repeat."""

_NAMES: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+(?:;[!#$%&'*+.^_`|~0-9a-z-]+)*")
"""Lower-case field names (RFC 9110 section 5.6.2, `token`) joined by the `;` that no name has."""

_NAME: Final = itemgetter(0)

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What RFC 9110 section 5.5 keeps out of a field value: every control character but the tab."""

_SOLID: Final = re.compile(r"[!-~]*")
"""A value with nothing to trim and nothing to refuse: nearly all of them."""

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9._~/-]*")
"""A key that is its own encoding."""

_PLAIN_NAMES: Final = re.compile(r"[a-z0-9;._~-]*")

_UNRESERVED: Final = frozenset(string.ascii_letters + string.digits + "-._~")
"""RFC 3986 section 2.3; all that SigV4 leaves as it is."""

_COMPONENT: Final = {code: chr(code) if chr(code) in _UNRESERVED else f"%{code:02X}" for code in range(256)}
"""Octet to what stands for it in a query."""

_PATH: Final = _COMPONENT | {ord("/"): "/"}


def encode_key(key: str) -> str:
    """An object key (or a raw path) as it stands in a URL: UTF-8, all but `A-Z a-z 0-9 - . _ ~ /` as `%XX`.

    Encodes exactly once and normalises nothing: `a//b`, `.` and `%41` are keys of their own to S3. A lone surrogate,
    which has no UTF-8, is a `ValueError`.
    """
    if _PLAIN_KEY.fullmatch(key):
        return key
    # Latin-1 gives every octet of the UTF-8 a character of its own, so that one C loop replaces them all.
    return key.encode().decode("latin-1").translate(_PATH)


def encode_component(text: str) -> str:
    """A query name or value, `/` encoded too; a lone surrogate is a `ValueError`."""
    return text.encode().decode("latin-1").translate(_COMPONENT)


def encode_names(names: str) -> str:
    """What `canonical_headers` names, as `X-Amz-SignedHeaders`; the short way serves every name in common use."""
    return names.replace(";", "%3B") if _PLAIN_NAMES.fullmatch(names) else encode_component(names)


def encode_query(pairs: Pairs) -> str:
    """Raw names and values as a query string in the order given; a name without a value keeps its `=`."""
    return "&".join([f"{encode_component(name)}={encode_component(value)}" for name, value in pairs])


def canonical_headers(host: str, headers: Pairs) -> tuple[str, str]:
    """The headers to sign: a line each, and their names joined by `;`.

    Names are lower-case in code-point order, values trimmed, those of a repeated name joined by `,`. `host` is what
    the request will be sent to and replaces a `host` among `headers`. A name that is no token or a value with a
    control character is a `ValueError`.
    """
    pairs = [(name.lower(), value) for name, value in headers]
    pairs.append(("host", host))
    # One look at all values and at all names, not one at each: this stands on the path of every signature.
    if not _SOLID.fullmatch("".join([value for _, value in pairs])) or len(dict(pairs)) != len(pairs):
        pairs = _merged(pairs)
    pairs.sort(key=_NAME)
    names = ";".join([name for name, _ in pairs])
    if names.count(";") != len(pairs) - 1 or not _are_names(names):
        raise ValueError("a header to sign has a name that is no token")
    return "".join([f"{name}:{value}\n" for name, value in pairs]), names


def _merged(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Values trimmed and those of a name joined; the last `host` is the one that counts."""
    merged: dict[str, str] = {}
    for name, value in pairs:
        repeated = name in merged and name != "host"
        merged[name] = f"{merged[name]},{_trimmed(value)}" if repeated else _trimmed(value)
    return list(merged.items())


@lru_cache(maxsize=256)
def _are_names(names: str) -> bool:
    return _NAMES.fullmatch(names) is not None


def canonical_request(method: str, path: str, query: str, headers: tuple[str, str], payload_hash: str) -> str:
    """The canonical request of a canonical path, a canonical query string and `canonical_headers`."""
    lines, names = headers
    return f"{method}\n{path}\n{query}\n{lines}\n{names}\n{payload_hash}"


def normalized_path(path: str) -> str:
    """A path without empty and dot segments (RFC 3986 section 5.2.4), as every service but S3 signs it."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    closed = kept and path.endswith(("/", "/.", "/.."))
    return f"/{'/'.join(kept)}{'/' if closed else ''}"


def _trimmed(value: str) -> str:
    """The value without outer white space, inner runs of it as one space; a control character is a `ValueError`.

    White space is Unicode's. AWS says only "spaces", but botocore and SeaweedFS count a no-break space among them, and
    a signature is right when both sides make the same one.
    """
    if _SOLID.fullmatch(value):
        return value
    if _CONTROL.search(value):
        raise ValueError("a header to sign has a control character in its value")
    return " ".join(value.split())

"""The bucket's CORS rules: what pages need that send bytes straight to S3, as S3's own document, written and read.

S3 User Guide, "Elements of a CORS configuration". Origins are those whose pages may call the gateway. Any header may be
asked for, because S3 takes only what the signature covers; so it is with the methods.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from gateway.cors import CHECKSUM_HEADERS, MAX_AGE, Cors

NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"

METHODS: Final = frozenset({"PUT", "POST", "GET", "HEAD", "DELETE"})
"""Objects and parts, forms, and what clients that hold URLs of their own ask: list the parts, complete, abort."""

EXPOSED: Final = ("ETag", "Location", "x-amz-version-id", "x-amz-checksum-type", "x-amz-request-id", *CHECKSUM_HEADERS)
"""What a page's script may read of S3's answer: without the ETag no client completes parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsRule:
    """One rule: who may ask, with which methods and headers, and what they may read; names of headers in lower case."""

    origins: frozenset[str]
    methods: frozenset[str]
    headers: frozenset[str]
    exposed: frozenset[str]
    max_age: int | None = None


def wanted(cors: Cors) -> tuple[CorsRule, ...]:
    """The rules for the gateway's own origins; none where no page of another origin may call."""
    if not cors.origins:
        return ()
    exposed = frozenset(name.lower() for name in EXPOSED)
    everything = frozenset({"*"})
    return (CorsRule(origins=cors.origins, methods=METHODS, headers=everything, exposed=exposed, max_age=MAX_AGE),)


def document(rules: Iterable[CorsRule]) -> bytes:
    """The rules as S3 takes them (PutBucketCors)."""
    inner = "".join(f"<CORSRule>{_elements(rule)}</CORSRule>" for rule in rules)
    return f'<CORSConfiguration xmlns="{NAMESPACE}">{inner}</CORSConfiguration>'.encode()


def _elements(rule: CorsRule) -> str:
    said = {name.lower(): name for name in EXPOSED}
    lists = {
        "AllowedOrigin": rule.origins,
        "AllowedMethod": rule.methods,
        "AllowedHeader": rule.headers,
        "ExposeHeader": {said.get(name, name) for name in rule.exposed},
    }
    elements = [f"<{name}>{escape(value)}</{name}>" for name, values in lists.items() for value in sorted(values)]
    age = [] if rule.max_age is None else [f"<MaxAgeSeconds>{rule.max_age}</MaxAgeSeconds>"]
    return "".join((*elements, *age))


def read(root: ET.Element) -> tuple[CorsRule, ...]:
    """The rules in S3's answer (GetBucketCors)."""
    return tuple(_rule(element) for element in root.findall("{*}CORSRule"))


def _rule(element: ET.Element) -> CorsRule:
    def texts(name: str) -> frozenset[str]:
        return frozenset((found.text or "").strip() for found in element.findall(f"{{*}}{name}"))

    age = element.findtext("{*}MaxAgeSeconds")
    return CorsRule(
        origins=texts("AllowedOrigin"),
        methods=texts("AllowedMethod"),
        headers=frozenset(name.lower() for name in texts("AllowedHeader")),
        exposed=frozenset(name.lower() for name in texts("ExposeHeader")),
        max_age=int(age) if age is not None and age.isdigit() else None,
    )


def lacking(found: Sequence[CorsRule], cors: Cors) -> tuple[str, ...]:
    """The origins whose pages could not upload under these rules, or could not read what they need."""
    needed = wanted(cors)
    return tuple(sorted(origin for rule in needed for origin in rule.origins if not _served(origin, found, rule)))


def _served(origin: str, found: Sequence[CorsRule], needed: CorsRule) -> bool:
    """Whether one rule serves the origin entirely: S3 answers a preflight by the first rule that matches."""
    return any(
        not rule.origins.isdisjoint({origin, "*"})
        and rule.methods >= needed.methods
        and "*" in rule.headers
        and rule.exposed >= needed.exposed
        for rule in found
    )


def beyond(found: Sequence[CorsRule], cors: Cors) -> tuple[str, ...]:
    """Origins that the rules allow and nobody configured."""
    return tuple(sorted({origin for rule in found for origin in rule.origins} - cors.origins))

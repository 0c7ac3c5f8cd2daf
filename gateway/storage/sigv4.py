"""Signature Version 4, as S3 and the services beside it verify it: presigned URLs, signed headers, POST policies.

Owns the derived key, the string to sign and where the signature goes. Pure: the time is a parameter, nothing is sent,
only the standard library is imported. `_canonical` owns what is signed, `endpoint` where it goes.

Sources: "Create a signed AWS API request" (IAM User Guide); "Authenticating Requests: Using Query Parameters" and
"Browser-Based Uploads Using POST" (S3 API Reference). Checked against AWS's own test suite and botocore, byte for byte.
"""

import base64
import hmac
import json
import time
from calendar import timegm
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final

from gateway.storage._canonical import (
    Pairs,
    canonical_headers,
    canonical_request,
    encode_component,
    encode_key,
    encode_names,
    encode_query,
    normalized_path,
)

__all__ = [
    "EMPTY_PAYLOAD",
    "LONGEST_URL_LIFETIME",
    "S3",
    "UNSIGNED_PAYLOAD",
    "Credentials",
    "Moment",
    "PostCondition",
    "Service",
    "Signer",
    "encode_key",
]

ALGORITHM: Final = "AWS4-HMAC-SHA256"

UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
"""The payload hash of bytes that the signer has not seen; S3 then checks them by checksum and TLS alone."""

EMPTY_PAYLOAD: Final = sha256(b"").hexdigest()
"""The payload hash of no bytes."""

LONGEST_URL_LIFETIME: Final = 604_800
"""Seconds; S3 refuses a longer `X-Amz-Expires` ("Authenticating Requests: Using Query Parameters": seven days)."""

_AUTH_PARAMETERS: Final = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    }
)

_DAYS_KEPT: Final = 4
"""More than the two that meet at midnight."""

Moment = datetime | float
"""A time: an aware `datetime`, or seconds since the epoch."""

PostCondition = Mapping[str, str] | Sequence[str | int]
"""One condition of a POST policy: `{"key": "a/b"}` or `["content-length-range", 0, 10]`."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key: who signs. What is secret in it does not print.

    `session_token` belongs to temporary credentials. `expires_at`, in seconds since the epoch, is when they die and
    every URL they signed with them; None for those that last.
    """

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None

    def lifetime(self, wanted: int, now: float) -> int:
        """Seconds that a URL signed at `now` (epoch seconds) can live: `wanted`, cut where these credentials end."""
        if self.expires_at is None:
            return wanted
        return max(0, min(wanted, int(self.expires_at - now)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How a service differs from the others in what it signs.

    - `raw_path`: the path given is what is meant (an object key) and is encoded once, for the wire and the signature
      alike. Otherwise it is the path as sent, and the signature encodes it again.
    - `normalize_path`: empty and dot segments are taken out before signing.
    - `content_hash_header`: the payload hash must be sent, and signed, as `x-amz-content-sha256`.
    """

    name: str
    raw_path: bool = False
    normalize_path: bool = True
    content_hash_header: bool = False


S3: Final = Service(name="s3", raw_path=True, normalize_path=False, content_hash_header=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Day:
    """What all signatures of one UTC day share: scope, credential, and an HMAC keyed with the derived key."""

    scope: str
    credential: str
    mac: hmac.HMAC = field(repr=False)

    def sign(self, text: str) -> str:
        """The signature of a text, in hex."""
        mac = self.mac.copy()
        mac.update(text.encode())
        return mac.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instant:
    """What all signatures of one second share: the day, and what comes before all that is the request's own."""

    seconds: int
    stamp: str
    day: _Day
    parameters: str
    preamble: str

    def sign(self, request: str) -> str:
        """The signature, in hex, of a canonical request."""
        return self.day.sign(self.preamble + sha256(request.encode()).hexdigest())


class _Held:
    """Credentials and what was derived from them; replaced whole when they are renewed."""

    __slots__ = ("credentials", "days", "last", "token_parameter")

    def __init__(self, credentials: Credentials) -> None:
        token = credentials.session_token
        self.credentials = credentials
        self.token_parameter = "" if token is None else f"&X-Amz-Security-Token={encode_component(token)}"
        self.days: dict[str, _Day] = {}
        self.last: _Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """URLs that differ in one number: the canonical request before and after it, and the same of the URL."""

    instant: _Instant = field(repr=False)
    before: bytes = field(repr=False)
    behind: bytes = field(repr=False)
    head: str
    tail: str = field(repr=False)

    def url(self, number: int) -> str:
        """The signed URL of this number."""
        request = sha256(b"%b%d%b" % (self.before, number, self.behind)).hexdigest()
        signature = self.instant.day.sign(self.instant.preamble + request)
        return f"{self.head}{number}{self.tail}{signature}"


class Signer:
    """Signs for one access key, region and service; safe to share between threads.

    Deriving a key takes four HMACs, so a day's key is kept, for a few days; what a second decides is kept for the last.
    """

    def __init__(self, credentials: Credentials, region: str, service: Service = S3) -> None:
        self.region = region
        self.service = service
        self._held = _Held(credentials)

    @property
    def credentials(self) -> Credentials:
        """Who signs now."""
        return self._held.credentials

    def renew(self, credentials: Credentials) -> None:
        """Sign with these from now on; a signature that is being made is of the old ones or the new, never of both."""
        self._held = _Held(credentials)

    def __repr__(self) -> str:
        return f"Signer({self.credentials.access_key!r}, {self.region!r}, {self.service.name!r})"

    def presign(
        self,
        method: str,
        origin: str,
        path: str,
        *,
        expires: int,
        now: Moment,
        headers: Pairs = (),
        query: Pairs = (),
        payload_hash: str = UNSIGNED_PAYLOAD,
    ) -> str:
        """A URL that lets whoever holds it send this one request for `expires` seconds (1 to 604,800).

        `origin` is `scheme://host[:port]` (`Endpoint.origin`), `path` begins with `/` and is raw (`Endpoint.path_for`).
        The client must send all `headers` with the very values given; `host` is always signed. `query` is raw and
        stands before the signature's own parameters. `payload_hash` is what an `x-amz-content-sha256` among `headers`
        says. A parameter or header that can't be signed is a `ValueError`.
        """
        if not 1 <= expires <= LONGEST_URL_LIFETIME:
            raise ValueError("a URL lives from 1 to 604,800 seconds")
        held = self._held
        instant, token = self._at(held, now), held.token_parameter
        signed = canonical_headers(origin.partition("://")[2], headers)
        timed, named = f"{instant.parameters}{expires}", f"&X-Amz-SignedHeaders={encode_names(signed[1])}"
        # The token stands last in the URL, as in every SDK's, but in alphabetical order in what is signed.
        parameters, canonical = f"{timed}{named}{token}", f"{timed}{token}{named}"
        if foreign := _foreign(query):
            parameters, canonical = f"{foreign}&{parameters}", _sorted(f"{foreign}&{canonical}")
        sent, path = self._paths(path)
        signature = instant.sign(canonical_request(method, path, canonical, signed, payload_hash))
        return f"{origin}{sent}?{parameters}&X-Amz-Signature={signature}"

    def family(
        self,
        method: str,
        origin: str,
        path: str,
        *,
        expires: int,
        now: Moment,
        varying: str,
        headers: Pairs = (),
        query: Pairs = (),
        payload_hash: str = UNSIGNED_PAYLOAD,
    ) -> Family:
        """URLs as `presign` makes them that differ in one parameter only, `varying`, which is a number.

        What they share is encoded, ordered and hashed once; the parts of an upload are such a family.
        """
        if not 1 <= expires <= LONGEST_URL_LIFETIME:
            raise ValueError("a URL lives from 1 to 604,800 seconds")
        held = self._held
        instant, token = self._at(held, now), held.token_parameter
        signed = canonical_headers(origin.partition("://")[2], headers)
        timed, named = f"{instant.parameters}{expires}", f"&X-Amz-SignedHeaders={encode_names(signed[1])}"
        name = f"{encode_component(varying)}="
        others = _foreign([(varying, ""), *query]).removeprefix(name)
        canonical = _sorted(f"{name}{others}&{timed}{token}{named}")
        sent, path = self._paths(path)
        request = canonical_request(method, path, canonical, signed, payload_hash)
        # Of names and values in a query `&` and `=` are encoded, so this is where the one parameter stands.
        gap = len(f"{method}\n{path}\n") + f"&{canonical}".index(f"&{name}") + len(name)
        return Family(
            instant=instant,
            before=request[:gap].encode(),
            behind=request[gap:].encode(),
            head=f"{origin}{sent}?{name}",
            tail=f"{others}&{timed}{named}{token}&X-Amz-Signature=",
        )

    def sign_headers(
        self,
        method: str,
        host: str,
        path: str,
        *,
        now: Moment,
        headers: Pairs = (),
        query: Pairs = (),
        payload_hash: str = UNSIGNED_PAYLOAD,
    ) -> dict[str, str]:
        """The headers (lower-case names) to add to a request that is sent from here.

        `host`, `path` and `query` are as for `presign`; `headers` are those of the request to be signed, beside `host`.
        What is returned replaces headers of the same name: `authorization`, `x-amz-date`, and where they apply
        `x-amz-content-sha256` and `x-amz-security-token`. A header that can't be signed is a `ValueError`.
        """
        held = self._held
        instant = self._at(held, now)
        own = self._own_headers(held.credentials.session_token, instant.stamp, payload_hash)
        others = [(name, value) for name, value in headers if name.lower() not in own]
        signed = canonical_headers(host, [*others, *own.items()])
        parameters = _sorted(encode_query(query)) if query else ""
        request = canonical_request(method, self._paths(path)[1], parameters, signed, payload_hash)
        own["authorization"] = (
            f"{ALGORITHM} Credential={instant.day.credential}, SignedHeaders={signed[1]}, "
            f"Signature={instant.sign(request)}"
        )
        return own

    def sign_post_policy(
        self, conditions: Sequence[PostCondition], *, expiration: Moment, now: Moment
    ) -> dict[str, str]:
        """The fields that sign an HTML form: policy, algorithm, credential, date, signature, and the session token.

        `conditions` are the form's own; those of the fields added here are appended. `expiration` is when S3 stops
        taking the form.
        """
        held = self._held
        instant, token = self._at(held, now), held.credentials.session_token
        fields = {
            "x-amz-algorithm": ALGORITHM,
            "x-amz-credential": instant.day.credential,
            "x-amz-date": instant.stamp,
        }
        if token is not None:
            fields["x-amz-security-token"] = token
        policy = {
            "expiration": _format("%Y-%m-%dT%H:%M:%SZ", _seconds(expiration)),
            "conditions": [*conditions, *({name: value} for name, value in fields.items())],
        }
        fields["policy"] = base64.b64encode(json.dumps(policy).encode()).decode()
        fields["x-amz-signature"] = instant.day.sign(fields["policy"])
        return fields

    def _own_headers(self, token: str | None, stamp: str, payload_hash: str) -> dict[str, str]:
        own = {"x-amz-date": stamp}
        if self.service.content_hash_header:
            own["x-amz-content-sha256"] = payload_hash
        if token is not None:
            own["x-amz-security-token"] = token
        return own

    def _paths(self, path: str) -> tuple[str, str]:
        """The path to send and the path to sign."""
        if self.service.raw_path:
            encoded = encode_key(path)
            return encoded, encoded
        return path, encode_key(normalized_path(path) if self.service.normalize_path else path)

    def _at(self, held: _Held, now: Moment) -> _Instant:
        seconds, last = _seconds(now), held.last
        if last is None or last.seconds != seconds:
            stamp = _format("%Y%m%dT%H%M%SZ", seconds)
            day = self._day(held, stamp[:8])
            last = held.last = _Instant(
                seconds=seconds,
                stamp=stamp,
                day=day,
                parameters=f"X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={encode_component(day.credential)}"
                f"&X-Amz-Date={stamp}&X-Amz-Expires=",
                preamble=f"{ALGORITHM}\n{stamp}\n{day.scope}\n",
            )
        return last

    def _day(self, held: _Held, date: str) -> _Day:
        day = held.days.get(date)
        if day is None:
            day = self._derive(held.credentials, date)
            # A new dict, never one emptied in place: another thread may be reading.
            kept = held.days if len(held.days) < _DAYS_KEPT else {}
            held.days = {**kept, date: day}
        return day

    def _derive(self, credentials: Credentials, date: str) -> _Day:
        key = f"AWS4{credentials.secret_key}".encode()
        for step in (date, self.region, self.service.name, "aws4_request"):
            key = hmac.digest(key, step.encode(), "sha256")
        scope = f"{date}/{self.region}/{self.service.name}/aws4_request"
        credential = f"{credentials.access_key}/{scope}"
        return _Day(scope=scope, credential=credential, mac=hmac.new(key, digestmod="sha256"))


def _foreign(query: Pairs) -> str:
    """The caller's own parameters, encoded; one that would speak for the signature is a `ValueError`."""
    if not query:
        return ""
    pairs = tuple(query)
    if any(name.lower() in _AUTH_PARAMETERS for name, _ in pairs):
        raise ValueError("a query parameter has the name of one of the signature's own")
    return encode_query(pairs)


def _sorted(encoded: str) -> str:
    """A query string in canonical order: by encoded name, then value, which is not the order of `name=value`."""
    return "&".join(["=".join(pair) for pair in sorted(part.split("=") for part in encoded.split("&"))])


def _seconds(moment: Moment) -> int:
    if not isinstance(moment, datetime):
        return int(moment)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is nobody's time: give an aware datetime or seconds since the epoch")
    return timegm(moment.utctimetuple())


def _format(pattern: str, seconds: int) -> str:
    return time.strftime(pattern, time.gmtime(seconds))

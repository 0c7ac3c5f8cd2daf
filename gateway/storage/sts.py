"""Temporary credentials that are narrower than the identity that asks for them: a role with a session policy.

AWS STS `AssumeRole` (AWS STS API Reference): what a session may do is what both the role's policies and the session
policy allow. AWS answers at `https://sts.{region}.amazonaws.com/`, SeaweedFS at its S3 endpoint.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Protocol
from urllib.parse import urlencode, urlsplit

from gateway.storage.calls import document, succeeded, text
from gateway.storage.sigv4 import Credentials, Service, Signer
from gateway.storage.upstream import Upstream, UpstreamError

STS: Final = Service(name="sts", content_hash_header=True)
"""SeaweedFS believes a body's hash only where it is said in a header; AWS reads the header, too."""

SHORTEST: Final = 900
"""Seconds; the least that AssumeRole's DurationSeconds takes, and what a session here lives at least."""

_FORM: Final = "application/x-www-form-urlencoded"

_ANSWER_LIMIT: Final = 65_536


class Sts(Protocol):
    """Makes sessions."""

    async def session(self, name: str, policy: Mapping[str, Any], lifetime: int) -> Credentials:
        """Credentials of `lifetime` seconds that may do what `policy` (an IAM policy) says and no more.

        `name` is what logs call it, 2 to 64 of `[A-Za-z0-9_=,.@-]`. Raises OSError where there are none.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StsRole:
    """Where sessions are asked for, and the role (an ARN) that they are of, which the signer's identity may assume."""

    url: str
    arn: str


class AssumedRole:
    """An `Sts` that has the identity of `signer`, whatever it signs for otherwise, assume a role."""

    def __init__(self, *, upstream: Upstream, role: StsRole, signer: Signer, clock: Callable[[], float]) -> None:
        self._upstream = upstream
        self._role = role
        self._signer = signer
        self._clock = clock

    async def session(self, name: str, policy: Mapping[str, Any], lifetime: int) -> Credentials:
        """Credentials of a new session."""
        asked = {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": self._role.arn,
            "RoleSessionName": name,
            "DurationSeconds": str(lifetime),
            "Policy": json.dumps(policy, separators=(",", ":")),
        }
        body = urlencode(asked).encode()
        headers = (("content-type", _FORM),)
        signer = Signer(self._signer.credentials, self._signer.region, STS)  # its credentials may be renewed
        signed = signer.sign_headers(
            "POST",
            urlsplit(self._role.url).netloc,
            "/",
            now=self._clock(),
            headers=headers,
            payload_hash=sha256(body).hexdigest(),
        )
        sent = (*headers, *signed.items(), ("content-length", str(len(body))))
        try:
            answer = await self._upstream.ask("POST", self._role.url, sent, body=body, most=_ANSWER_LIMIT)
        except UpstreamError as error:
            raise OSError(str(error)) from error
        given = document(succeeded(answer)).find(".//{*}Credentials")
        if given is None:
            raise OSError("STS's answer has no credentials")
        return Credentials(
            text(given, "AccessKeyId"),
            text(given, "SecretAccessKey"),
            text(given, "SessionToken"),
            _when(text(given, "Expiration")),
        )


def _when(said: str) -> float:
    try:
        return datetime.fromisoformat(said).timestamp()
    except ValueError as error:
        raise OSError("STS's answer has no time") from error

"""Callers that AWS has verified: an ARN in the event becomes a principal, by the operator's mapping. Pure.

API Gateway and function URLs verify the signature of a request (AWS Signature Version 4) where a method's authorisation
is AWS_IAM, and say whose it was in `requestContext`, which no client can write (API Gateway Developer Guide, "Input
format of a Lambda function for proxy integration"; Lambda Developer Guide, "Request and response payloads").

An entry names one role or one user of one account, and is compared, never matched as a pattern. A role's callers are
`arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION` (IAM User Guide, "IAM identifiers"): the role's path is not there, and
need not be, because names of roles are unique within an account. The session's name is chosen by whoever assumes the
role, so it is a subject only where the entry says so.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.policy.document import ADMIN_SCOPE, tenant_id
from gateway.policy.model import Principal
from gateway.policy.problems import Code, Refusal

_ENTRY: Final = re.compile(
    r"arn:(aws[a-z-]*):iam::([0-9]{12}):(role|user)/((?:[!-.0-~]+/)*)([A-Za-z0-9+=,.@_-]{1,64})", re.ASCII
)
_ASSUMED: Final = re.compile(
    r"arn:(aws[a-z-]*):sts::([0-9]{12}):assumed-role/([A-Za-z0-9+=,.@_-]{1,64})/([A-Za-z0-9+=,.@_-]{2,64})", re.ASCII
)
_SCOPE: Final = re.compile(r"[!#-\[\]-~]{1,255}")  # RFC 6749 section 3.3
_MEMBERS: Final = frozenset({"arn", "tenant", "scopes", "subject"})

SIGNATURE_HEADERS: Final = frozenset({"x-amz-content-sha256", "x-amz-date", "x-amz-security-token"})
"""Of a signed request, beside Authorization: read by AWS before us, and said of the request and not of an object."""

TWO: Final = Refusal(code=Code.TOKEN_INVALID, detail="A signed request takes no other credential; send one of the two.")


@dataclass(frozen=True, slots=True, kw_only=True)
class IamCaller:
    """One entry: who, whose, and what for.

    Attributes:
        arn: a role's or a user's.
        tenant: None for an operator, who has the admin API's scope and nothing else.
        scopes: what the caller may do.
        by_session: whether each session of the role is a subject of its own.
    """

    arn: str
    tenant: str | None
    scopes: frozenset[str]
    by_session: bool = False

    @property
    def place(self) -> str:
        """What a caller's own ARN is held against."""
        found = _ENTRY.fullmatch(self.arn)
        if found is None or found[3] == "user":
            return self.arn
        return f"arn:{found[1]}:sts::{found[2]}:assumed-role/{found[5]}"


class IamCallers:
    """The mapping; each ARN has one entry."""

    def __init__(self, entries: Iterable[IamCaller]) -> None:
        self._entries: dict[str, IamCaller] = {}
        for entry in entries:
            if self._entries.setdefault(entry.place, entry) is not entry:
                raise ValueError(f"{entry.arn} is there twice")

    def __bool__(self) -> bool:
        return bool(self._entries)

    def principal(self, arn: str) -> Principal:
        """Whoever calls; somebody whom the operator did not name is bound to no tenant and has no scope."""
        assumed = _ASSUMED.fullmatch(arn)
        place, session = (arn, None) if assumed is None else (arn.rpartition("/")[0], assumed[4])
        entry = self._entries.get(place)
        if entry is None or (assumed is None and place != entry.arn):
            return Principal(tenant=None, issuer="iam", subject="unknown", scopes=frozenset())
        subject = session if entry.by_session and session is not None else entry.arn.rpartition("/")[2]
        return Principal(tenant=entry.tenant, issuer=entry.arn, subject=subject, scopes=entry.scopes)


def iam_callers(text: str) -> IamCallers:
    """The mapping of a JSON array; raises ValueError with where the first fault is."""
    entries = json.loads(text)
    if not isinstance(entries, list):
        raise ValueError("it is a JSON array of callers")  # noqa: TRY004 - what a setting's reader raises
    return IamCallers(_entry(at, entry) for at, entry in enumerate(entries))


def _entry(at: int, entry: object) -> IamCaller:
    if not isinstance(entry, dict) or not set(entry) <= _MEMBERS:
        raise ValueError(f"/{at} is an object of {', '.join(sorted(_MEMBERS))}")
    arn, tenant, subject = str(entry.get("arn")), entry.get("tenant"), entry.get("subject", "role")
    found = _ENTRY.fullmatch(arn)
    if found is None or {"*", "?", "$"} & set(arn):
        raise ValueError(f"/{at}/arn is the ARN of one role or one user of IAM")
    scopes = entry.get("scopes", [])
    if (
        not isinstance(scopes, list)
        or not scopes
        or not all(isinstance(s, str) and _SCOPE.fullmatch(s) for s in scopes)
    ):
        raise ValueError(f"/{at}/scopes is a list of scopes")
    if tenant is None and scopes != [ADMIN_SCOPE]:
        raise ValueError(f"/{at}/tenant is required of who has any scope but {ADMIN_SCOPE}")
    if tenant is not None and (not isinstance(tenant_id(tenant), str) or ADMIN_SCOPE in scopes):
        raise ValueError(f"/{at}/tenant is a tenant's id, and no tenant's caller has {ADMIN_SCOPE}")
    if subject not in {"role", "session"} or (subject == "session" and found[3] == "user"):
        raise ValueError(f"/{at}/subject is role, or session where the ARN is a role's")
    return IamCaller(arn=arn, tenant=tenant, scopes=frozenset(scopes), by_session=subject == "session")


def verified_arn(event: object) -> str | None:
    """The ARN of whoever AWS has verified; None where a method's authorisation is another.

    A REST API says it in `identity`, an HTTP API and a function URL in `authorizer.iam`. What another authorizer puts
    into its own context is elsewhere.
    """
    context = event.get("requestContext") if isinstance(event, Mapping) else None
    if not isinstance(event, Mapping) or not isinstance(context, Mapping):
        return None
    if event.get("version") == "2.0":
        authorizer: Any = context.get("authorizer")
        said: Any = authorizer.get("iam") if isinstance(authorizer, Mapping) else None
    else:
        said = context.get("identity")
    arn = said.get("userArn") if isinstance(said, Mapping) else None
    return arn if isinstance(arn, str) and arn else None


def unsigned(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
    """A signed request's headers without those of its signature; names in lower case."""
    return tuple(
        (name, value)
        for name, value in headers
        if name.decode("latin-1") not in SIGNATURE_HEADERS
        and not (name == b"authorization" and value.startswith(b"AWS4-HMAC-SHA256 "))
    )

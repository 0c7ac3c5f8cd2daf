"""Can each identity do what it must at S3, and nothing else? Asked with calls that change nothing whatever S3 says.

A PUT declares a checksum that its byte does not have, so that S3 stores nothing; reads, aborts and completes name what
is not there; a deletion has a condition that nothing meets. S3 decides about rights before it looks at any of that.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.doctor.findings import Finding, fail, ok
from gateway.storage.calls import Pairs, S3Calls, S3Error, succeeded
from gateway.storage.upstream import Answer

_KEY: Final = "upload-gateway-doctor/nothing-is-here"
_NO_UPLOAD: Final = (("uploadId", "upload-gateway-doctor"),)
_WRONG_DIGEST: Final = base64.b64encode(hashlib.sha256(b"not this byte").digest()).decode("ascii")

_UNKNOWN: Final = frozenset(
    {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}
)
"""Codes with which S3 says that it does not know who asks (S3 API Reference, "List of error codes")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that an identity may or may not do: in words, and as a harmless request."""

    words: str
    method: str
    key: str | None = _KEY
    query: Pairs = ()
    headers: Pairs = ()
    body: bytes = b""


STORE: Final = Deed(words="store objects", method="PUT", headers=(("x-amz-checksum-sha256", _WRONG_DIGEST),), body=b"x")
READ: Final = Deed(words="read objects", method="GET")
DELETE: Final = Deed(words="delete objects", method="DELETE", headers=(("if-match", '"nothing"'),))
LIST: Final = Deed(words="list objects", method="GET", key=None, query=(("list-type", "2"), ("max-keys", "0")))
LIST_UPLOADS: Final = Deed(
    words="list unfinished uploads", method="GET", key=None, query=(("max-uploads", "1"), ("uploads", ""))
)
LIST_PARTS: Final = Deed(words="list parts", method="GET", query=_NO_UPLOAD)
ABORT: Final = Deed(words="abort uploads", method="DELETE", query=_NO_UPLOAD)
COMPLETE: Final = Deed(
    words="complete uploads",
    method="POST",
    query=_NO_UPLOAD,
    body=b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
)
CONFIGURE: Final = Deed(words="see the bucket's settings", method="GET", key=None, query=(("cors", ""),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """What an identity is for: what it must do, and what it must not."""

    name: str
    must: Sequence[Deed]
    must_not: Sequence[Deed]


SIGNER: Final = Duty(name="signer", must=(STORE,), must_not=(READ, LIST, DELETE, LIST_PARTS, ABORT, CONFIGURE))
COMPLETER: Final = Duty(
    name="completer", must=(COMPLETE, ABORT, LIST_PARTS, LIST_UPLOADS, READ), must_not=(DELETE, CONFIGURE)
)
OPERATOR: Final = Duty(name="operator", must=(CONFIGURE,), must_not=())
NOBODY: Final = Duty(name="nobody", must=(), must_not=(STORE, READ, LIST, DELETE, LIST_UPLOADS, CONFIGURE))
"""Who sends no credential at all."""


async def authority(duty: Duty, calls: S3Calls) -> Finding:
    """Whether S3 lets the identity of these calls do its duty and no more."""
    check = f"rights-{duty.name}"
    try:
        outcomes = {deed: await _may(deed, calls) for deed in (*duty.must, *duty.must_not)}
    except S3Error as error:
        return fail(check, f"S3 does not take the {duty.name}'s credential ({error.code}).", _CREDENTIAL)
    except OSError as error:
        return fail(check, f"S3 gave no answer to the {duty.name}: {error}.", "See storage-reachable.")
    lacking = [deed.words for deed in duty.must if not outcomes[deed]]
    beyond = [deed.words for deed in duty.must_not if outcomes[deed]]
    if lacking:
        return fail(check, f"The {duty.name} may not {_listed(lacking)}, which it must.", _GRANT)
    if beyond:
        return fail(check, f"{_who(duty)} may {_listed(beyond)}, which nobody needs.", _TAKE)
    what = "what it must and nothing else" if duty.must else "nothing"
    return ok(check, f"{_who(duty)} may do {what} that was tried.")


_CREDENTIAL: Final = "Check its access key, its secret key, its session token and this machine's clock."
_GRANT: Final = "Give its policy the action; docs/how-to/doctor.md lists what each identity needs."
_TAKE: Final = "Take it from its policy, and from the bucket's, and see that no ACL gives it."


def _who(duty: Duty) -> str:
    return "Who sends no credential" if duty is NOBODY else f"The {duty.name}"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


async def _may(deed: Deed, calls: S3Calls) -> bool:
    """Whether S3 looked at the request itself; raises S3Error where it does not know who asks."""
    answer = await calls.ask(deed.method, deed.key, deed.query, deed.headers, deed.body)
    if answer.status not in {401, 403}:
        return True
    code = _code(answer)
    if code in _UNKNOWN:
        raise S3Error(answer.status, code)
    return False


def _code(answer: Answer) -> str:
    try:
        succeeded(answer)
    except S3Error as error:
        return error.code
    except OSError:
        pass
    return ""

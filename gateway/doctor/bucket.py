"""S3 itself: whether it is there, tells the same time, and has the bucket set up as the gateway needs it."""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final

from gateway.cors import Cors
from gateway.doctor.findings import Finding, fail, ok, warn
from gateway.storage import cors as bucket_cors
from gateway.storage.bucket import BucketSettings, SettingUnknownError
from gateway.storage.calls import S3Calls, S3Error
from gateway.storage.endpoint import Endpoint
from gateway.storage.lifecycle import ABANDONED_AFTER_DAYS, RULE, abandoned_after

SKEW_WARNS: Final = 5.0
"""Seconds; tokens are held to their times without any leeway unless there is a setting."""

SKEW_FAILS: Final = 900.0
"""Seconds after which S3 refuses every signature (S3 API Reference, RequestTimeTooSkewed)."""

FIX: Final = "Run this again with --fix."


async def reachable(endpoint: Endpoint, anonymous: S3Calls, clock: Callable[[], float]) -> list[Finding]:
    """Whether S3 answers, and how far its clock is from ours."""
    before = clock()
    try:
        answer = await anonymous.ask("GET", None)
    except OSError as error:
        says = f"S3 does not answer at {endpoint.origin} ({error})."
        return [fail("storage-reachable", says, "Start it, or mend its address, the network or its certificate.")]
    told, now = answer.headers.get("date"), (before + clock()) / 2
    found = ok("storage-reachable", f"S3 answers at {endpoint.origin} for the bucket {endpoint.bucket}.")
    return [found, _skew(told, now)]


def _skew(told: str | None, now: float) -> Finding:
    try:
        skew = abs(parsedate_to_datetime(told or "").timestamp() - now)
    except ValueError:
        return warn("storage-clock", "S3 does not say what time it is.", "Compare the clocks by hand.")
    says = f"This machine's clock and S3's are {skew:.0f} s apart"
    remedy = "Set this machine's clock by NTP."
    if skew >= SKEW_FAILS:
        return fail("storage-clock", f"{says}: S3 refuses every signature from {SKEW_FAILS:.0f} s on.", remedy)
    if skew >= SKEW_WARNS:
        return warn("storage-clock", f"{says}, and tokens are held to their times exactly.", remedy)
    return ok("storage-clock", f"{says}.")


async def cors(settings: BucketSettings, origins: Cors, *, fix: bool) -> Finding:
    """Whether pages of exactly the configured origins may send to the bucket; `fix` writes the rules."""
    try:
        root = await settings.get("cors")
        rules = () if root is None else bucket_cors.read(root)
        lacking, beyond = bucket_cors.lacking(rules, origins), bucket_cors.beyond(rules, origins)
        if (lacking or beyond) and fix:
            await settings.put("cors", bucket_cors.document(bucket_cors.wanted(origins)))
            return ok("bucket-cors", "The bucket's CORS rules were written.")
    except (OSError, SettingUnknownError) as error:
        return _unread("bucket-cors", error)
    if lacking:
        return fail("bucket-cors", f"Pages of {', '.join(lacking)} can't send to the bucket and read its answers.", FIX)
    if beyond:
        return warn(
            "bucket-cors", f"The bucket also answers pages of {', '.join(beyond)}, which nobody configured.", FIX
        )
    count = len(origins.origins)
    return ok("bucket-cors", f"The bucket answers pages of the {count} configured origins and no others.")


async def abandoned_parts(settings: BucketSettings, *, fix: bool) -> Finding:
    """Whether S3 itself ends uploads that nobody completes, should the gateway's list of them be lost."""
    check, rule = "bucket-abandoned-parts", f"AbortIncompleteMultipartUpload after {ABANDONED_AFTER_DAYS} days"
    try:
        root = await settings.get("lifecycle")
        if root is None and fix:
            await settings.put("lifecycle", RULE)
            return ok(check, f"A rule was written: {rule}.")
    except (OSError, SettingUnknownError) as error:
        return _unread(check, error)
    days = None if root is None else abandoned_after(root)
    if days is None:
        remedy = FIX if root is None else f"Add a rule for the whole bucket to the ones that are there: {rule}."
        return warn(check, "No lifecycle rule of the bucket ends uploads that nobody completes.", remedy)
    if days < ABANDONED_AFTER_DAYS:
        says = f"S3 ends unfinished uploads after {days} days, and a tenant's may live for seven."
        return warn(check, says, f"Let the rule say at least {ABANDONED_AFTER_DAYS} days, or hold tenants to less.")
    return ok(check, f"S3 ends unfinished uploads after {days} days.")


async def public_access(settings: BucketSettings) -> Finding:
    """Whether the bucket can be made public by a policy or an ACL at all."""
    check = "bucket-public-access"
    try:
        root = await settings.get("publicAccessBlock")
    except SettingUnknownError:
        return ok(check, "This S3 has no block of public access; rights-nobody says what the public may do.")
    except OSError as error:
        return _unread(check, error)
    flags = [] if root is None else [(element.text or "").strip() == "true" for element in root]
    if len(flags) == 4 and all(flags):
        return ok(check, "All four blocks of public access are on.")
    return fail(check, "Public access to the bucket is not blocked.", "Turn on all four of its public access blocks.")


async def versioning(settings: BucketSettings) -> Finding:
    """Whether what is overwritten is kept; either is right, if it is meant."""
    check = "bucket-versioning"
    try:
        root = await settings.get("versioning")
    except SettingUnknownError:
        return ok(check, "This S3 has no versions: what a tenant overwrites is gone.")
    except OSError as error:
        return _unread(check, error)
    state = None if root is None else root.findtext("{*}Status")
    if state == "Enabled":
        return ok(check, "Versioning is on: what a tenant overwrites is kept, and paid for, until a rule ends it.")
    if state == "Suspended":
        says = "Versioning is suspended: old versions stay and new ones are not made."
        return warn(check, says, "Turn it on again, or end the old versions by a lifecycle rule.")
    return ok(check, "Versioning is off: what a tenant overwrites is gone.")


def _unread(check: str, error: Exception) -> Finding:
    if isinstance(error, S3Error) and error.status == 403:
        remedy = "Give the operator the actions that docs/how-to/doctor.md lists."
        return warn(check, "The operator may not see or change this setting.", remedy)
    if isinstance(error, SettingUnknownError):
        return warn(check, "This S3 has no such setting.", "Set it up by this S3's own means, if there are any.")
    return fail(check, f"S3 does not say: {error}.", "See storage-reachable.")

"""The bucket's rule against parts that nobody completes: S3's own broom, behind the gateway's sweeper.

S3 User Guide, "Configuring a bucket lifecycle configuration to delete incomplete multipart uploads".
"""

import xml.etree.ElementTree as ET
from typing import Final

from gateway.storage.cors import NAMESPACE

ABANDONED_AFTER_DAYS: Final = 8
"""One more than the longest life of an upload that a tenant's document allows (`multipart.max_age`, seven days)."""

RULE: Final = (
    f'<LifecycleConfiguration xmlns="{NAMESPACE}"><Rule><ID>upload-gateway-abandoned-parts</ID>'
    "<Filter><Prefix></Prefix></Filter><Status>Enabled</Status><AbortIncompleteMultipartUpload>"
    f"<DaysAfterInitiation>{ABANDONED_AFTER_DAYS}</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>"
    "</LifecycleConfiguration>"
).encode()


def abandoned_after(root: ET.Element) -> int | None:
    """The days after which S3 aborts any unfinished upload of the bucket; None where no rule covers all of it."""
    days = (_days(rule) for rule in root.findall("{*}Rule") if _covers_all(rule))
    return min((found for found in days if found is not None), default=None)


def _covers_all(rule: ET.Element) -> bool:
    """Whether the rule is in force and no prefix, tag or combination narrows it."""
    prefix = rule.findtext("{*}Prefix") or rule.findtext("{*}Filter/{*}Prefix")
    narrowed = any(rule.find(f"{{*}}Filter/{{*}}{name}") is not None for name in ("Tag", "And"))
    return rule.findtext("{*}Status") == "Enabled" and not prefix and not narrowed


def _days(rule: ET.Element) -> int | None:
    text = rule.findtext("{*}AbortIncompleteMultipartUpload/{*}DaysAfterInitiation") or ""
    return int(text) if text.isdigit() else None

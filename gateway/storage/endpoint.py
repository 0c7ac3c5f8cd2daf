"""Where a bucket is: scheme, host and the style in which its keys become URLs.

Owns the two styles of addressing ("Virtual hosting of general purpose buckets", S3 User Guide) and the rules for a
bucket's name; signs nothing and sends nothing.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self
from urllib.parse import urlsplit

from gateway.storage._canonical import encode_key

_BUCKET: Final = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
"""S3 User Guide, "General purpose bucket naming rules": 3 to 63 characters, no two adjacent periods, no IP address."""

_REGION: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")

_AUTHORITY: Final = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


def domain_of(region: str) -> str:
    """The domain under which AWS's services of a Region are."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


class Addressing(StrEnum):
    """Where the bucket's name stands in a URL."""

    PATH = "path"
    VIRTUAL = "virtual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One bucket of one S3 service.

    `authority` is the service's own host and, unless it is the scheme's default, port, in lower case; make one with
    `aws` or `at`. A scheme, authority or bucket name that no S3 could have is a `ValueError`, and so is a name with
    dots in virtual style over https, which no wildcard certificate covers.
    """

    scheme: str
    authority: str
    bucket: str
    addressing: Addressing

    def __post_init__(self) -> None:
        if self.scheme not in _DEFAULT_PORTS:
            raise ValueError("an endpoint's scheme is http or https")
        if not _AUTHORITY.fullmatch(self.authority) or self.authority.endswith(_DEFAULT_PORTS[self.scheme]):
            raise ValueError("an endpoint's authority is a lower-case host and a port that is not the default one")
        if not _BUCKET.fullmatch(self.bucket):
            raise ValueError(f"{self.bucket!r} is no name of a general purpose bucket")
        if self.addressing is Addressing.VIRTUAL and self.scheme == "https" and "." in self.bucket:
            raise ValueError("a bucket name with dots has no certificate in virtual-host style: use path style")

    @classmethod
    def aws(cls, bucket: str, region: str, *, addressing: Addressing = Addressing.VIRTUAL) -> Self:
        """The bucket's regional endpoint on AWS, never the global one, which redirects what is not in its Region."""
        if not _REGION.fullmatch(region):
            raise ValueError(f"{region!r} is no name of a Region")
        domain = domain_of(region)
        return cls(scheme="https", authority=f"s3.{region}.{domain}", bucket=bucket, addressing=addressing)

    @classmethod
    def at(cls, url: str, bucket: str, *, addressing: Addressing = Addressing.PATH) -> Self:
        """The bucket at an S3 service's base URL, `http://localhost:8333`, say; more in the URL is a `ValueError`."""
        parts = urlsplit(url)
        if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("an endpoint's URL is a scheme, a host and a port, and nothing else")
        authority = parts.netloc.lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))
        return cls(scheme=parts.scheme, authority=authority, bucket=bucket, addressing=addressing)

    @property
    def host(self) -> str:
        """What the `Host` header says, and what is signed."""
        return self.authority if self.addressing is Addressing.PATH else f"{self.bucket}.{self.authority}"

    @property
    def origin(self) -> str:
        """Scheme and host: what stands before the path."""
        return f"{self.scheme}://{self.host}"

    @property
    def bucket_path(self) -> str:
        """The path of the bucket itself, for the operations that are not about one object."""
        return f"/{self.bucket}" if self.addressing is Addressing.PATH else "/"

    def path_for(self, key: str) -> str:
        """The raw path of an object, as a signer takes it: not encoded."""
        return f"/{self.bucket}/{key}" if self.addressing is Addressing.PATH else f"/{key}"

    def url_for(self, key: str) -> str:
        """The unsigned URL of an object, encoded for the wire."""
        return f"{self.origin}{encode_key(self.path_for(key))}"

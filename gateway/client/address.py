"""Where a gateway is and what a URL on the command line means; which addresses may see a token in the clear.

http://host/                     the gateway; files keep their own names
http://host/uploads/photos/      the same gateway; names begin with photos/
http://host/uploads/photos/a.png the whole name of one file
https://host/prod/uploads/a/     a gateway under a path of its own
"""

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from gateway.client.errors import UsageError

_MARK: Final = "/uploads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A gateway (its URL without a slash at the end), and the prefix of names or (no slash at its end) one name."""

    gateway: str
    place: str = ""

    @property
    def is_name(self) -> bool:
        """Whether `place` is the whole name of one file."""
        return bool(self.place) and not self.place.endswith("/")


def target(url: str, *, insecure: bool = False) -> Target:
    """What a URL means; raises UsageError for one that can't be meant, or that sends a token in the clear."""
    base = gateway_url(url, insecure=insecure)
    origin, path = base[: len(base) - len(urlsplit(base).path)], urlsplit(url).path
    before, mark, after = path.partition(f"{_MARK}/")
    if not mark:
        return Target(gateway=origin + path.removesuffix(_MARK).rstrip("/"))
    try:
        place = unquote_to_bytes(after).decode()
    except UnicodeDecodeError:
        raise UsageError("The name in the URL is not UTF-8.") from None
    return Target(gateway=origin + before.rstrip("/"), place=place)


def gateway_url(url: str, *, insecure: bool = False) -> str:
    """A gateway's URL without a slash at its end; raises UsageError as `target` does."""
    parts = urlsplit(url)
    try:
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise UsageError(f"{url!r} is no URL of a gateway: it begins with https:// (or http:// on this machine).")
    if parts.username is not None or parts.password is not None:
        raise UsageError("A URL carries no user name and no password here: say who you are with a token.")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise UsageError("A gateway's URL has no query and no fragment; in a name, ? is %3F and # is %23.")
    if not insecure and in_the_clear(url):
        raise UsageError(
            f"{parts.scheme}://{parts.netloc} would send the token in the clear: use https, or --insecure if you must."
        )
    return url.rstrip("/")


def in_the_clear(url: str) -> bool:
    """Whether what is sent to a URL can be read on a network: plain HTTP to another machine."""
    return urlsplit(url).scheme != "https" and not on_loopback(url)


def on_loopback(url: str) -> bool:
    """Whether a URL is of this machine by its spelling: `localhost` and its subdomains (RFC 6761), 127/8, ::1."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""Addresses that a tenant may name: which URLs, hosts and IP addresses are public, by their spelling alone.

What a name resolves to is judged where it is fetched, with the same `public_address`.
"""

import ipaddress
import re
from typing import Final

_URL: Final = re.compile(  # RFC 3986 section 3, without userinfo and fragment
    r"(?P<scheme>[a-z]+)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*)"
    r"(?P<query>\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
)
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_PRIVATE_SUFFIXES: Final = ("localhost", "local", "internal", "home.arpa", "lan", "intranet")
_NOT_UNICAST_V6: Final = tuple(  # IANA IPv6 Special-Purpose Address Registry, the part of it within 2000::/3
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_NOT_PUBLIC_V4: Final = tuple(  # IANA IPv4 Special-Purpose Address Registry, where older Pythons know less of it
    ipaddress.IPv4Network(network) for network in ("192.0.0.0/24", "192.88.99.0/24")
)
_METADATA: Final = tuple(  # where clouds hand credentials to whoever asks, beside the link-local addresses
    ipaddress.ip_network(network)
    for network in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::/32", "fd20:ce::254")
)


def metadata_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether a cloud answers here to its machines: nobody's issuer, not even on a private network.

    Alibaba Cloud, Azure, Oracle Cloud, AWS (IPv6), Google Cloud (IPv6); the others are link-local.
    """
    return address.is_link_local or any(address in network for network in _METADATA)


def public_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is a public unicast one, by the IANA special-purpose registries.

    An IPv6 address that carries an IPv4 one (mapped, 6to4, Teredo, NAT64) is not: what it reaches is not what it says.
    """
    if metadata_address(address):
        return False
    if isinstance(address, ipaddress.IPv4Address):
        special = address.is_multicast or address.is_reserved or any(address in network for network in _NOT_PUBLIC_V4)
        return address.is_global and not special
    unicast = int(address) >> 125 == 1  # 2000::/3, the only block of global unicast addresses
    return unicast and not any(address in network for network in _NOT_UNICAST_V6)


def host_fault(host: str, *, allow_private: bool) -> str | None:
    """What is wrong with a URL's host; an address is only taken in its one canonical spelling."""
    if host.startswith("["):
        try:
            address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            return "this host is no IPv6 address"
        return None if allow_private or public_address(address) else "this address is not public"
    name = host.lower()
    labels = name.split(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        return "this host is no host name (a trailing dot is not allowed)"
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):  # WHATWG URL, "ends in a number checker"
        try:
            address = ipaddress.IPv4Address(name)
        except ValueError:
            return "an address must be four decimal numbers"
        return None if allow_private or public_address(address) else "this address is not public"
    private = len(labels) == 1 or any(name == suffix or name.endswith(f".{suffix}") for suffix in _PRIVATE_SUFFIXES)
    return "this host is not public" if private and not allow_private else None


def url_fault(text: object, *, allow_private: bool, allow_query: bool) -> str | None:
    """What is wrong with an absolute URL that somebody will fetch or post to."""
    if type(text) is not str or len(text) > 2_048:
        return "this must be a URL of at most 2048 characters"
    if "#" in text:
        return "this URL must not have a fragment"
    parts = _URL.fullmatch(text)
    if parts is None:
        userinfo = "@" in text.partition("://")[2].partition("/")[0]
        return "this URL must not have credentials" if userinfo else "this must be an absolute https URL"
    if parts["scheme"] != "https" and not (allow_private and parts["scheme"] == "http"):
        return "this URL must be https"
    if parts["query"] is not None and not allow_query:
        return "this URL must not have a query"
    if parts["port"] is not None and not 1 <= int(parts["port"]) <= 65_535:
        return "this URL's port is out of range"
    if any(segment.lower().replace("%2e", ".") in (".", "..") for segment in parts["path"].split("/")):
        return "this URL must not have dot segments"
    return host_fault(parts["host"], allow_private=allow_private)

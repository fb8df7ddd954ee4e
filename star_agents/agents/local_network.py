"""Which addresses lie on this machine or in a private network. By their form alone: no name is looked up. Pure."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("127.0.0.0/8", "::1/128", "0.0.0.0/32", "::/128"),  # loopback, and the way servers write "here"
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918
        *("169.254.0.0/16", "fe80::/10", "fc00::/7", "100.64.0.0/10"),  # RFC 3927, 4291, 4193, 6598
    )
)
_PRIVATE_DOMAINS = ("localhost", "local", "internal", "home.arpa")
"""RFC 6761, RFC 6762 (mDNS), ICANN's reservation of 2024, RFC 8375."""


def host_of(url: str) -> str:
    """Host and port of an address, for people; empty where it has none."""
    try:
        return urlsplit(url if "//" in url else f"//{url}").netloc.rpartition("@")[2]
    except ValueError:
        return ""


def is_local(url: str) -> bool:
    """Whether an address names this machine or one in a private network. A name without a dot is no public one."""
    try:
        host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    except ValueError:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.rstrip(".")
        return bool(name) and ("." not in name or name.endswith(tuple(f".{domain}" for domain in _PRIVATE_DOMAINS)))
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in _PRIVATE)


def is_loopback(url: str) -> bool:
    """Whether an address means whatever machine it is used on, such as ``http://localhost:11434``."""
    try:
        host = (urlsplit(url if "//" in url else f"//{url}").hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None)
    return any(one.is_loopback or one.is_unspecified for one in (address, mapped) if one is not None)

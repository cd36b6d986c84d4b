"""Addresses of callback hosts, and which of them may be called.

Every address of a host must be public, and the one called is among those checked: a second lookup
could resolve the name differently.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
"""Resolves a host's name, or raises ``OSError``."""
GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
"""Addresses that embed an IPv4 address in their last 32 bits (RFC 6052)."""


class AddressRefused(Exception):
    """A host may not be called."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(f"{host} is {address}, which is no address of the public internet")
        self.host, self.address = host, address


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver, which takes addresses in any notation, decimal too."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


def unwrap_ipv4(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address embeds, or the address itself."""
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address
    return address


def is_public(address: Address) -> bool:
    """Check whether an address is a single host on the public internet, and no tunnel."""
    address = unwrap_ipv4(address)
    if isinstance(address, IPv6Address):
        return address in GLOBAL_UNICAST and address.is_global and address.sixtofour is None
    return address.is_global and not address.is_multicast


def choose_address(host: str, found: Sequence[str], *, local: bool = False) -> str:
    """Choose the address to call, IPv4 first; ``local`` also allows this machine's own.

    Raises
    ------
    AddressRefused
        If any address is not public.
    """
    for text in found:
        address = read_address(text)
        if not is_public(address) and not (local and unwrap_ipv4(address).is_loopback):
            raise AddressRefused(host, text)
    return min(found, key=lambda text: read_address(text).version)


def read_address(text: str) -> Address:
    """Read an address, without the zone of a link-local one."""
    return ipaddress.ip_address(text.partition("%")[0])

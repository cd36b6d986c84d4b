"""Addresses: what a host's name stands for, and whether we may call it.

Every address of a name has to be one of the public internet, and the one that is called is one of
those that were looked at: a name that is looked up twice may answer differently.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
"""Gives the addresses of a host's name, or raises ``OSError``."""
GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
"""Stands for the IPv4 addresses in its last 32 bits (RFC 6052)."""


class AddressRefused(Exception):
    """A host is none that may be called."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(f"{host} is {address}, which is no address of the public internet")
        self.host, self.address = host, address


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver, which takes every way to write an address, decimal too."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


def unwrapped(address: Address) -> Address:
    """Give the IPv4 address that an IPv6 address is only another way to write."""
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address
    return address


def public(address: Address) -> bool:
    """Tell whether an address is one host's on the public internet; tunnels to any are none."""
    address = unwrapped(address)
    if isinstance(address, IPv6Address):
        return address in GLOBAL_UNICAST and address.is_global and address.sixtofour is None
    return address.is_global and not address.is_multicast


def choose(host: str, found: Sequence[str], *, local: bool = False) -> str:
    """Choose the address to call, IPv4 first; ``local`` allows this machine's own.

    Raises
    ------
    AddressRefused
        If any address is not public.
    """
    for text in found:
        address = read(text)
        if not public(address) and not (local and unwrapped(address).is_loopback):
            raise AddressRefused(host, text)
    return min(found, key=lambda text: read(text).version)


def read(text: str) -> Address:
    """Read an address, without the zone that a link-local one may have."""
    return ipaddress.ip_address(text.partition("%")[0])

"""Addresses: only hosts of the public internet are called."""

import pytest

from serval.requests.callbacks.addresses import AddressRefused, choose_address, resolve

PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.9.10",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "100::1",
    "2001:0:1::1",
    "2001:db8::1",
    "2002:a00:1::",
    "2002:808:808::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["8.8.8.8", "203.0.112.1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_of_the_public_internet_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused, match="no address of the public internet"):
        choose_address("a.example", [address])


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_called(address: str) -> None:
    assert choose_address("a.example", [address]) == address


@pytest.mark.parametrize("address", ["10.0.0.1", "::1", "169.254.169.254"])
def test_one_address_that_is_private_refuses_all(address: str) -> None:
    for found in (["8.8.8.8", address], [address, "8.8.8.8"], ["2001:4860:4860::8888", address]):
        with pytest.raises(AddressRefused, match=f"a.example is {address}"):
            choose_address("a.example", found)


def test_ipv4_is_called_first_since_lambda_has_no_other() -> None:
    assert choose_address("a.example", ["2001:4860:4860::8888", "8.8.8.8", "8.8.4.4"]) == "8.8.8.8"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_a_laptop_calls_itself_and_nobody_else_in_private(address: str) -> None:
    assert choose_address("localhost", [address], local=True) == address
    with pytest.raises(AddressRefused):
        choose_address("router.example", ["192.168.1.1"], local=True)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost"]
)
def test_however_this_machine_is_written_it_is_refused(host: str) -> None:
    with pytest.raises(AddressRefused):
        choose_address(host, resolve(host, 443))


@pytest.mark.parametrize("host", ["2852039166", "0xa9fea9fe", "169.254.43518"])
def test_however_the_metadata_service_is_written_it_is_refused(host: str) -> None:
    with pytest.raises(AddressRefused, match=r"169\.254\.169\.254"):
        choose_address(host, resolve(host, 443))

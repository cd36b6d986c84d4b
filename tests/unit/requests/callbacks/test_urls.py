"""Callback URLs: what a stranger may have us call."""

import pytest

from serval.requests.callbacks.urls import CallbackUrl, read_callback_url


@pytest.mark.parametrize(
    ("url", "expected", "authority"),
    [
        (
            "https://shop.example.com/serval?order=1#part",
            CallbackUrl(True, "shop.example.com", 443, "/serval?order=1"),
            "shop.example.com",
        ),
        ("https://Shop.Example.com", CallbackUrl(True, "shop.example.com", 443, "/"), None),
        (
            "https://shop.example.com:8443/",
            CallbackUrl(True, "shop.example.com", 8443, "/"),
            "shop.example.com:8443",
        ),
        (
            "https://[2001:db8::1]:8443/a",
            CallbackUrl(True, "2001:db8::1", 8443, "/a"),
            "[2001:db8::1]:8443",
        ),
        ("https://xn--bcher-kva.example/", None, "xn--bcher-kva.example"),
        ("https://a.example/%0d%0aHost:%20b", None, "a.example"),
        ("https://a.example/" + "x" * 1982, None, "a.example"),
    ],
)
def test_a_url_says_where_a_callback_goes(
    url: str, expected: CallbackUrl | None, authority: str | None
) -> None:
    found = read_callback_url(url)
    assert expected in (None, found)
    assert authority in (None, found.authority)


@pytest.mark.parametrize(
    ("url", "expectation"),
    [
        ("", "an https URL"),
        ("shop.example.com/serval", "an https URL"),
        ("http://shop.example.com/", "an https URL"),
        ("ftp://shop.example.com/", "an https URL"),
        ("file:///etc/passwd", "an https URL"),
        ("javascript:alert(1)", "an https URL"),
        ("https:///serval", "an https URL with a host"),
        ("https://", "an https URL with a host"),
        ("https://[::1", "a URL"),
        ("https://a.example:port/", "a URL"),
        ("https://a.example:70000/", "a URL"),
        ("https://user@a.example/", "without a user name"),
        ("https://user:secret@a.example/", "without a user name"),
        ("https://@a.example/", "without a user name"),
        ("https://b.example\\@a.example/", "without a user name"),
        ("https://a.example\\b", "a backslash"),
        ("https://a.example/a b", "printable ASCII"),
        ("https://a.example/\r\nHost: b", "printable ASCII"),
        ("https://a.exa\tmple/", "printable ASCII"),
        ("https://a.example/\x7f", "printable ASCII"),
        ("https://b\u00fccher.example/", "printable ASCII"),
        ("https://a.example:22/", "port 443, or one from 1024 on,"),
        ("https://a.example:0/", "port 443"),
        ("https://a.example:80/", "port 443"),
        ("https://a.example/" + "x" * 1983, "at most 2000 characters"),
    ],
)
def test_what_would_not_be_called_is_refused(url: str, expectation: str) -> None:
    with pytest.raises(ValueError, match=r"a URL|https|port") as refused:
        read_callback_url(url)
    assert expectation in str(refused.value)


def test_a_laptop_takes_http_and_any_port() -> None:
    assert read_callback_url("http://localhost:80/x", local=True) == CallbackUrl(
        False, "localhost", 80, "/x"
    )
    assert read_callback_url("http://127.0.0.1:81/", local=True).authority == "127.0.0.1:81"
    with pytest.raises(ValueError, match="without a user name"):
        read_callback_url("http://user@localhost/", local=True)
    with pytest.raises(ValueError, match="an https URL"):
        read_callback_url("ftp://localhost/", local=True)

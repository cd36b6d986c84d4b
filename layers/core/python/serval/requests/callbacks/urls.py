"""Callback URLs that callers may name.

``serval.requests.callbacks.addresses`` checks the host's addresses when the callback is due.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

LIMIT_CHARACTERS = 2_000
HTTPS_PORT, HTTP_PORT = 443, 80
FIRST_USER_PORT = 1024
"""Lower ports belong to mail, shells and name servers; only https's own is allowed."""


@dataclass(frozen=True, slots=True)
class CallbackUrl:
    """Where a callback goes."""

    tls: bool
    host: str
    port: int
    target: str
    """Path and query."""

    @property
    def authority(self) -> str:
        """The ``Host`` header, without the port if it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host if self.port == (HTTPS_PORT if self.tls else HTTP_PORT) else f"{host}:{self.port}"
        )


def read_callback_url(url: str, *, local: bool = False) -> CallbackUrl:
    """Read a URL; ``local`` also allows http and any port, for receivers on a laptop.

    Raises
    ------
    ValueError
        Naming what was expected instead.
    """
    if len(url) > LIMIT_CHARACTERS:
        raise ValueError(f"a URL of at most {LIMIT_CHARACTERS} characters")
    # Before it is split: splitting drops line ends and tabs, wherever they are.
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise ValueError(
            "a URL of printable ASCII characters (others percent- or punycode-encoded)"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("a URL") from None
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        raise ValueError("an https URL")
    if not parts.hostname:
        raise ValueError("an https URL with a host")
    if "@" in parts.netloc or "\\" in url:
        raise ValueError("a URL without a user name, a password or a backslash")
    tls = parts.scheme == "https"
    port = (HTTPS_PORT if tls else HTTP_PORT) if port is None else port
    if not local and port != HTTPS_PORT and port < FIRST_USER_PORT:
        raise ValueError(f"port {HTTPS_PORT}, or one from {FIRST_USER_PORT} on,")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return CallbackUrl(tls, parts.hostname, port, target)

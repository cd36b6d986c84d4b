"""Authentication: API keys, checked inside each function."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from serval.access.api_key import ApiKey, hash_api_key
from serval.access.caller import Caller
from serval.errors import ApiKeyMissing, ApiKeyRejected

KeyLookup = Callable[[str], ApiKey | None]
"""sha256 (hex) of an API key → the key, or None for an unknown or revoked one."""

CACHE_SECONDS = 60.0
CACHED_KEYS = 1024


def presented_key(headers: Mapping[str, str]) -> str:
    """Read the API key from ``authorization: Bearer`` or ``x-api-key`` (lower-case names)."""
    authorization = headers.get("authorization", "")
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    if key := headers.get("x-api-key", "").strip():
        return key
    raise ApiKeyMissing


@dataclass(slots=True)
class Authenticator:
    """Checks API keys and caches good and bad ones for 60 s, so a revocation holds within 60 s.

    The cache is keyed by hash: a process that runs models holds no key that could be used.
    """

    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, tuple[float, Caller | None]] = field(default_factory=dict)

    def authenticate(self, headers: Mapping[str, str], lookup: KeyLookup) -> Caller:
        """Return the caller, looking its key up unless it is cached.

        Raises
        ------
        ApiKeyMissing
            If no key was sent.
        ApiKeyRejected
            If the key is unknown or revoked.
        """
        key_hash = hash_api_key(presented_key(headers))
        now = self.clock()
        seen = self._seen.get(key_hash)
        if seen is None or now - seen[0] >= CACHE_SECONDS:
            if len(self._seen) >= CACHED_KEYS:
                self._seen.clear()
            key = lookup(key_hash)
            seen = self._seen[key_hash] = (now, Caller(key, key_hash) if key else None)
        if seen[1] is None:
            raise ApiKeyRejected
        return seen[1]

    def find_cached(self, headers: Mapping[str, str]) -> Caller | None:
        """Return the caller if its key is cached and good, without a lookup."""
        try:
            seen = self._seen.get(hash_api_key(presented_key(headers)))
        except ApiKeyMissing:
            return None
        return seen[1] if seen else None

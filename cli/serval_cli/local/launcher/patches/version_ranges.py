"""Answer a range of a version of an object with that range, as S3 does, instead of all of it."""

from collections.abc import Mapping
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("app/SERVICE_HANDLERS/s3", "s3/_parse_range")
Reply = tuple[int, dict[str, str], Any]


def apply(emulator: Emulator) -> None:
    """Cut what the emulator answers; a range that cannot be had is left to it."""
    handle = emulator.app.SERVICE_HANDLERS["s3"]

    async def answer(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Mapping[str, Any]
    ) -> Reply:
        reply: Reply = await handle(method, path, headers, body, query)
        asked = headers.get("range")
        if method != "GET" or not asked or "versionId" not in query or reply[0] != 200:
            return reply
        content: bytes = reply[2]
        found = emulator.s3._parse_range(asked, len(content))
        if found is None:
            return reply
        first, last = found
        part = content[first : last + 1]
        place = f"bytes {first}-{last}/{len(content)}"
        kept = {name: value for name, value in reply[1].items() if name.lower() != "content-length"}
        return 206, kept | {"Content-Length": str(len(part)), "Content-Range": place}, part

    emulator.app.SERVICE_HANDLERS["s3"] = answer

"""Mutated inputs: what a stranger, a bad disk or a broken program makes of a good file."""

import random
from collections.abc import Callable, Sequence

MOST_BYTES = 1_000_000
EXTREMES = (
    *(number.to_bytes(8, "little") for number in (0, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)),
    *(number.to_bytes(4, "little") for number in (0, 2**31 - 1, 2**31, 2**32 - 1)),
    # Numbers as protocol buffers and thrift write them.
    *(b"\xff" * length + end for length in (1, 4, 8, 9) for end in (b"\x01", b"\x7f", b"\x00")),
    *(b"0", b"-1", b"1e999", b"-0", b"NaN", b"9" * 20, b"9" * 5_000, b"0x" + b"f" * 5_000),
    *(b"\x00", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b'"\\ud800"', b"\r", b"\n", b'"', b"'"),
    *(b"[" * 2_000, b"{" * 2_000, b'{"a":' * 2_000, b"(" * 500, b"- " * 500, b"&a *a", b"!!int "),
    *(b"!!bool ", b"!!timestamp ", b"? ", b"null", b"true", b"[]", b"{}", b'""', b"%", b"@", b"#"),
)
Change = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def flip(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def truncate(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    del data[rng.randrange(len(data) + 1) :]


def splice(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = rng.choice(seeds)
    data[rng.randrange(len(data) + 1) :] = other[rng.randrange(len(other) + 1) :]


def repeat(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    start = rng.randrange(len(data) + 1)
    chunk = bytes(data[start : start + rng.choice((1, 4, 32, 256))])
    data[start:start] = chunk * rng.choice((1, 2, 64))


def drop(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    start = rng.randrange(len(data) + 1)
    del data[start : start + rng.choice((1, 1, 4, 64))]


def overwrite(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    start, extreme = rng.randrange(len(data) + 1), rng.choice(EXTREMES)
    data[start : start + len(extreme)] = extreme


def insert(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    start = rng.randrange(len(data) + 1)
    data[start : start + rng.choice((0, 1))] = rng.choice(EXTREMES)


CHANGES: Sequence[Change] = (flip, truncate, splice, repeat, drop, overwrite, insert)


def mutated(seeds: Sequence[bytes], number: int) -> bytes:
    """Give the mutation of this number, always the same; each has one to three changes."""
    rng = random.Random(number)
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(CHANGES)(rng, data, seeds)
    return bytes(data[:MOST_BYTES])

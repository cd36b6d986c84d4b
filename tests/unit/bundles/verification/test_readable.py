"""Files that are read where they lie in S3: any position, and connections that break."""

import io
from typing import IO

import pytest

from serval.bundles.verification import readable
from serval.bundles.verification.readable import RemoteFile, RemoteFolder, size_of_file

BODY = bytes(range(256)) * 64


class Breaking(io.BytesIO):
    """An answer that ends early, or breaks."""

    def __init__(self, body: bytes, most: int, error: Exception | None) -> None:
        super().__init__(body[:most])
        self.error = error

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        if not found and self.error is not None:
            raise self.error
        return found


class Store:
    """Opens the body, every answer with its own end."""

    def __init__(self, most: int = len(BODY), error: Exception | None = None) -> None:
        self.most, self.error = most, error
        self.opened: list[int] = []
        self.failures: list[Exception] = []

    def open_from(self, url: str, start: int, size_bytes: int) -> IO[bytes]:
        assert (url, size_bytes) == ("u", len(BODY))
        self.opened.append(start)
        return Breaking(BODY[start:], self.most, self.error)

    def file(self) -> RemoteFile:
        folder = RemoteFolder({"w": RemoteFile("u", len(BODY), self.open_from, self.failures)})
        return folder / "w"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readable, "PAUSE_SECONDS", 0.0)


def test_a_file_is_read_in_one_request_as_long_as_it_goes_forwards():
    store = Store()
    with store.file().open() as file:
        assert size_of_file(file) == len(BODY)
        assert file.read(3) == BODY[:3]
        file.seek(1000)
        assert file.read(5) == BODY[1000:1005]
        file.seek(len(BODY) - 4)
        assert file.read() == BODY[-4:]
    assert store.opened == [0]


def test_a_step_backwards_or_a_long_one_asks_anew(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readable, "SKIP_BYTES", 100)
    monkeypatch.setattr(readable, "BUFFER_BYTES", 16)
    store = Store()
    with store.file().open() as file:
        for at in (5000, 5100, 200, 9000):
            file.seek(at)
            assert file.read(10) == BODY[at : at + 10]
    assert store.opened == [5000, 200, 9000]


@pytest.mark.parametrize("error", [None, ConnectionResetError(), TimeoutError()])
def test_a_connection_that_breaks_is_made_again_where_it_broke(error: Exception | None):
    store = Store(most=5000, error=error)

    assert store.file().read_bytes() == BODY
    assert store.opened == [0, 5000, 10000, 15000]
    assert store.failures == []


@pytest.mark.parametrize(
    ("error", "tries"), [(ConnectionResetError(), 4), (PermissionError("403"), 1)]
)
def test_what_does_not_come_back_is_a_failure_that_is_known(error: Exception, tries: int):
    store = Store(most=0, error=error)

    with pytest.raises(type(error)):
        store.file().read_bytes()
    assert store.opened == [0] * tries
    assert store.failures == [error]

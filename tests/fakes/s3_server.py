"""A small S3 over HTTP, with parts, versions, ranges and checksums, whose objects lie on disk.

The emulator keeps objects in memory. This one keeps them in a folder, blocks of zeros as holes, so
that artifacts of many gigabytes pass through it. It follows the API reference of S3
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html)
as far as artifacts need it, and knows nobody's rights.
"""

import base64
import hashlib
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "artifacts"
BLOCK = 2**20
ZEROS = bytes(BLOCK)
PAGE = 1000
Extent = tuple[Path, int, int]
"""A file, where in it, how many bytes."""


class Refused(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Stored:
    """A version of an object, or a part of one."""

    extents: tuple[Extent, ...]
    etag: str
    checksum: str | None = None

    @property
    def size(self) -> int:
        return sum(size for _, _, size in self.extents)

    def section(self, start: int, end: int) -> tuple[Extent, ...]:
        found, at = [], 0
        for path, offset, size in self.extents:
            first, last = max(start - at, 0), min(end - at, size)
            if first < last:
                found.append((path, offset + first, last - first))
            at += size
        return tuple(found)


@dataclass
class OpenUpload:
    key: str
    metadata: dict[str, str]
    checked: bool
    parts: dict[int, Stored] = field(default_factory=dict)


@dataclass
class Disk:
    """What the server holds; ``before`` sees each request as ``PUT incoming/…?partNumber``."""

    folder: Path
    objects: dict[str, list[tuple[Stored, dict[str, str]]]] = field(default_factory=dict)
    uploads: dict[str, OpenUpload] = field(default_factory=dict)
    before: Callable[[str], object] = lambda _: None
    requests: list[str] = field(default_factory=list)
    sent_bytes: int = 0
    names: Iterator[int] = field(default_factory=itertools.count)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, read: Callable[[int], bytes], size: int, checksum: str | None) -> Stored:
        path = self.folder / str(next(self.names))
        digest = hashlib.sha256()
        with path.open("wb") as file:
            left = size
            while left and (block := read(min(BLOCK, left))):
                digest.update(block)
                left -= len(block)
                if block == ZEROS[: len(block)]:
                    file.seek(len(block), 1)
                else:
                    file.write(block)
            if left:
                raise ConnectionAbortedError
            file.truncate(size)
        found = base64.b64encode(digest.digest()).decode()
        if checksum not in (None, found):
            raise Refused(400, "BadDigest")
        return Stored(((path, 0, size),), f'"{digest.hexdigest()[:32]}"', checksum)

    def find(self, key: str, version: str | None) -> tuple[Stored, dict[str, str], str]:
        versions = self.objects.get(key, [])
        at = int(version[1:]) if version else len(versions)
        if not 0 < at <= len(versions):
            raise Refused(404, "NoSuchVersion" if version else "NoSuchKey")
        return (*versions[at - 1], f"v{at}")

    def add(self, key: str, stored: Stored, metadata: dict[str, str], if_none: str | None) -> str:
        with self.lock:
            versions = self.objects.setdefault(key, [])
            if if_none and versions:
                raise Refused(412, "PreconditionFailed")
            versions.append((stored, metadata))
            return f"v{len(versions)}"

    def complete(self, upload: OpenUpload, numbers: list[int]) -> Stored:
        parts = [upload.parts[number] for number in numbers]
        extents = tuple(extent for part in parts for extent in part.extents)
        checksum = None
        if upload.checked:
            joined = b"".join(base64.b64decode(part.checksum or "") for part in parts)
            encoded = base64.b64encode(hashlib.sha256(joined).digest()).decode()
            checksum = f"{encoded}-{len(parts)}"
        return Stored(extents, f'"multi-{len(parts)}"', checksum)


class S3Handler(BaseHTTPRequestHandler):
    """One request, by S3's rules."""

    protocol_version = "HTTP/1.1"
    server: "S3Server"

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def handle_method(self) -> None:
        url = urlsplit(self.path)
        self.query = {
            name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()
        }
        self.key = unquote(url.path).removeprefix(f"/{BUCKET}").removeprefix("/")
        self.disk = self.server.disk
        name = next((n for n in ("partNumber", "uploads", "uploadId") if n in self.query), "")
        call = f"{self.command} {self.key}" + (f"?{name}" if name else "")
        self.disk.requests.append(call)
        try:
            self.disk.before(call)
            getattr(self, f"on_{self.command.lower()}")()
        except Refused as refused:
            # Not all that was sent may have been read.
            self.close_connection = True
            self.reply(refused.status, xml("Error", Code=refused.code), Connection="close")
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_method  # noqa: N815

    def on_put(self) -> None:
        source = self.headers.get("x-amz-copy-source")
        stored = self.copied(source) if source else self.received()
        if "partNumber" in self.query:
            self.open_upload().parts[int(self.query["partNumber"])] = stored
            result = xml("CopyPartResult", ETag=stored.etag) if source else b""
            return self.reply(200, result, ETag=stored.etag)
        none = self.headers.get("If-None-Match")
        version = self.disk.add(self.key, stored, self.metadata(), none)
        result = xml("CopyObjectResult", ETag=stored.etag) if source else b""
        return self.reply(200, result, **{"ETag": stored.etag, "x-amz-version-id": version})

    def received(self) -> Stored:
        size = int(self.headers["Content-Length"])
        self.disk.sent_bytes += size
        return self.disk.write(self.rfile.read, size, self.headers.get("x-amz-checksum-sha256"))

    def copied(self, source: str) -> Stored:
        path, _, version = unquote(source).partition("?versionId=")
        found, *_ = self.disk.find(path.removeprefix("/").partition("/")[2], version or None)
        asked = self.headers.get("x-amz-copy-source-range")
        if asked is None:
            return Stored(found.extents, found.etag, found.checksum)
        first, last = map(int, asked.removeprefix("bytes=").split("-"))
        if last >= found.size:
            raise Refused(400, "InvalidRange")
        return Stored(found.section(first, last + 1), f'"{first}-{last}"')

    def on_post(self) -> None:
        if "uploads" in self.query:
            checked = self.headers.get("x-amz-checksum-algorithm") == "SHA256"
            name = f"u{next(self.disk.names)}"
            self.disk.uploads[name] = OpenUpload(self.key, self.metadata(), checked)
            return self.reply(200, xml("InitiateMultipartUploadResult", UploadId=name))
        upload = self.open_upload()
        body = ElementTree.fromstring(self.rfile.read(int(self.headers["Content-Length"])))
        numbers = [int(one.text or "") for one in body.iter() if one.tag.endswith("PartNumber")]
        stored = self.disk.complete(upload, numbers)
        self.disk.add(self.key, stored, upload.metadata, self.headers.get("If-None-Match"))
        del self.disk.uploads[self.query["uploadId"]]
        return self.reply(200, xml("CompleteMultipartUploadResult", ETag=stored.etag))

    def on_delete(self) -> None:
        self.disk.uploads.pop(self.query["uploadId"], None)
        self.reply(204)

    def on_head(self) -> None:
        self.on_get()

    def on_get(self) -> None:
        if not self.key:
            return self.reply(200, self.listed())
        if "uploadId" in self.query:
            return self.reply(200, self.listed_parts())
        stored, metadata, version = self.disk.find(self.key, self.query.get("versionId"))
        headers = {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        headers |= {"ETag": stored.etag, "x-amz-version-id": version}
        if stored.checksum and self.headers.get("x-amz-checksum-mode"):
            headers["x-amz-checksum-sha256"] = stored.checksum
        return self.send_object(stored, headers)

    def send_object(self, stored: Stored, headers: dict[str, str]) -> None:
        first, end, status = 0, stored.size, 200
        if (asked := self.headers.get("Range")) is not None:
            start, _, last = asked.removeprefix("bytes=").partition("-")
            first, end, status = int(start), min(int(last or stored.size) + 1, stored.size), 206
            if first >= stored.size:
                raise Refused(416, "InvalidRange")
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{stored.size}"
        self.reply(status, None, **headers, **{"Content-Length": str(end - first)})
        for path, offset, size in stored.section(first, end) if self.command == "GET" else ():
            with path.open("rb") as file:
                for at in range(offset, offset + size, BLOCK):
                    file.seek(at)
                    self.wfile.write(file.read(min(BLOCK, offset + size - at)))

    def listed(self) -> bytes:
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter")
        if "uploads" in self.query:
            found = [
                ("Upload", {"Key": one.key, "UploadId": name, "Initiated": "2026-11-21T10:15:00Z"})
                for name, one in self.disk.uploads.items()
                if one.key.startswith(prefix)
            ]
            return xml("ListMultipartUploadsResult", *found, IsTruncated="false")
        keys = sorted(key for key in self.disk.objects if key.startswith(prefix))
        if delimiter:
            above = {prefix + key[len(prefix) :].split(delimiter)[0] + delimiter for key in keys}
            common = [("CommonPrefixes", {"Prefix": one}) for one in sorted(above)]
            return xml("ListBucketResult", *common, IsTruncated="false")
        return xml("ListBucketResult", *(("Contents", {"Key": key}) for key in keys))

    def listed_parts(self) -> bytes:
        parts, after = self.open_upload().parts, int(self.query.get("part-number-marker", 0))
        later = sorted(number for number in parts if number > after)
        page = later[:PAGE]
        listed = [
            (
                "Part",
                {"PartNumber": str(n), "ETag": parts[n].etag, "Size": str(parts[n].size)}
                | ({"ChecksumSHA256": parts[n].checksum or ""} if parts[n].checksum else {}),
            )
            for n in page
        ]
        more = {"NextPartNumberMarker": str(page[-1])} if len(later) > PAGE else {}
        truncated = str(len(later) > PAGE).lower()
        return xml("ListPartsResult", *listed, IsTruncated=truncated, **more)

    def open_upload(self) -> OpenUpload:
        found = self.disk.uploads.get(self.query["uploadId"])
        if found is None or found.key != self.key:
            raise Refused(404, "NoSuchUpload")
        return found

    def metadata(self) -> dict[str, str]:
        names = {name.lower(): value for name, value in self.headers.items()}
        prefix = "x-amz-meta-"
        return {n.removeprefix(prefix): v for n, v in names.items() if n.startswith(prefix)}

    def reply(self, status: int, body: bytes | None = b"", **headers: str) -> None:
        self.send_response(status)
        if body is not None:
            headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(body)


class S3Server(ThreadingHTTPServer):
    """The server over its disk."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), S3Handler)
        self.disk = Disk(Path())

    def empty(self, folder: Path) -> None:
        """Empty the bucket, and keep what comes in a new folder."""
        folder.mkdir()
        self.disk = Disk(folder)

    @cached_property
    def client(self) -> "S3Client":
        """A client of this server."""
        return client_of(self.server_port)


def client_of(port: int) -> "S3Client":
    """Make a client of a server, which tries nothing twice."""
    return boto3.Session("id", "secret", region_name="us-east-1").client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        config=Config(
            retries={"total_max_attempts": 1},
            max_pool_connections=40,
            s3={"addressing_style": "path"},
        ),
    )


def xml(root: str, *children: tuple[str, dict[str, str]], **values: str) -> bytes:
    element = ElementTree.Element(root)
    for name, value in values.items():
        ElementTree.SubElement(element, name).text = value
    for name, inner in children:
        child = ElementTree.SubElement(element, name)
        for inner_name, value in inner.items():
            ElementTree.SubElement(child, inner_name).text = value
    return ElementTree.tostring(element)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server; ``empty`` makes its bucket."""
    with S3Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

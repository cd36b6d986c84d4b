import struct
import zlib

import pytest
from PIL import Image

from serval.errors import InvalidInputs
from serval.tasks.image.decode import FORMATS, decode_image
from tests.fakes.images import image


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that says how large it is, and has hardly a pixel."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_of_each_format_is_decoded(kind: str) -> None:
    decoded = decode_image(image(31, 20, kind=kind), 0)
    assert (decoded.mode, decoded.size) == ("RGB", (31, 20))


def test_a_bomb_is_refused_by_its_header() -> None:
    with pytest.raises(InvalidInputs) as refused:
        decode_image(png_header(20_000, 20_000), 3)
    assert str(refused.value) == (
        "input 3: an image of 20000 x 20000, 400,000,000 pixels, at most 50,000,000 allowed: "
        "send a smaller one"
    )


def test_an_image_that_says_more_than_it_has_is_refused() -> None:
    with pytest.raises(InvalidInputs, match="input 0: the image is damaged"):
        decode_image(png_header(64, 64), 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_truncated_image_is_refused(kind: str) -> None:
    whole = image(90, 80, kind=kind)
    with pytest.raises(InvalidInputs, match="input 1: the image is damaged"):
        decode_image(whole[: len(whole) * 2 // 3], 1)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        b"P6 2 2 255 " + bytes(12),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"\xff\xd8\xff",
    ],
    ids=["bytes", "svg", "ppm", "eps", "start of a JPEG"],
)
def test_what_is_no_image_of_these_formats_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInputs, match=r"input 0: .* JPEG, PNG, WEBP, GIF, BMP or TIFF exp"):
        decode_image(data, 0)


def test_no_bytes_are_no_image() -> None:
    with pytest.raises(InvalidInputs, match="input 2: no bytes given, not an image; JPEG"):
        decode_image(b"", 2)


@pytest.mark.parametrize("value", ["text", 7, None, {"image": 1}])
def test_an_input_that_is_not_bytes_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputs, match="the bytes of an image file expected"):
        decode_image(value, 0)


def test_an_image_is_turned_as_its_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(image(30, 20, kind="JPEG", exif=exif), 0).size == (20, 30)


def test_a_gray_image_is_decoded_as_gray_where_it_is_wanted() -> None:
    assert decode_image(image(12, 9), 0, "L").mode == "L"

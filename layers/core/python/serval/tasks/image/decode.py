"""The bytes of an image file, decoded: a few formats, and a limit that is checked beforehand."""

from io import BytesIO
from typing import Any

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from serval.errors import InvalidInputs
from serval.foreign import refusing
from serval.short_repr import short_repr

FORMATS = tuple(
    str(plugin.format)
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        WebPImagePlugin.WebPImageFile,
        GifImagePlugin.GifImageFile,
        BmpImagePlugin.BmpImageFile,
        TiffImagePlugin.TiffImageFile,
    )
)
"""Pillow knows forty more, some of which run programs. Its plugins are imported here one by one,
because it would import all of them to find those of a list."""
MAX_PIXELS = 50_000_000
"""What an image may have, by its header: 200 MB once it is decoded."""

Image.MAX_IMAGE_PIXELS = None  # its warning and its limit are above ours


def decode_image(data: Any, index: int, mode: str = "RGB") -> Image.Image:
    """Decode a JPEG, PNG, WebP, GIF, BMP or TIFF, of which the first frame, turned upright.

    Parameters
    ----------
    data
        The bytes of the file.
    index
        Which input of the request it is, for messages.
    mode
        Pillow's mode of the result: ``RGB``, or ``L`` for gray.

    Raises
    ------
    InvalidInputs
        If it is not such a file, is damaged, or has more than 50,000,000 pixels.
    """
    if not isinstance(data, bytes):
        raise InvalidInputs(
            f"input {index}: {short_repr(data)} given, the bytes of an image file expected"
        )
    image = _open(data, index)
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise InvalidInputs(
            f"input {index}: an image of {image.width} x {image.height}, {pixels:,} pixels, "
            f"at most {MAX_PIXELS:,} allowed: send a smaller one"
        )
    with refusing(lambda said: InvalidInputs(f"input {index}: the image is damaged: {said}")):
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode == mode:  # whose conversion would be a copy
            return image
        image.info.pop("transparency", None)  # dropped by the conversion, which would warn
        return image.convert(mode)


def _open(data: bytes, index: int) -> Image.Image:
    with refusing(lambda said: InvalidInputs(f"input {index}: the image is damaged: {said}")):
        try:
            return Image.open(BytesIO(data), formats=FORMATS)
        except UnidentifiedImageError:
            what = f"{len(data)} bytes that are" if data else "no bytes given,"
    raise InvalidInputs(
        f"input {index}: {what} not an image; {', '.join(FORMATS[:-1])} or {FORMATS[-1]} expected"
    )

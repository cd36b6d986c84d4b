"""From the bytes of images to the tensors of a graph, as the original's image processor has them.

Processors compute in this order: resize, crop, rescale, normalise, pad. Until the image is cropped
its values are bytes, so that what follows is one table of 256 values for each channel.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.image.decode import decode_image
from serval.tasks.image.graph_input import ImageInput, find_image_input
from serval.tasks.image.settings import ImageSettings, override, plain_settings, read_settings
from serval.tasks.image.sizes import Size, SizeRule, check_size

PIXEL_MASK = "pixel_mask"
FULL_SCALE = 256


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """One image as the graph takes it."""

    pixels: Array
    """Without the batch axis."""
    size: Size
    """Height and width of the image that was sent."""
    unpadded: Size
    """Height and width of what is not padding."""


@dataclass(frozen=True, slots=True)
class ImagePreparation:
    """What makes tensors of images for one graph."""

    settings: ImageSettings
    input: ImageInput
    table: Array
    """FP32 [channels, 256]: the value of each byte in each channel."""

    @classmethod
    def from_files(cls, files: TaskFiles, graph: TaskGraph) -> "ImagePreparation":
        """Read preprocessor_config.json, or do without by the graph's signature.

        Raises
        ------
        TaskUnreadable
            If they contradict each other, or the size of images is said nowhere.
        """
        image_input = find_image_input(graph)
        settings = read_settings(files)
        if settings is None:
            rule = SizeRule(*image_input.size) if image_input.size else None
            if rule is None and "size" not in files.options:
                raise TaskUnreadable(
                    "the bundle has no preprocessor_config.json, and the graph leaves the size of "
                    "images open: add 'size: [height, width]' under 'task:' in model.yaml"
                )
            settings = plain_settings(rule, image_input.rescale)
        settings = override(settings, files.options)
        _check_signature(settings, image_input)
        return cls(settings, image_input, value_table(settings, image_input.channels))

    def prepare(self, data: Any, index: int) -> PreparedImage:
        """Decode and prepare one image.

        Raises
        ------
        InvalidInputs
            If it is not an image, too large or too narrow.
        """
        image = decode_image(data, index, "L" if self.input.channels == 1 else "RGB")
        size = image.height, image.width
        pixels = self._values(self._resize(image, index))
        unpadded = pixels.shape[1], pixels.shape[2]
        if self.settings.pad:
            pixels = pad_to(pixels, self.settings.pad)
        if self.input.channels_last:
            pixels = np.ascontiguousarray(pixels.transpose(1, 2, 0))
        return PreparedImage(pixels, size, unpadded)

    def run(
        self,
        graph: TaskGraph,
        inputs: Sequence[Any],
        others: Mapping[str, Array] | None = None,
        outputs: Sequence[str] | None = None,
    ) -> list[tuple[Size, dict[str, Array]]]:
        """Prepare images and run those of equal shapes together.

        Parameters
        ----------
        others
            Further inputs of each run.
        outputs
            Names of the outputs to compute, each with the batch axis first; all without it.

        Returns
        -------
            For each image its height and width, and its part of the outputs.
        """
        results: dict[int, tuple[Size, dict[str, Array]]] = {}
        for members, arrays in self.batches(graph, inputs):
            found = graph.run({**arrays, **(others or {})}, outputs)
            for row, (index, size) in enumerate(members):
                results[index] = size, {name: array[row] for name, array in found.items()}
        return [results[index] for index in range(len(inputs))]

    def batches(
        self, graph: TaskGraph, inputs: Sequence[Any]
    ) -> Iterator[tuple[list[tuple[int, Size]], dict[str, Array]]]:
        """Prepare images and stack those of equal shapes.

        Yields
        ------
            The number and the size, as it was sent, of each image; and what the graph takes.
        """
        images = [self.prepare(data, index) for index, data in enumerate(inputs)]
        groups: dict[tuple[int, ...], list[int]] = {}
        for index, image in enumerate(images):
            key = (index,) if self.input.batch == 1 else image.pixels.shape
            groups.setdefault(key, []).append(index)
        for members in groups.values():
            arrays = {self.input.name: np.stack([images[index].pixels for index in members])}
            if PIXEL_MASK in graph.inputs:
                arrays[PIXEL_MASK] = np.stack([self._mask(images[index]) for index in members])
            yield [(index, images[index].size) for index in members], arrays

    def _mask(self, image: PreparedImage) -> Array:
        mask = np.ones(image.unpadded, np.int64)
        return pad_to(mask, self.settings.pad) if self.settings.pad else mask

    def _resize(self, image: Image.Image, index: int) -> Image.Image:
        if self.settings.resize:
            size = self.settings.resize.of(image.height, image.width)
            check_size(size, index, (image.height, image.width))
            image = image.resize((size[1], size[0]), Image.Resampling(self.settings.resample))
        if self.settings.crop:
            height, width = self.settings.crop
            left, top = (image.width - width) // 2, (image.height - height) // 2
            image = image.crop((left, top, left + width, top + height))
        return image

    def _values(self, image: Image.Image) -> Array:
        levels = np.asarray(image)
        channels = levels[None] if levels.ndim == 2 else levels.transpose(2, 0, 1)
        if self.settings.flip_channels:
            channels = channels[::-1]
        pixels = np.empty(channels.shape, np.float32)
        for row, channel, into in zip(self.table, channels, pixels, strict=True):
            np.take(row, channel, out=into, mode="clip")  # which takes no detour, as 'raise' does
        return pixels


def value_table(settings: ImageSettings, channels: int) -> Array:
    """Compute what each byte becomes: FP32 [channels, 256].

    Raises
    ------
    TaskUnreadable
        If ``mean`` or ``std`` has numbers for another number of channels.
    """
    for name, numbers in (("mean", settings.mean), ("std", settings.std)):
        if len(numbers) not in (1, channels):
            raise TaskUnreadable(
                f"the images' {name} has {len(numbers)} numbers, and the graph takes images of "
                f"{channels} channels"
            )
    # The order of the roundings to FP32 is that of the original.
    levels = (np.arange(FULL_SCALE) * settings.rescale).astype(np.float32)
    levels += np.float32(settings.offset)
    std = np.asarray(settings.std, np.float32)[:, None]
    table: Array = (levels - np.asarray(settings.mean, np.float32)[:, None]) / std
    if settings.divide_again:
        table /= std
    return np.broadcast_to(table, (channels, FULL_SCALE))


def pad_to(array: Array, size: Size) -> Array:
    """Add zeros at the end of the last two axes."""
    height, width = array.shape[-2:]
    edges = ((0, max(0, size[0] - height)), (0, max(0, size[1] - width)))
    result: Array = np.pad(array, ((0, 0),) * (array.ndim - 2) + edges)
    return result


def _check_signature(settings: ImageSettings, image_input: ImageInput) -> None:
    size = settings.pad or settings.crop or (settings.resize and settings.resize.fixed)
    wanted = image_input.size
    if wanted is None or size == wanted:
        return
    made = f"as {size[1]} x {size[0]}" if size else "in sizes that depend on the image"
    raise TaskUnreadable(
        f"images are prepared {made}, but the graph's input {image_input.name!r} takes "
        f"{wanted[1]} x {wanted[0]}: 'size: [{wanted[0]}, {wanted[1]}]' under 'task:' in "
        "model.yaml prepares them so"
    )

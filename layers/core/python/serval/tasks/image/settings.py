"""What preprocessor_config.json says of images, and ``task:`` of model.yaml in its place.

Configs of many years are read: ``feature_extractor_type``, sizes that are single numbers, and keys
that are missing, for which each processor has values of its own. ``task:`` may have ``size`` (a
number, or height and width), ``mean`` and ``std`` (numbers for values from 0 to 1, one for each
channel or one for all) and ``rescale`` (what a pixel from 0 to 255 is multiplied by, 1/255 unless
it is given; 1 for graphs that scale by themselves).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from serval.short_repr import short_repr
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.image.processors import PROCESSORS, processor_defaults, processor_name
from serval.tasks.image.sizes import Size, SizeRule, read_rule, read_size

PREPROCESSOR, PROCESSOR = "preprocessor_config.json", "processor_config.json"
CROPPING_EDGE = 384
"""From this size on, ConvNeXt's processor no longer crops."""
LEVIT_MARGIN = 256 / 224


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """What is done with an image, in this order."""

    processor: str
    """Of transformers, such as ``ConvNext``; empty if the bundle names none."""
    resize: SizeRule | None
    resample: int
    crop: Size | None
    """The middle that is cut out; black is added where the image is smaller."""
    rescale: float
    offset: float
    """Added after rescaling."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    divide_again: bool
    """Whether values are divided by ``std`` a second time, as EfficientNet's are."""
    flip_channels: bool
    """Whether the graph takes BGR."""
    pad: Size | None
    """Zeros are added at the right and the bottom up to this size."""


def read_settings(files: TaskFiles) -> ImageSettings | None:
    """Read the preprocessor's config; None if the bundle has none.

    Raises
    ------
    TaskUnreadable
        If the processor is one that Serval does not know, or a setting is impossible.
    """
    config = files.json(PREPROCESSOR) or files.json(PROCESSOR).get("image_processor")
    if not isinstance(config, Mapping):
        return None
    name = processor_name(config, files.json("config.json"))
    if name and name not in PROCESSORS:
        raise TaskUnreadable(
            f"{PREPROCESSOR}: {name}ImageProcessor is none of the image processors that Serval "
            f"knows: {', '.join(PROCESSORS)}"
        )
    given = {key: value for key, value in config.items() if value is not None}
    return _settings(name, {**processor_defaults(name), **given})


def override(settings: ImageSettings, options: Mapping[str, Any]) -> ImageSettings:
    """Let ``size``, ``mean``, ``std`` and ``rescale`` of model.yaml's ``task:`` win."""
    where = "model.yaml: task:"
    if "size" in options:
        rule = read_rule(options["size"], f"{where} size")
        settings = replace(settings, resize=rule, crop=None)
    if "mean" in options:
        settings = replace(settings, mean=_numbers(options["mean"], f"{where} mean"))
    if "std" in options:
        settings = replace(settings, std=_divisors(options["std"], f"{where} std"))
    if "rescale" in options:
        settings = replace(settings, rescale=read_number(options["rescale"], f"{where} rescale"))
    return settings


def plain_settings(size: SizeRule | None, rescale: float) -> ImageSettings:
    """Return the settings of a graph without a preprocessor: resize and rescale."""
    values = processor_defaults("") | {"do_resize": False, "rescale_factor": rescale}
    return replace(_settings("", values), resize=size)


def _settings(name: str, values: Mapping[str, Any]) -> ImageSettings:
    normalize = bool(values["do_normalize"]) and name != "MobileViT"
    mean, std = values.get("image_mean"), values.get("image_std")
    if normalize and (mean is None or std is None):
        raise TaskUnreadable(f"{PREPROCESSOR}: do_normalize without image_mean and image_std")
    include_top = bool(values.get("include_top"))
    rescale = 1.0
    if values["do_rescale"]:
        rescale = read_number(values["rescale_factor"], f"{PREPROCESSOR}: rescale_factor")
    rule, crop = _resize(name, values)
    return ImageSettings(
        name,
        rule,
        _filter(values["resample"]),
        crop,
        rescale,
        -1.0 if values.get("rescale_offset") and values["do_rescale"] else 0.0,
        _numbers(mean, f"{PREPROCESSOR}: image_mean") if normalize else (0.0,),
        _divisors(std, f"{PREPROCESSOR}: image_std") if normalize or include_top else (1.0,),
        include_top and normalize,
        bool(values.get("do_flip_channel_order")),
        read_size(values["pad_size"], f"{PREPROCESSOR}: pad_size")
        if values.get("do_pad") and values.get("pad_size")
        else None,
    )


def _resize(name: str, values: Mapping[str, Any]) -> tuple[SizeRule | None, Size | None]:
    crop = None
    if values.get("do_center_crop") and name != "Segformer":
        crop = read_size(values.get("crop_size"), f"{PREPROCESSOR}: crop_size")
    if not values["do_resize"]:
        return None, crop
    rule = read_rule(
        values.get("size"),
        f"{PREPROCESSOR}: size",
        square=bool(values.get("default_to_square", True)),
        longest=values.get("max_size"),
    )
    edge = rule.shortest_edge
    if name == "ConvNext":
        if not edge or edge >= CROPPING_EDGE:
            return SizeRule(edge or rule.height, edge or rule.width), crop
        inner = SizeRule(shortest_edge=int(edge / values["crop_pct"]))
        return inner, (edge, edge)
    if name == "PoolFormer":
        return _grow(rule, float(values["crop_pct"])), crop
    if name == "Levit" and edge:
        return SizeRule(shortest_edge=int(LEVIT_MARGIN * edge)), crop
    if name == "Yolos" and edge:
        return replace(rule, multiple=16, round_down=True), crop
    return replace(rule, multiple=max(1, int(values.get("size_divisor") or 1))), crop


def _grow(rule: SizeRule, share: float) -> SizeRule:
    if rule.shortest_edge or rule.height == rule.width:
        return SizeRule(shortest_edge=int((rule.shortest_edge or rule.height) / share))
    return SizeRule(int(rule.height / share), int(rule.width / share))


def _filter(value: Any) -> int:
    if isinstance(value, int) and 0 <= value <= 5:
        return int(value)
    raise TaskUnreadable(
        f"{PREPROCESSOR}: resample: {short_repr(value)} found, the number of one of Pillow's "
        "filters expected, 0 to 5"
    )


def read_number(value: Any, where: str) -> float:
    """Read a number.

    Raises
    ------
    TaskUnreadable
        If it is none.
    """
    return _numbers(value, where)[0]


def _numbers(value: Any, where: str) -> tuple[float, ...]:
    values = value if isinstance(value, list | tuple) else (value,)
    if not values or any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        raise TaskUnreadable(f"{where}: {short_repr(value)} found, numbers expected")
    return tuple(float(v) for v in values)


def _divisors(value: Any, where: str) -> tuple[float, ...]:
    values = _numbers(value, where)
    if 0.0 in values:
        raise TaskUnreadable(f"{where}: {short_repr(value)} found, and no number divides by 0")
    return values

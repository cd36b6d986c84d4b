"""The image processors of transformers: what each does unless its config says otherwise."""

from collections.abc import Mapping
from typing import Any

BILINEAR, BICUBIC = 2, 3
"""Numbers of Pillow's filters, as configs have them."""

_HALF = {"image_mean": (0.5, 0.5, 0.5), "image_std": (0.5, 0.5, 0.5)}
_IMAGENET = {"image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)}
_CLIP = {
    "image_mean": (0.48145466, 0.4578275, 0.40821073),
    "image_std": (0.26862954, 0.26130258, 0.27577711),
}
_EVERY = {"do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}


def _square(size: int) -> dict[str, int]:
    return {"height": size, "width": size}


def _shortest(size: int) -> dict[str, int]:
    return {"shortest_edge": size}


_CROPPED = {
    "size": _shortest(224),
    "default_to_square": False,
    "do_center_crop": True,
    "crop_size": _square(224),
}
_CLIP_LIKE = {"resample": BICUBIC, **_CLIP, **_CROPPED}
_MOBILE = {"resample": BILINEAR, **_HALF, **_CROPPED, "size": _shortest(256)}
_DETR = {
    "resample": BILINEAR,
    **_IMAGENET,
    "size": {"shortest_edge": 800, "longest_edge": 1333},
    "default_to_square": False,
    "do_pad": True,
}
_MASKS = {**_DETR, "size_divisor": 32}

PROCESSORS: Mapping[str, Mapping[str, Any]] = {
    "Beit": {"resample": BICUBIC, **_HALF, "size": _square(224), "crop_size": _square(224)},
    "Bit": _CLIP_LIKE,
    "Blip": {"resample": BICUBIC, **_CLIP, "size": _square(384)},
    "CLIP": _CLIP_LIKE,
    "ChineseCLIP": _CLIP_LIKE,
    "ConditionalDetr": _DETR,
    "ConvNext": {
        "resample": BICUBIC,
        **_HALF,
        "size": _shortest(384),
        "default_to_square": False,
        "crop_pct": 224 / 256,
    },
    "DeformableDetr": _DETR,
    "DeiT": {
        "resample": BICUBIC,
        **_HALF,
        "size": _square(256),
        "do_center_crop": True,
        "crop_size": _square(224),
    },
    "Detr": _DETR,
    "EfficientNet": {
        "resample": BICUBIC,
        **_HALF,
        "size": _square(346),
        "crop_size": _square(289),
        "include_top": True,
    },
    "Levit": {"resample": BICUBIC, **_IMAGENET, **_CROPPED},
    "Mask2Former": _MASKS,
    "MaskFormer": _MASKS,
    "MobileNetV1": _MOBILE,
    "MobileNetV2": _MOBILE,
    "MobileViT": {
        "resample": BICUBIC,
        **_HALF,
        **_CROPPED,
        "crop_size": _square(256),
        "do_normalize": False,
        "do_flip_channel_order": True,
    },
    "PoolFormer": {"resample": BICUBIC, **_IMAGENET, **_CROPPED, "crop_pct": 0.9},
    "Pvt": {"resample": BICUBIC, **_IMAGENET, "size": _square(224)},
    "RTDetr": {
        **_DETR,
        "size": _square(640),
        "do_normalize": False,
        "do_pad": False,
    },
    "Segformer": {"resample": BILINEAR, **_IMAGENET, "size": _square(512)},
    "Siglip": {
        "resample": BICUBIC,
        **_HALF,
        "size": _square(224),
        "default_to_square": False,
    },
    "ViT": {"resample": BILINEAR, **_HALF, "size": _square(224)},
    "Yolos": _DETR,
}
"""Name of the processor, without ``ImageProcessor``, → what differs from ``_EVERY``."""

_MODELS = {
    "Beit": "beit data2vec-vision",
    "Bit": "bit dinov2 focalnet hiera",
    "Blip": "blip blip-2 instructblip",
    "CLIP": "clip altclip git groupvit metaclip_2",
    "ConvNext": "convnext convnextv2 cvt regnet resnet",
    "DeformableDetr": "deformable_detr lw_detr",
    "Detr": "detr table-transformer",
    "EfficientNet": "efficientnet align",
    "MobileViT": "mobilevit mobilevitv2",
    "Pvt": "pvt pvt_v2",
    "Segformer": "segformer upernet",
    "ViT": "vit swin swinv2 swiftformer dinat vit_msn trocr",
}
_OF_MODEL = {
    **{name.lower(): name for name in PROCESSORS},
    **{model: name for name, models in _MODELS.items() for model in models.split()},
    "chinese_clip": "ChineseCLIP",
    "conditional_detr": "ConditionalDetr",
    "mobilenet_v1": "MobileNetV1",
    "mobilenet_v2": "MobileNetV2",
    "rt_detr": "RTDetr",
}


def processor_name(preprocessor: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Return the processor that made the images of a model, such as ``ConvNext``.

    preprocessor_config.json names it, or config.json has a ``model_type`` with one; otherwise the
    result is empty.
    """
    named = preprocessor.get("image_processor_type") or preprocessor.get("feature_extractor_type")
    if named:
        name = str(named)
        for ending in ("Fast", "Pil", "ImageProcessor", "FeatureExtractor"):
            name = name.removesuffix(ending)
        return name
    return _OF_MODEL.get(str(config.get("model_type")), "")


def processor_defaults(name: str) -> dict[str, Any]:
    """Return the settings of a processor; those of one without a name leave the colours alone."""
    if not name:
        return {**_EVERY, "do_normalize": False, "resample": BILINEAR}
    return {**_EVERY, "default_to_square": True, **PROCESSORS[name]}

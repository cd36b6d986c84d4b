"""What image processors make of the images: a shape, a sum, and values from all over."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from transformers.image_utils import load_image

from tests.tasks.recording.image.files import ALL

VALUES = 12
KINDS: Sequence[tuple[str, dict[str, Any]]] = (
    ("ViT", {}),
    ("ViT", {"size": {"height": 20, "width": 33}, "resample": 0, "do_normalize": False}),
    ("DeiT", {"size": 40, "crop_size": 36}),
    ("Beit", {"size": 32, "do_center_crop": True, "crop_size": {"height": 40, "width": 28}}),
    ("Bit", {"size": {"shortest_edge": 30}, "crop_size": 24}),
    ("CLIP", {"size": 28, "crop_size": 25}),
    ("Blip", {"size": {"height": 30, "width": 30}}),
    ("Siglip", {"size": {"height": 24, "width": 24}}),
    ("Pvt", {"size": 32}),
    ("MobileNetV2", {"size": {"shortest_edge": 36}, "crop_size": 32}),
    ("MobileViT", {"size": {"shortest_edge": 36}, "crop_size": 45}),
    ("ConvNext", {"size": {"shortest_edge": 32}}),
    ("ConvNext", {"size": {"shortest_edge": 32}, "crop_pct": 0.95}),
    ("ConvNext", {}),
    ("Levit", {"size": {"shortest_edge": 28}, "crop_size": 28}),
    ("PoolFormer", {"size": {"shortest_edge": 28}, "crop_size": 28, "crop_pct": 0.9}),
    ("EfficientNet", {"size": 40, "rescale_offset": True, "rescale_factor": 1 / 127.5}),
    ("EfficientNet", {"size": 40, "include_top": False, "do_center_crop": True, "crop_size": 32}),
    ("EfficientNet", {"size": 40, "do_normalize": False}),
    ("Segformer", {"size": {"height": 40, "width": 48}, "do_center_crop": True, "crop_size": 20}),
    ("Detr", {"size": {"shortest_edge": 40, "longest_edge": 70}}),
    ("Detr", {"size": {"max_height": 50, "max_width": 60}}),
    ("Detr", {"size": {"shortest_edge": 30, "longest_edge": 50}, "pad_size": [64, 66]}),
    ("ConditionalDetr", {"size": {"shortest_edge": 40, "longest_edge": 60}}),
    ("Yolos", {"size": {"shortest_edge": 40, "longest_edge": 90}}),
    ("RTDetr", {"size": {"height": 48, "width": 48}}),
    ("MaskFormer", {"size": {"shortest_edge": 40, "longest_edge": 90}, "size_divisor": 8}),
    ("Mask2Former", {"size": {"shortest_edge": 40, "longest_edge": 90}}),
)


def record(folder: Path) -> None:
    """Write processors.json: each processor's config, and what it makes of each image."""
    found = [one(folder, f"{name}ImageProcessorPil", options) for name, options in KINDS]
    (folder / "processors.json").write_text(json.dumps(found) + "\n")


def one(folder: Path, name: str, options: dict[str, Any]) -> dict[str, Any]:
    processor = getattr(transformers, name)(**options)
    config = json.loads(processor.to_json_string())
    made = {}
    for image in ALL:
        if name.startswith("Yolos") and image.startswith("strip"):
            continue  # its sides vanish
        prepared = processor(load_image(str(folder / image)), return_tensors="np")
        pixels = np.asarray(prepared["pixel_values"])[0]
        places = np.linspace(0, pixels.size - 1, VALUES).astype(int)
        made[image] = {
            "shape": pixels.shape,
            "mean": round(float(pixels.astype(np.float64).mean()), 7),
            "values": [float(f"{value:.8g}") for value in pixels.reshape(-1)[places]],
            "mask": int(np.sum(prepared.get("pixel_mask", -1))),
        }
    return {"config": config, "options": options, "images": made}

"""Cases of ``zero-shot-image-classification``."""

from pathlib import Path
from typing import Any

import torch
import transformers

from tests.tasks.recording import tokenizers_of
from tests.tasks.recording.case import seed
from tests.tasks.recording.image.files import GRAY, LANDSCAPE, PORTRAIT
from tests.tasks.recording.image.models import ask, case_of, export, image_pipeline, spread

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}
VISION = {**SMALL, "image_size": 32, "patch_size": 8}
LABELS = ["music", "the river", "a bridge in Lisbon", "dogs"]
OUTPUTS = ["logits_per_image", "logits_per_text", "text_embeds", "image_embeds"]


def record(folder: Path) -> None:
    """Write a case of CLIP, and one of SigLIP."""
    tokenizer = tokenizers_of.wordpiece()
    text = {**SMALL, "vocab_size": len(tokenizer), "eos_token_id": tokenizer.sep_token_id}
    clip = transformers.CLIPConfig(
        text_config={**text, "max_position_embeddings": 32},
        vision_config=VISION,
        projection_dim=12,
    )
    seed()
    model = spread(transformers.CLIPModel(clip), 3.0)
    processor = transformers.CLIPImageProcessorPil(size=36, crop_size=32)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    write(folder, "image-clip", model, tokenizer, processor)
    siglip = transformers.SiglipConfig(
        text_config={**text, "max_position_embeddings": 64, "projection_size": 16},
        vision_config=VISION,
    )
    seed()
    model = spread(transformers.SiglipModel(siglip), 1.5)
    processor = transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32})
    tokenizer.model_input_names = ["input_ids"]
    write(folder, "image-siglip", model, tokenizer, processor)


def write(folder: Path, name: str, model: Any, tokenizer: Any, processor: Any) -> None:
    model.eval()
    case = case_of(folder, name, "zero-shot-image-classification")
    case.save(model, tokenizer, processor)
    padding = {"padding": "max_length", "max_length": 64} if "siglip" in name else {"padding": True}
    tokens = dict(tokenizer(LABELS, return_tensors="pt", **padding))
    axes = {key: {0: "texts", 1: "tokens"} for key in tokens}
    export(
        case,
        model,
        {**tokens, "pixel_values": torch.rand(2, 3, 32, 32)},
        OUTPUTS,
        {**axes, "pixel_values": {0: "images"}},
    )
    pipe = image_pipeline("zero-shot-image-classification", model, processor, tokenizer=tokenizer)
    ask(case, pipe, (PORTRAIT, LANDSCAPE, GRAY), candidate_labels=LABELS)
    ask(case, pipe, (GRAY,), candidate_labels=["cats"], hypothesis_template="We saw {}!")
    case.write()

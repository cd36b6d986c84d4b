"""The case of ``image-to-text``."""

from pathlib import Path
from typing import Any

import torch
import transformers

from tests.tasks.recording.case import seed
from tests.tasks.recording.image.files import LANDSCAPE, PORTRAIT, TURNED, inputs
from tests.tasks.recording.image.models import PIXELS, SMALL_IMAGES, case_of, export, load
from tests.tasks.recording.writers import LENGTH, byte_pairs

IMAGES = (PORTRAIT, LANDSCAPE, TURNED)
STATES = {"encoder_hidden_states": {0: "batch", 1: "patches"}}
CALLS: tuple[dict[str, Any], ...] = (
    {},
    {"max_new_tokens": 7},
    {"max_new_tokens": 9, "num_beams": 3, "no_repeat_ngram_size": 2},
)


class Decoder(torch.nn.Module):
    """The decoder with what leads to it, as exports have it."""

    def __init__(self, model: Any):
        super().__init__()
        self.decoder = model.decoder

    def forward(self, input_ids: Any, encoder_hidden_states: Any) -> Any:
        found = self.decoder(
            input_ids=input_ids,
            attention_mask=torch.ones_like(input_ids),
            encoder_hidden_states=encoder_hidden_states,
            use_cache=False,
        )
        return {"logits": found.logits}


def record(folder: Path) -> None:
    """Write the case of a ViT with a GPT-2."""
    tokenizer = byte_pairs()
    vit = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        image_size=32,
        patch_size=8,
        initializer_range=0.7,
    )
    gpt = transformers.GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=LENGTH,
        n_embd=16,
        n_layer=1,
        n_head=2,
        initializer_range=0.7,
        is_decoder=True,
        add_cross_attention=True,
        attn_implementation="eager",
    )
    seed()
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(vit, gpt)
    model = transformers.VisionEncoderDecoderModel(config).eval()
    end = tokenizer.eos_token_id
    model.generation_config.decoder_start_token_id = end
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = end
    model.generation_config.max_length = 14
    processor = transformers.ViTImageProcessorPil(**SMALL_IMAGES)
    case = case_of(folder, "image-to-text", "image-to-text")
    case.save(model, tokenizer, processor)
    pixels = torch.rand(1, 3, 32, 32)
    export(
        case,
        model.encoder,
        {"pixel_values": pixels},
        ["last_hidden_state"],
        {**PIXELS, "last_hidden_state": {0: "batch", 1: "patches"}},
        "encoder_model.onnx",
    )
    export(
        case,
        Decoder(model),
        {
            "input_ids": torch.zeros(1, 3, dtype=torch.int64),
            "encoder_hidden_states": torch.rand(1, 17, 16),
        },
        ["logits"],
        {"input_ids": {0: "batch", 1: "tokens"}, **STATES, "logits": {0: "batch", 1: "tokens"}},
        "decoder_model.onnx",
    )
    for parameters in CALLS:
        answers = []
        for name in IMAGES:
            given = processor(load(case, name), return_tensors="pt")
            with torch.no_grad():
                found = model.generate(**given, do_sample=False, **parameters)
            text = tokenizer.decode(found[0], skip_special_tokens=True).strip()
            answers.append({"generated_text": text})
        case.add(inputs(IMAGES), answers, **parameters)
    case.write()

"""Find out what a model does from what its makers wrote beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SOUND_KEYS = ("sampling_rate", "feature_size")
"""In a preprocessor's config: the model takes sound."""
ENDINGS = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForImageClassification": "image-classification",
    "ForImageClassificationWithTeacher": "image-classification",
    "ForObjectDetection": "object-detection",
    "ForSemanticSegmentation": "image-segmentation",
    "ForInstanceSegmentation": "image-segmentation",
    "ForUniversalSegmentation": "image-segmentation",
    "ForImageSegmentation": "image-segmentation",
    "ForSegmentation": "image-segmentation",
    "ForCTC": "automatic-speech-recognition",
    "ForSpeechSeq2Seq": "automatic-speech-recognition",
    "ForAudioClassification": "audio-classification",
    "ForTextToSpeech": "text-to-speech",
    "ForTextToWaveform": "text-to-speech",
    "MTModel": "translation",
    "VisionEncoderDecoderModel": "image-to-text",
    "SpeechEncoderDecoderModel": "automatic-speech-recognition",
    "CLIPModel": "zero-shot-image-classification",
    "SiglipModel": "zero-shot-image-classification",
    "VitsModel": "text-to-speech",
}
"""How the name of an architecture ends → its task; the longest ending counts."""
GENERATORS = {
    "whisper": "automatic-speech-recognition",
    "speech_to_text": "automatic-speech-recognition",
    "moonshine": "automatic-speech-recognition",
    "blip": "image-to-text",
    "pix2struct": "image-to-text",
    "m2m_100": "translation",
    "mbart": "translation",
    "nllb": "translation",
    "nllb-moe": "translation",
    "marian": "translation",
    "fsmt": "translation",
}
"""Type of a model that ends in ``ForConditionalGeneration`` → its task; others summarise."""
CARD_WORDS = {
    "image-text-to-text": "image-to-text",
    "text-to-audio": "text-to-speech",
    "text-ranking": "text-classification",
}
"""Tasks of model cards that are called otherwise here."""


@dataclass(frozen=True, slots=True)
class FoundTask:
    """A task, and what says so."""

    name: str
    reason: str
    """Completes "by …"."""


def detect_task(
    config: Mapping[str, Any],
    preprocessor: Mapping[str, Any],
    card_task: str | None,
    *,
    sentence_modules: bool,
) -> FoundTask | None:
    """Find the task of an exported model; None if nothing names one.

    A sentence-transformers folder makes embeddings, whatever else stands in it. Otherwise the
    head in ``architectures`` decides, and where one head serves several tasks, the model card.

    Parameters
    ----------
    config, preprocessor
        ``config.json`` and ``preprocessor_config.json``; empty if they are missing.
    card_task
        ``pipeline_tag`` of the model card, ``README.md``.
    sentence_modules
        Whether there is a ``modules.json``.
    """
    if sentence_modules:
        return FoundTask("feature-extraction", "modules.json of sentence-transformers")
    card = None if card_task is None else CARD_WORDS.get(card_task, card_task)
    names = [str(name) for name in config.get("architectures") or ()]
    for name in names:
        task = task_of_architecture(name, config, preprocessor)
        if task is not None:
            if card in RIVALS.get(task, ()):
                return FoundTask(card or task, "pipeline_tag in README.md")
            return FoundTask(task, f"{name} in config.json")
    if card is not None:
        return FoundTask(card, "pipeline_tag in README.md")
    bare = next((name for name in names if name.endswith("Model")), None)
    if bare is not None and not takes_sound(preprocessor) and not preprocessor:
        return FoundTask("feature-extraction", f"{bare}, which has no head, in config.json")
    return None


RIVALS = {
    "text-classification": ("zero-shot-classification",),
    "zero-shot-classification": ("text-classification",),
    "summarization": ("translation", "summarization"),
    "translation": ("summarization",),
    "text-generation": ("summarization", "translation"),
}
"""Task of a head → what a model card may say that it does instead."""


def task_of_architecture(
    name: str, config: Mapping[str, Any], preprocessor: Mapping[str, Any]
) -> str | None:
    """Return the task of an architecture's head, or None if it has none that is known."""
    if name.endswith("ForConditionalGeneration"):
        return task_of_generator(config)
    endings = [ending for ending in ENDINGS if name.endswith(ending)]
    if not endings:
        return None
    task = ENDINGS[max(endings, key=len)]
    if task != "text-classification":
        return task
    if takes_sound(preprocessor):
        return "audio-classification"
    return "zero-shot-classification" if compares_sentences(config) else task


def task_of_generator(config: Mapping[str, Any]) -> str:
    """Return the task of an encoder with a decoder."""
    kind = str(config.get("model_type"))
    task = GENERATORS.get(kind)
    if task is not None:
        return task
    named = config.get("task_specific_params") or {}
    if isinstance(named, dict) and len(named) == 1 and "translation" in next(iter(named)):
        return "translation"
    return "summarization"


def takes_sound(preprocessor: Mapping[str, Any]) -> bool:
    """Return whether a preprocessor's config is one of sound."""
    return any(key in preprocessor for key in SOUND_KEYS)


def compares_sentences(config: Mapping[str, Any]) -> bool:
    """Return whether a classifier says if one sentence follows from another."""
    labels = config.get("id2label") or {}
    return any(str(label).lower().startswith("entail") for label in labels.values())

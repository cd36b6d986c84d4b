"""Which tasks there are, and how one is opened."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what reads model.yaml needs the names of tasks, and has no numpy
    from serval.tasks.files import TaskFiles
    from serval.tasks.graph import TaskGraph
    from serval.tasks.task import Task

TASKS = {
    "audio-classification": "audio.classify:AudioClassification",
    "automatic-speech-recognition": "audio.transcribe:SpeechRecognition",
    "feature-extraction": "text.embed:FeatureExtraction",
    "fill-mask": "text.mask:FillMask",
    "image-classification": "image.classify:ImageClassification",
    "image-segmentation": "image.segment:ImageSegmentation",
    "image-to-text": "image.caption:ImageToText",
    "object-detection": "image.detect:ObjectDetection",
    "question-answering": "text.questions:QuestionAnswering",
    "sentence-similarity": "text.similarity:SentenceSimilarity",
    "summarization": "generation.text2text:Summarization",
    "tabular-classification": "table.classify:TabularClassification",
    "tabular-regression": "table.regress:TabularRegression",
    "text-classification": "text.classify:TextClassification",
    "text-generation": "generation.text_generation:TextGeneration",
    "text-to-speech": "audio.speak:TextToSpeech",
    "text2text-generation": "generation.text2text:Text2TextGeneration",
    "token-classification": "text.tag:TokenClassification",
    "translation": "generation.text2text:Translation",
    "zero-shot-classification": "text.zero_shot:ZeroShotClassification",
    "zero-shot-image-classification": "image.zero_shot:ZeroShotImageClassification",
}
"""Name of the task → its module in this package, and the class in that."""


def open_task(name: str, files: "TaskFiles", graph: "TaskGraph") -> "Task":
    """Open a task over the graph of a version.

    The module is imported only now, so that a model of tensors pays for no tokenizer.

    Raises
    ------
    TaskUnreadable
        If the bundle lacks what the task needs.
    """
    module, _, class_name = TASKS[name].partition(":")
    task: Task = getattr(import_module(f"serval.tasks.{module}"), class_name).from_files(
        files, graph
    )
    return task

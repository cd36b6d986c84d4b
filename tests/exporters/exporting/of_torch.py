"""PyTorch by both of its exporters: images, sequences, lists, scalars, a detector at 640."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.exporters.exporting.exported import SEED, keep


class Classifier(nn.Module):
    """Images of any size, as vision models take them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5)
        )
        self.head = nn.Linear(8, 5)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(pixels).mean((2, 3)))


class Recurrent(nn.Module):
    """Sequences of any length, with a temperature that is no tensor of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.cells = nn.Embedding(50, 8), nn.LSTM(8, 8, batch_first=True)

    def forward(self, ids: torch.Tensor, temperature: torch.Tensor) -> Any:
        steps, _ = self.cells(self.words(ids))
        return steps / temperature, steps.mean(1)


class Detector(nn.Module):
    """The shapes of a YOLO: an image of 640 by 640, 84 values for each of 8400 boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.ModuleList(nn.Conv2d(3, 84, step, stride=step) for step in (8, 16, 32))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([level(images).flatten(2) for level in self.levels], 2)


def example(kind: type[nn.Module]) -> tuple[nn.Module, dict[str, Any]]:
    torch.manual_seed(SEED)
    inputs = {
        Classifier: lambda: {"pixels": torch.rand(2, 3, 32, 32)},
        Recurrent: lambda: {
            "ids": torch.randint(0, 50, (2, 7)),
            "temperature": torch.tensor(0.5),
        },
        Detector: lambda: {"images": torch.randint(0, 256, (1, 3, 640, 640)) / 255},
    }[kind]()
    return kind(), inputs


OPEN = {
    "pixels": {0: "batch", 2: "height", 3: "width"},
    "ids": {0: "batch", 1: "length"},
    "temperature": {},
}


def legacy(kind: type[nn.Module], **options: Any) -> Any:
    def axes(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"dynamic_axes": {name: OPEN[name] for name in inputs if OPEN.get(name)}}

    return exporting(kind, axes, dynamo=False, **options)


def dynamo(kind: type[nn.Module]) -> Any:
    def shapes(inputs: dict[str, Any]) -> dict[str, Any]:
        auto = torch.export.Dim.AUTO
        return {
            "dynamic_shapes": {name: dict.fromkeys(OPEN.get(name, {}), auto) for name in inputs}
        }

    return exporting(kind, shapes, dynamo=True)


def exporting(kind: type[nn.Module], open_extents: Any, **options: Any) -> Any:
    def export(folder: Path) -> None:
        model, inputs = example(kind)
        torch.onnx.export(
            model.eval(),
            tuple(inputs.values()),
            str(folder / "model.onnx"),
            input_names=list(inputs),
            **open_extents(inputs),
            **options,
        )
        answer(folder, model, inputs)

    return export


def answer(folder: Path, model: nn.Module, inputs: dict[str, Any]) -> None:
    with torch.no_grad():
        found = model.eval()(*inputs.values())
    answers = found if isinstance(found, (tuple, list)) else [found]
    keep(folder, {n: t.numpy() for n, t in inputs.items()}, [a.numpy() for a in answers])


def training(folder: Path) -> None:
    model, inputs = example(Classifier)
    torch.onnx.export(
        model,
        tuple(inputs.values()),
        str(folder / "model.onnx"),
        input_names=list(inputs),
        dynamo=False,
        training=torch.onnx.TrainingMode.TRAINING,
        do_constant_folding=False,
    )
    answer(folder, model, inputs)


EXPORTS = {
    "torch-legacy-image": legacy(Classifier),
    "torch-legacy-sequence": legacy(Recurrent),
    "torch-legacy-weights-as-inputs": legacy(Classifier, keep_initializers_as_inputs=True),
    "torch-dynamo-image": dynamo(Classifier),
    "torch-dynamo-sequence": dynamo(Recurrent),
    "torch-detector-640": legacy(Detector),
    "torch-training-mode": training,
}

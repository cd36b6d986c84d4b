"""Compile the network for AWS Neuron chips, on a machine that has them: nothing here can run it.

On an Inf2 or Trn1 machine, in the PyTorch environment of AWS's Neuron images, which brings torch,
torch_neuronx and torchvision::

    pip install onnx
    python models/not-deployed/resnet-inferentia/compile.py

It writes ``model.neuron.tar`` beside itself, the bundle's artifact. ``make models`` leaves it out,
which is why it is not called build.py.
"""

import sys
import tarfile
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch_neuronx
from onnx import ModelProto, numpy_helper
from torchvision.models import resnet50 as architecture

sys.path.append(str(Path(__file__).resolve().parents[3]))  # the repository, wherever we start

from models.resnet.network import resnet50

HERE = Path(__file__).resolve().parent
SEED = 0
BATCH = 8
"""Images that the chip takes at once; fewer are padded, more are split."""
TRACED = "model.neuron"
"""TorchScript with the compiled graph inside; '.pt' would be taken for a pickle."""


def network(graph: ModelProto) -> torch.nn.Module:
    """Give torchvision's ResNet-50 the weights of our graph, which lie in the same order."""
    module = architecture(weights=None)
    state = module.state_dict()
    names = [name for name in state if not name.endswith("num_batches_tracked")]
    for name, tensor in zip(names, graph.graph.initializer, strict=True):
        array = torch.from_numpy(numpy_helper.to_array(tensor).copy())
        if array.shape != state[name].shape:
            raise ValueError(f"{name}: shape {list(array.shape)}, {list(state[name].shape)} wanted")
        state[name].copy_(array)
    return module.eval()


def compiled(module: torch.nn.Module, images: torch.Tensor) -> torch.jit.ScriptModule:
    """Compile for the chips of this machine, for batches of any size."""
    traced = torch_neuronx.trace(module, images)
    return torch_neuronx.dynamic_batch(traced)


def pack(traced: torch.jit.ScriptModule, archive: Path) -> int:
    """Write the archive; gives its bytes."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / TRACED
        torch.jit.save(traced, file)
        with tarfile.open(archive, "w") as tar:
            tar.add(file, TRACED)
    return archive.stat().st_size


def build(folder: Path = HERE) -> str:
    """Write the artifact, and say how far it is from the network on this machine's CPU."""
    started = time.perf_counter()
    module = network(resnet50(SEED))
    images = torch.rand(BATCH, 3, 224, 224, generator=torch.Generator().manual_seed(SEED))
    traced = compiled(module, images)
    with torch.no_grad():
        difference = float((traced(images) - module(images)).abs().max())
    size = pack(traced, folder / "model.neuron.tar")
    return (
        f"resnet-inferentia: {size / 1e6:.0f} MB, logits within {difference:.2g} of the CPU's, "
        f"{time.perf_counter() - started:.0f} s"
    )


if __name__ == "__main__":
    print(build())

"""``serval init --from`` of a program that ``torch.export.save`` wrote: ``.pt2``."""

from collections.abc import Sequence
from importlib import import_module
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

from serval.bundles.verification.graph import LIMIT_GRAPH_BYTES
from serval.foreign import refusing
from serval.models.tensor import Array
from serval_cli.bundle.sources import Source, SourceChoices
from serval_cli.conversion.packages import require_extra
from serval_cli.conversion.pickles import require_trust
from serval_cli.conversion.tensors.build import Named, OriginalNetwork, build_network_source
from serval_cli.failures import CommandFailed

SAFELY_BELOW = 0.9
"""The part of a graph's limit that weights may take in its file."""


def read_program(path: Path, choices: SourceChoices) -> Source:
    """Read a ``.pt2``.

    Raises
    ------
    CommandFailed
        Without ``--trust``: PyTorch keeps some weights as pickles. Also if it is no program, or
        cannot be converted.
    """
    require_trust(path, trust=choices.trust, what="has pickles in it, as PyTorch writes them")
    require_extra("torch", str(path), yes=choices.yes)
    torch = import_module("torch")
    # What it warns of, tracebacks included, is no concern of this command.
    getLogger("torch").setLevel(ERROR)
    with refusing(lambda said: CommandFailed(f"{path} is no program of torch.export: {said}")):
        program = torch.export.load(path)
    return build_network_source(path, describe_program(path, program), choices)


def describe_program(path: Path, program: Any) -> OriginalNetwork:
    """Describe an ``ExportedProgram``."""
    torch, trees = import_module("torch"), import_module("torch.utils._pytree")
    names = list(program.graph_signature.user_inputs)
    leaves, places = trees.tree_flatten(program.example_inputs)
    module = program.module()

    def predict(named: Named) -> Sequence[Array]:
        values = [
            torch.from_numpy(named[name]) if name in named else leaf
            for name, leaf in zip(names, leaves, strict=True)
        ]
        args, options = trees.tree_unflatten(values, places)
        with torch.no_grad():
            answer = module(*args, **options)
        return [one.numpy() for one in trees.tree_leaves(answer) if torch.is_tensor(one)]

    def convert(target: Path) -> None:
        torch.onnx.export(
            program,
            (),
            str(target),
            dynamo=True,
            verbose=False,
            external_data=path.stat().st_size > SAFELY_BELOW * LIMIT_GRAPH_BYTES,
        )

    return OriginalNetwork(
        about=f"a program of torch.export, converted by PyTorch {torch.__version__}",
        convert=convert,
        predict=predict,
        example={
            name: leaf.detach().numpy()
            for name, leaf in zip(names, leaves, strict=True)
            if torch.is_tensor(leaf)
        },
    )

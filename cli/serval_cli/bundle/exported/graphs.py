"""Which graphs of an exported folder become part of the bundle."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serval.models.storage import BARE_ARTIFACT
from serval_cli.failures import CommandFailed

PLACES = ("", "onnx")
"""Subfolders that may hold graphs; the first that has one counts."""
ENCODER = "encoder_model"
MERGED, DECODER, LATER = "decoder_model_merged", "decoder_model", "decoder_with_past_model"
VOCODER = "decoder_postnet_and_vocoder"
"""Makes sound of what the decoder wrote."""
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".h5", ".msgpack")
Choose = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class ChosenGraphs:
    """The graph that becomes the artifact, and those that it works with."""

    main: Path
    artifact: str
    """The main graph's path in the bundle."""
    others: Mapping[str, Path] = field(default_factory=dict)
    """Path in the bundle → further graph."""


def choose_graphs(folder: Path, wanted: str | None, choose: Choose | None) -> ChosenGraphs:
    """Choose the graphs of a folder.

    ``model.onnx`` is taken before its quantised variants, and a pair of encoder and decoder if
    there is no single graph.

    Parameters
    ----------
    wanted
        File name of the main graph, or its path in the folder.
    choose
        Asks which of several; None if nobody can be asked.

    Raises
    ------
    CommandFailed
        If there is no graph, no such graph, or several without an answer which.
    """
    found = {path.relative_to(folder).as_posix(): path for path in list_graphs(folder)}
    if not found:
        raise CommandFailed(no_graph(folder))
    if wanted is not None:
        main = found.get(wanted) or found.get(f"onnx/{wanted}")
        if main is None:
            raise CommandFailed(f"--graph {wanted}: {folder} has {', '.join(found)}")
        return with_partners(main)
    by_stem = {path.stem: path for path in reversed(found.values())}
    for stem in ("model", ENCODER, MERGED, DECODER):
        if stem in by_stem:
            return with_partners(by_stem[stem])
    if len(found) == 1:
        return with_partners(*found.values())
    if choose is None:
        raise CommandFailed(
            f"{folder} has several graphs and no {BARE_ARTIFACT}: --graph takes one of "
            f"{', '.join(found)}"
        )
    return with_partners(found[choose(list(found))])


def list_graphs(folder: Path) -> Iterator[Path]:
    """Yield the graphs of a folder, those beside config.json first."""
    for place in PLACES:
        yield from sorted((folder / place).glob("*.onnx"))


def with_partners(main: Path) -> ChosenGraphs:
    """Add the decoder to an encoder, and later steps to a decoder, in the same variant."""
    stem = main.stem
    if stem.startswith(ENCODER):
        partners = decoders(main.parent, stem.removeprefix(ENCODER))
        if not partners:
            raise CommandFailed(
                f"{main} is an encoder without its decoder: {MERGED}.onnx or {DECODER}.onnx "
                "expected beside it"
            )
        vocoder = main.with_name(f"{VOCODER}{stem.removeprefix(ENCODER)}.onnx")
        if vocoder.is_file():
            partners[f"{VOCODER}.onnx"] = vocoder
        return ChosenGraphs(main, f"{ENCODER}.onnx", partners)
    if stem.startswith(DECODER) and not stem.startswith(MERGED):
        later = main.with_name(f"{LATER}{stem.removeprefix(DECODER)}.onnx")
        others = {f"{LATER}.onnx": later} if later.is_file() else {}
        return ChosenGraphs(main, f"{DECODER}.onnx", others)
    return ChosenGraphs(main, BARE_ARTIFACT)


def decoders(folder: Path, variant: str) -> dict[str, Path]:
    """Find the decoder of a variant: merged, or its first step with the later ones."""
    merged = folder / f"{MERGED}{variant}.onnx"
    if merged.is_file():
        return {f"{MERGED}.onnx": merged}
    paths = {f"{name}.onnx": folder / f"{name}{variant}.onnx" for name in (DECODER, LATER)}
    return {name: path for name, path in paths.items() if path.is_file()}


def no_graph(folder: Path) -> str:
    """Explain what to do with a folder that has no graph."""
    weights = sorted(path.name for path in folder.iterdir() if path.suffix in WEIGHTS)
    has = f"weights ({weights[0]}) but no ONNX graph" if weights else "no ONNX graph"
    out = f"{folder.resolve().name}-onnx"
    return (
        f"{folder} has {has}: `optimum-cli export onnx --model {folder} {out}` makes one "
        f"(`pip install 'optimum-onnx[onnxruntime]'` has the command); then give --from {out}"
    )

"""Measure what a pipeline adds to the bare runs of its steps, in one process.

Run as ``python -m benchmarks.pipelines``. A chain of three tiny graphs hands one tensor on: the
engine against the three ``session.run`` in a row, and the whole call beside a call of one model.
With ``KSERVE_ROUTER``, the same chain by KServe's router and model server (``kserve_graph``): over
HTTP, as whoever calls them has it, while ours are calls of the handler.
"""

import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.infer import time_interleaved
from benchmarks.kserve_graph import kserve_graph
from serval.access.api_key import MOST_PER_MINUTE, ApiKey, hash_api_key
from serval.models.tensor import Tensor
from serval.pipelines.model import PipelineModel
from tests.fakes.inference import TWO_COLUMNS, Bench, document, event, plus
from tests.fakes.pipelines import pipeline_bench, publish_pipeline

MOST_RATIO, MOST_MORE_US = 1.6, 60.0
"""What a chain of three may cost: this times its bare runs, plus this."""
CHAIN = """
name: chain
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
  - {name: first, model: m1}
  - {name: second, model: m2, input: {x: first.y}}
  - {name: third, model: m3, input: {x: second.y}}
output: {y: third.y}
"""
RULED = CHAIN.replace("name: chain", "name: ruled", 1).replace(
    "output: {y: third.y}",
    "  - {name: verdict, rule: '{\"high\": $max(third.y[0]) > 5}'}\noutput: verdict",
)


def time_chain(made: Bench) -> dict[str, float]:
    """Time the chain, bare and through everything of ours."""
    array = np.array([[1, 2]], np.float32)
    loaded = made.endpoint.inference.loaded
    chain, ruled = (cast(PipelineModel, loaded.get(name, "1").model) for name in ("chain", "ruled"))
    models = [cast(Any, loaded.get(f"m{n}", "1").model) for n in (1, 2, 3)]
    given, outputs = [Tensor("x", "FP32", array)], chain.record.signature.outputs

    def bare() -> object:
        found = array
        for model in models:
            (found,) = model._session.run(["y"], {"x": found})
        return found

    def own_runs() -> object:
        found = given
        for model in models:
            (answer,) = model.run(found, outputs)
            found = [Tensor("x", "FP32", answer.array)]
        return found

    one_model, whole = event("m1", document()), event("chain", document())
    for sent in (one_model, whole):
        reply = made.endpoint.reply(sent)
        if reply["statusCode"] != 200:
            raise SystemExit(f"the benchmark's own request failed: {reply['body']}")
    return time_interleaved(
        {
            "three session.run": bare,
            "three runs of the runtime": own_runs,
            "the pipeline": lambda: chain.run(given, outputs),
            "the same, and a rule": lambda: ruled.answer(given),
            "a call of one model, JSON": lambda: made.endpoint.reply(one_model),
            "a call of the pipeline, JSON": lambda: made.endpoint.reply(whole),
        }
    )


def main() -> None:
    """Print the table; exit with 1 if the chain costs more than it may."""
    with tempfile.TemporaryDirectory() as folder:
        made = pipeline_bench(Path(folder))
        made.edge.keys[hash_api_key("srv_good")] = ApiKey.describe(
            "srv_good", "bench", ["*"], "2026", realtime_per_minute=MOST_PER_MINUTE
        )
        for index in (1, 2, 3):
            made.edge.publish(f"m{index}", "1", plus(index), TWO_COLUMNS)
        for text in (CHAIN, RULED):
            publish_pipeline(made.edge, text)
        took = time_chain(made)
    with kserve_graph() as theirs:  # after ours: their processes would take our cores
        took |= time_interleaved(dict(theirs))
    base = took["three session.run"]
    allowed_us = MOST_RATIO * base * 1e6 + MOST_MORE_US
    table = Table(title=f"a chain of three tiny graphs; the pipeline may take {allowed_us:.0f} µs")
    table.add_column("what")
    table.add_column("µs (ratio to the bare runs)", justify="right")
    for name, seconds in took.items():
        table.add_row(name, f"{seconds * 1e6:,.1f} ({seconds / base:.2f}x)")
    Console().print(table)
    if took["the pipeline"] * 1e6 > allowed_us:
        raise SystemExit(f"the pipeline takes more than {allowed_us:,.1f} µs")


if __name__ == "__main__":
    main()

"""Open the task of a version, over the graph that was loaded for it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from serval.errors import InferenceFailed
from serval.inference.runtimes import (
    ArtifactUnreadable,
    DescribedModel,
    Model,
    OpenModel,
    RuntimeFailed,
)
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.tasks.task import Task


def open_version_task(
    record: ModelVersion,
    folder: Path,
    model: Model,
    open_model: OpenModel,
) -> Task:
    """Open a version's task from the files in ``folder``.

    Raises
    ------
    ArtifactUnreadable
        Naming the file that the task lacks or cannot read, or the library that is not here.
    """
    # Imported here, so that a version of tensors pays for no task.
    from serval.tasks.catalogue import open_task
    from serval.tasks.files import TaskFiles, TaskUnreadable
    from serval.tasks.graph import TaskGraph

    def run(
        running: Model, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]
    ) -> list[Tensor]:
        try:
            return running.run(inputs, outputs)
        except RuntimeFailed as error:
            raise InferenceFailed(record.model, record.version, str(error)) from error

    def open_graph(path: Path) -> TaskGraph:
        # Only ONNX Runtime opens a further graph, and its sessions describe themselves.
        opened: DescribedModel = open_model(record, path, None)  # type: ignore[assignment]
        return TaskGraph(
            {spec.name: spec for spec in opened.inputs},
            {spec.name: spec for spec in opened.outputs},
            partial(run, opened),
        )

    signature = record.signature
    graph = TaskGraph(
        {spec.name: spec for spec in (*signature.inputs, *signature.optional)},
        {spec.name: spec for spec in signature.outputs},
        partial(run, model),
    )
    try:
        return open_task(
            record.task or "", TaskFiles(folder, open_graph, record.task_options), graph
        )
    except (TaskUnreadable, ImportError) as error:
        raise ArtifactUnreadable(f"task {record.task}: {error}") from error

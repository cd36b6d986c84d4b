"""The names of a model's classes."""

from collections.abc import Mapping, Sequence
from typing import Any

from serval.tasks.files import TaskFiles, TaskUnreadable


def read_labels(files: TaskFiles, count: int) -> list[str]:
    """Return one label for each class.

    They are ``labels`` of model.yaml's ``task:``, else ``id2label`` of config.json, else
    ``LABEL_0`` and so on, as transformers names them.

    Parameters
    ----------
    count
        How many classes the graph has; below 1: its signature leaves that open.

    Raises
    ------
    TaskUnreadable
        If there are fewer or more labels than classes, or ``events:`` names another one.
    """
    labels = _find_labels(files, count)
    events: Mapping[str, Any] = files.options.get("events") or {}
    for wanted in events.get("labels") or ():
        if wanted not in labels:
            raise TaskUnreadable(
                f"model.yaml: task: events: labels: {wanted!r} is no label of the model, which has "
                f"{', '.join(labels):.300}"
            )
    return labels


def _find_labels(files: TaskFiles, count: int) -> list[str]:
    given: Sequence[str] | None = files.options.get("labels")
    if given is not None:
        return _check("model.yaml: task: labels", list(given), count)
    by_id: Mapping[str, Any] = files.json("config.json").get("id2label") or {}
    if by_id:
        try:
            labels = [str(by_id[str(index)]) for index in range(len(by_id))]
        except KeyError as missing:
            raise TaskUnreadable(f"config.json: id2label has no class {missing}") from None
        return _check("config.json: id2label", labels, count)
    if count < 1:
        raise TaskUnreadable(
            "neither model.yaml's 'task: {labels: […]}' nor config.json's id2label names the "
            "classes, and the graph leaves their number open"
        )
    return [f"LABEL_{index}" for index in range(count)]


def _check(where: str, labels: list[str], count: int) -> list[str]:
    if 0 < count != len(labels):
        raise TaskUnreadable(f"{where}: {len(labels)} labels, but the graph has {count} classes")
    return labels

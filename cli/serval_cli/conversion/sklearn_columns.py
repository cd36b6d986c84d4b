"""Which columns a fitted estimator of scikit-learn takes, and of what kind."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from serval_cli.conversion.original import ColumnKind, OriginalColumn

IGNORED = ("ignore", "infrequent_if_exist", "warn", "use_encoded_value")
"""How encoders treat categories that they do not know, other than by an error."""


def steps_of(model: Any) -> list[Any]:
    """List the estimators of a pipeline; any other estimator is a pipeline of one."""
    steps = getattr(model, "steps", None)
    return [step for _, step in steps if step not in (None, "passthrough")] if steps else [model]


def column_transformer(model: Any) -> Any:
    """Return the ColumnTransformer that takes a model's rows, or None."""
    first = steps_of(model)[0]
    return first if hasattr(first, "transformers_") else None


def name_columns(model: Any, given: Sequence[str]) -> tuple[list[str], bool]:
    """Return the names of a model's columns, and whether the model itself knows them.

    Parameters
    ----------
    given
        Names to use for a model that knows how many columns it takes, and no names.
    """
    own = getattr(model, "feature_names_in_", None)
    if own is not None:
        used = columns_used(model, list(own))
        return [name for name in own if name in used], True
    if hasattr(steps_of(model)[0], "vocabulary_"):
        return list(given) if len(given) == 1 else ["text"], False
    count = int(model.n_features_in_)
    return (list(given) if len(given) == count else [f"x{n}" for n in range(count)]), False


def columns_used(model: Any, names: Sequence[str]) -> set[str]:
    """Return the columns that a ColumnTransformer does not drop; all, if there is none."""
    transformer = column_transformer(model)
    if transformer is None:
        return set(names)
    return {
        name
        for _, own, places in transformer.transformers_
        if not (isinstance(own, str) and own == "drop")
        for name in pick_names(names, places)
    }


def pick_names(names: Sequence[str], places: Any) -> list[str]:
    """Return the names at places as a ColumnTransformer has them: names, indices, slice, mask."""
    if isinstance(places, str):
        return [places]
    if isinstance(places, int | np.integer):
        return [names[int(places)]]
    if isinstance(places, slice):
        return list(names[places])
    found = list(places)
    if found and isinstance(found[0], bool | np.bool_):
        return [name for name, taken in zip(names, found, strict=True) if taken]
    return [one if isinstance(one, str) else names[one] for one in found]


def describe_columns(
    model: Any, names: Sequence[str], hints: Mapping[str, ColumnKind]
) -> list[OriginalColumn]:
    """Describe the columns by what the first transformers have learnt of them.

    Parameters
    ----------
    hints
        Kinds of columns of which the model tells nothing.
    """
    learnt: dict[str, OriginalColumn] = {}
    for transformer, own in branches(model, names):
        for column in _learn(transformer, own):
            before = learnt.get(column.name)
            learnt[column.name] = column if before is None else _merge(before, column)
    return [learnt.get(name, OriginalColumn(name, hints.get(name, "number"))) for name in names]


def branches(model: Any, names: Sequence[str]) -> Iterator[tuple[Any, list[str]]]:
    """Yield what takes the columns first, and which of them."""
    first = steps_of(model)[0]
    if hasattr(first, "transformers_"):
        for _, transformer, places in first.transformers_:
            if not isinstance(transformer, str):
                # A dropped column is not among the names.
                known = getattr(model, "feature_names_in_", names)
                yield transformer, pick_names(list(known), places)
    elif hasattr(first, "transformer_list"):
        for _, transformer in first.transformer_list:
            if not isinstance(transformer, str):
                yield transformer, list(names)
    else:
        yield model, list(names)


def _learn(transformer: Any, names: Sequence[str]) -> Iterator[OriginalColumn]:
    """Yield what the first steps of a transformer tell of its columns."""
    columns = {name: OriginalColumn(name) for name in names}
    told = False
    for step in steps_of(transformer):
        if hasattr(step, "vocabulary_"):
            words = [str(word) for word in step.vocabulary_]
            yield from (OriginalColumn(name, "text", known=words) for name in names)
            return
        for index, name in enumerate(names):
            found = _learn_column(step, index, columns[name], len(names))
            told |= found is not None
            columns[name] = found or columns[name]
        if not hasattr(step, "statistics_"):
            break
    if told:
        yield from columns.values()


def _learn_column(
    step: Any, index: int, column: OriginalColumn, count: int
) -> OriginalColumn | None:
    if len(getattr(step, "categories_", ())) == count:
        return _learn_categories(step, list(step.categories_[index]), column)
    if len(getattr(step, "statistics_", ())) == count:
        filled = step.statistics_[index]
        if isinstance(filled, str):
            return replace(column, kind="text", imputed=True)
        return replace(column, imputed=True, mean=_finite(filled))
    if len(_array(step, "mean_")) == count and len(_array(step, "scale_")) == count:
        return replace(column, mean=float(step.mean_[index]), spread=float(step.scale_[index]))
    if len(_array(step, "data_min_")) == count:
        least, span = float(step.data_min_[index]), float(step.data_range_[index])
        return replace(column, mean=least + span / 2, spread=span / 4)
    return None


def _learn_categories(step: Any, values: list[Any], column: OriginalColumn) -> OriginalColumn:
    known = [value for value in values if not _is_nan(value)]
    ignored = getattr(step, "handle_unknown", "error") in IGNORED
    imputed = column.imputed or len(known) < len(values) or ignored
    if all(isinstance(value, str) for value in known):
        return replace(column, kind="text", imputed=imputed, known=known)
    if all(isinstance(value, int | np.integer) for value in known):
        return replace(column, kind="integer", known=[int(value) for value in known])
    return replace(column, known=[float(value) for value in known])


def _merge(first: OriginalColumn, second: OriginalColumn) -> OriginalColumn:
    """Join what two branches tell of a column: it is text if one says so."""
    text = second if second.kind == "text" else first
    return replace(text, imputed=first.imputed and second.imputed)


def _array(step: Any, name: str) -> Any:
    found = getattr(step, name, None)
    return found if isinstance(found, np.ndarray) and found.ndim == 1 else ()


def _is_nan(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _finite(value: Any) -> float:
    return float(value) if np.isfinite(value) else 0.0

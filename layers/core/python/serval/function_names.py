"""Names of the functions that a model has for itself: fixed, so that every stack knows them."""

from collections.abc import Iterable

from serval.fleets.names import within

FUNCTION_NAME_LIMIT = 64


def inference_function_name(stage: str, model: str) -> str:
    """Name the function that answers requests to a model of its own function."""
    return within(f"serval-{stage}-infer-{model}", FUNCTION_NAME_LIMIT)


def golden_function_name(stage: str, model: str) -> str:
    """Name the function that checks the golden requests of such a model."""
    return within(f"serval-{stage}-golden-{model}", FUNCTION_NAME_LIMIT)


def own_function_names(stage: str, models: Iterable[str]) -> dict[str, str]:
    """Name both functions of each model, by what the CLI calls them: ``infer-<model>``."""
    names: dict[str, str] = {}
    for model in models:
        names[f"infer-{model}"] = inference_function_name(stage, model)
        names[f"golden-{model}"] = golden_function_name(stage, model)
    return names

"""Fixed names of a stage's resources: queues, services and functions.

A name that would be too long is cut, and ends in a digest of itself.
"""

import hashlib
from collections.abc import Container, Iterable

QUEUE_NAME_LIMIT = 80
FUNCTION_NAME_LIMIT = 64
DEAD = "-dead"
SHARDS = "-shards"
CANDIDATE = "-candidate"
DIGEST_CHARACTERS = 8


def queue_name(stage: str, model: str) -> str:
    """Name the queue of a fleet model."""
    return shorten_name(f"serval-{stage}-{model}", QUEUE_NAME_LIMIT - len(DEAD))


def dead_letter_queue_name(stage: str, model: str) -> str:
    """Name the dead-letter queue of a fleet model."""
    return queue_name(stage, model) + DEAD


def candidate_queue_name(stage: str, model: str) -> str:
    """Name the queue of a model's candidate, where it answers on machines of its own."""
    return shorten_name(f"serval-{stage}-{model}{CANDIDATE}", QUEUE_NAME_LIMIT)


def light_queue_name(stage: str) -> str:
    """Name the queue that all models without a fleet share."""
    return f"serval-{stage}-light-requests"


def request_queue_name(stage: str, model: str, fleet_models: Container[str] | None = None) -> str:
    """Name the queue of a model's requests.

    Parameters
    ----------
    fleet_models
        The models that have queues of their own; None: all of them.
    """
    own = fleet_models is None or model in fleet_models
    return queue_name(stage, model) if own else light_queue_name(stage)


def callbacks_queue_name(stage: str) -> str:
    """Name the queue of closed requests that have a callback."""
    return f"serval-{stage}-callbacks"


def pipelines_machine_name(stage: str) -> str:
    """Name the state machine of durable pipelines."""
    return f"serval-{stage}-pipelines"


def shards_queue_name(stage: str, fleet: str) -> str:
    """Name the queue of a spot fleet's shards of batch jobs; ``fleet`` may be a placeholder."""
    return f"serval-{stage}-{fleet}{SHARDS}"


def tick_rule_name(stage: str) -> str:
    """Name the rule that runs ``tick`` every minute while a fleet is awake."""
    return f"serval-{stage}-tick"


def service_name(stage: str, fleet: str) -> str:
    """Name the ECS service of a spot fleet, and the endpoint of a SageMaker one."""
    return f"serval-{stage}-{fleet}"


endpoint_name = cluster_name = service_name


def capacity_provider_name(stage: str, fleet: str, capacity: str) -> str:
    """Name a spot fleet's capacity provider: ``spot`` or ``on-demand``."""
    return f"serval-{stage}-{fleet}-{capacity}"


def shorten_name(name: str, limit: int) -> str:
    """Cut a long name, and end it in a digest of itself."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:DIGEST_CHARACTERS]
    return f"{name[: limit - DIGEST_CHARACTERS - 1]}-{digest}"


def inference_function_name(stage: str, model: str) -> str:
    """Name a model's function of its own."""
    return shorten_name(f"serval-{stage}-infer-{model}", FUNCTION_NAME_LIMIT)


def golden_function_name(stage: str, model: str) -> str:
    """Name the function that checks such a model's golden requests."""
    return shorten_name(f"serval-{stage}-golden-{model}", FUNCTION_NAME_LIMIT)


def secrets_path(stage: str, model: str) -> str:
    """Return the path of a model's secrets in Parameter Store, which ends in a slash."""
    return f"/serval/{stage}/{model}/"


def own_function_names(stage: str, models: Iterable[str]) -> dict[str, str]:
    """Name both functions of each model, by the CLI's names for them: ``infer-<model>``."""
    names: dict[str, str] = {}
    for model in models:
        names[f"infer-{model}"] = inference_function_name(stage, model)
        names[f"golden-{model}"] = golden_function_name(stage, model)
    return names

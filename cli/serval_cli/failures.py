"""Expected failures, in words that say what to do; anything else keeps its traceback."""

from serval.errors import BundleRefused, ModelNotFound, ModelVersionNotFound, ServalError


class CommandFailed(Exception):
    """A command cannot do what it was asked to; the message says why and what to do."""


def explain(error: Exception) -> str | None:
    """Say what an expected error means; None for one that is not expected."""
    if isinstance(error, CommandFailed):
        return str(error)
    if isinstance(error, ModelNotFound):
        # Only a failure pays for this import.
        from serval_cli.suggestion import did_you_mean, known_models

        meant = did_you_mean(error.model, known_models())
        return (
            f"model {error.model!r} is not registered: `serval models` lists those that are{meant}"
        )
    if isinstance(error, ModelVersionNotFound):
        return f"{error}: `serval versions {error.model}` lists those it has"
    if isinstance(error, BundleRefused):
        return "the bundle is refused:" + "".join(f"\n  - {reason}" for reason in error.reasons)
    if isinstance(error, ServalError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'writing or reading'}: {error.strerror}"
    # Only a failure pays for this import.
    from serval_cli.stages.aws_failures import explain_aws

    return explain_aws(error)

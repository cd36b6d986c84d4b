"""Explain expected failures in words that help; any other error keeps its traceback."""

from serval.errors import BundleRefused, ModelNotFound, ModelVersionNotFound, ServalError


class CommandFailed(Exception):
    """A command cannot do what it was asked; the message has the reason and the remedy."""


def explain(error: Exception) -> str | None:
    """Explain an expected error, or return None."""
    if isinstance(error, CommandFailed):
        return str(error)
    if isinstance(error, ModelNotFound):
        # Imported late: only failures need it.
        from serval.suggestion import did_you_mean
        from serval_cli.known_models import known_models

        meant = did_you_mean(error.model, known_models())
        return (
            f"model {error.model!r} is not registered: `serval models` lists those that are{meant}"
        )
    if isinstance(error, ModelVersionNotFound):
        known = f"`serval versions {error.model}` lists those it has"
        return f"model {error.model!r} has no version {error.version!r}: {known}"
    if isinstance(error, BundleRefused):
        return "the bundle is refused:" + "".join(f"\n  - {reason}" for reason in error.reasons)
    if isinstance(error, ServalError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'writing or reading'}: {error.strerror}"
    # Imported late: only failures need them.
    from serval.client import CallFailed
    from serval_cli.stages.aws_failures import explain_aws

    return str(error) if isinstance(error, CallFailed) else explain_aws(error)

"""Runtimes: what executes an artifact.

A runtime raises ``ArtifactUnreadable`` when it cannot open an artifact and ``RuntimeFailed`` when
it fails on inputs that fit the signature; who called it knows the model's name and says the rest.
"""


class ArtifactUnreadable(Exception):
    """The artifact is not one that the runtime can run."""


class OperatorMissing(ArtifactUnreadable):
    """The artifact is a graph, and this runtime has no kernel for one of its operators here."""


class RuntimeFailed(Exception):
    """The runtime failed on inputs that fit the signature."""

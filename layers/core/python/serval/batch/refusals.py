"""What callers are refused about batch jobs, whatever their input is."""

from collections.abc import Sequence

from serval.errors import ServalError, shown


class AddressOutOfScope(ServalError):
    """The API key may not have a batch job read or write at an address."""

    def __init__(self, what: str, address: str, prefixes: Sequence[str]) -> None:
        among = ", ".join(prefixes[:6])
        super().__init__(
            f"{what} {shown(address)}: the API key's batch jobs read and write only under {among}; "
            "other prefixes are allowed by the stage's setting batch_prefixes"
        )
        self.what, self.address = what, address


class TooManyBatchJobs(ServalError):
    """The API key has as many open batch jobs of a model as it may have."""

    retry_seconds = 60

    def __init__(self, model: str, limit: int) -> None:
        super().__init__(
            f"the API key has {limit} open batch jobs of model {model!r}, as many as it may: wait "
            "for one to end, or cancel it"
        )
        self.model, self.limit = model, limit

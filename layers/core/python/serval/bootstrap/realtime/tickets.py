"""Tickets, for the functions that give them and the one that takes them."""

from collections.abc import Collection

from serval.aws.signed.addresses import service_url, stream_url
from serval.aws.signed.client import SignedClient
from serval.aws.signed.tickets import SignedTickets
from serval.http.protocols.redirect import StreamRedirect
from serval.settings import CallerSettings


def tickets(settings: CallerSettings) -> SignedTickets:
    """Return where tickets lie; on a connection of its own, which is opened when one is needed."""
    region = settings.aws_region
    url = settings.aws_endpoint_url or service_url("dynamodb", region)
    client = SignedClient("dynamodb", region, settings.credentials, url)
    return SignedTickets(settings.registry_table, client)


def stream_redirect(settings: CallerSettings, whole: Collection[str] = ()) -> StreamRedirect | None:
    """Return what sends calls that want a stream to the function that streams."""
    if not settings.stream_url:
        return None
    url = stream_url(settings.stream_url, settings.aws_endpoint_url)
    return StreamRedirect(url, tickets(settings), whole=whole)

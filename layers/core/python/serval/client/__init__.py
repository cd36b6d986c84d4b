"""A client of Serval's API: ``Client``, whose methods wait, and ``AsyncClient`` for asyncio."""

from serval.client.asking import RetryPolicy
from serval.client.awaiting import AsyncClient
from serval.client.documents import (
    Answer,
    CallAnswer,
    JobDocument,
    ModelDocument,
    ModelRollout,
    RequestDocument,
    StreamEvent,
)
from serval.client.download import DownloadFailed, DownloadProgress
from serval.client.events import StreamLost
from serval.client.failures import (
    BadRequest,
    CallFailed,
    Conflict,
    Forbidden,
    InvalidInput,
    Missing,
    NoReply,
    NotEnded,
    NotSucceeded,
    RefusedCall,
    ServerFailed,
    StillRunning,
    TooManyCalls,
    Unauthorized,
)
from serval.client.waiting import Client

__all__ = [
    "Answer",
    "AsyncClient",
    "BadRequest",
    "CallAnswer",
    "CallFailed",
    "Client",
    "Conflict",
    "DownloadFailed",
    "DownloadProgress",
    "Forbidden",
    "InvalidInput",
    "JobDocument",
    "Missing",
    "ModelDocument",
    "ModelRollout",
    "NoReply",
    "NotEnded",
    "NotSucceeded",
    "RefusedCall",
    "RequestDocument",
    "RetryPolicy",
    "ServerFailed",
    "StillRunning",
    "StreamEvent",
    "StreamLost",
    "TooManyCalls",
    "Unauthorized",
]

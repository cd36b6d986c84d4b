"""The program of a handler's process: ``python -P -m serval.handlers.program DESCRIPTOR``.

It imports the standard library and these few modules alone, since it runs in the handler's own
environment. Its standard input only says that the server lives; what the handler prints is its log.
"""

import importlib.util
import os
import resource
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from serval.handlers.contents import ContentRefused, NotAnAnswer
from serval.handlers.frames import Frame, FrameLost, FrameSocket
from serval.handlers.hugging_face import HuggingFaceHandler
from serval.handlers.sagemaker import SageMakerHandler
from serval.processes import hide_environment, prefer_for_oom_kill

ALIVE_BYTES = 64


class OpenHandler(Protocol):
    """A handler that has been loaded."""

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Answer a request; return the body of the answer and its content type."""


OPEN: dict[str, Callable[[ModuleType, str], OpenHandler]] = {
    "hugging-face": HuggingFaceHandler.open,
    "sagemaker": SageMakerHandler.open,
}


def main(descriptor: int) -> None:
    """Load the handler that the server names, and answer its requests until it is gone."""
    watch_server()
    prefer_for_oom_kill()
    channel = FrameSocket(socket.socket(fileno=descriptor))
    declared = dict(channel.receive(0).head)
    limit_memory(declared["memory_bytes"])
    hide_environment()
    with suppress(FrameLost):
        try:
            os.environ.update(declared.pop("secrets"))
            handler = open_handler(declared)
        except BaseException as error:
            channel.send(Frame({"is": "unreadable", "why": describe(error, declared["folder"])}))
            return
        channel.send(Frame({"is": "ready"}))
        while True:
            asked = channel.receive(declared["most_bytes"])
            channel.send(answer(handler, asked, declared))


def open_handler(declared: Mapping[str, Any]) -> OpenHandler:
    """Import the handler's file, and let it load what it needs."""
    folder, file = declared["folder"], Path(declared["folder"], declared["file"])
    # What it imports comes from its folder, then from its own packages, then from ours.
    roots = dict.fromkeys([str(file.parent), folder, *declared["packages"]])
    sys.path[:0] = roots
    module = import_file(file)
    return OPEN[declared["convention"]](module, folder)


def import_file(file: Path) -> ModuleType:
    """Import a file as the module of its name."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def answer(handler: OpenHandler, asked: Frame, declared: Mapping[str, Any]) -> Frame:
    """Answer one request; whatever the handler raises is the answer's reason."""
    try:
        body, content_type = handler.answer(
            asked.body, asked.head["content_type"], asked.head["accept"]
        )
        if len(body) > declared["most_bytes"]:
            raise NotAnAnswer(
                f"answered with {len(body)} bytes, at most {declared['most_bytes']} allowed"
            )
        return Frame({"is": "answered", "content_type": content_type}, body)
    except ContentRefused as refused:
        return Frame({"is": "refused", "why": str(refused)})
    except NotAnAnswer as problem:
        return Frame({"is": "failed", "why": str(problem)})
    except BaseException as error:
        return Frame({"is": "failed", "why": describe(error, declared["folder"])})


def describe(error: BaseException, folder: str) -> str:
    """Print the traceback into the log; return the error's type and its line in the bundle."""
    with suppress(Exception):
        traceback.print_exception(error)
    kind = type(error).__name__[:100]
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        place = (error.filename, error.lineno)
    else:
        frames = traceback.walk_tb(error.__traceback__)
        places = [(frame.f_code.co_filename, line) for frame, line in frames]
        own = [place for place in places if place[0].startswith(f"{folder}/")]
        place = own[-1] if own else ("", 0)
    if not place[0].startswith(f"{folder}/"):
        return f"raised {kind}"
    return f"raised {kind} in line {place[1]} of {place[0].removeprefix(f'{folder}/')}"


def limit_memory(limit_bytes: int) -> None:
    """Refuse memory far over the limit at once; the server ends a process that is over it."""
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (2 * limit_bytes, 2 * limit_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def watch_server() -> None:
    """End this process when the server's end of the standard input closes."""
    alive = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def wait_for_the_end() -> None:
        while os.read(alive, ALIVE_BYTES):
            pass
        os._exit(1)

    threading.Thread(target=wait_for_the_end, daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]))

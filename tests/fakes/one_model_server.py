"""A server whose process holds one version; it speaks OpenAI's completions, or takes any body.

It is started with ``PORT`` and ``MODEL_FOLDER``, and answers with what the version's artifact says.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

[ARTIFACT] = [path for path in Path(os.environ["MODEL_FOLDER"]).iterdir() if path.is_file()]
TEXT = ARTIFACT.read_bytes().decode("latin-1")


class Handler(BaseHTTPRequestHandler):
    """Answers calls."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Say that it is ready, which some artifacts never are."""
        status = 503 if TEXT == "never ready" else 200
        self._answer({"data": [{"id": "textgen"}], "status": "READY"}, status)

    def do_POST(self) -> None:
        """Answer with the version's text."""
        body = self.rfile.read(int(self.headers["content-length"])).decode("latin-1")
        if body.endswith('"end"}') or body == "end":
            os._exit(1)
        said = {"text": TEXT, "body": body, "type": self.headers["content-type"], "at": self.path}
        self._answer({"choices": [{"text": TEXT}]} if self.path.startswith("/v1") else said)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""

    def _answer(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if TEXT == "no model":
    raise SystemExit("the model cannot be loaded")
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()

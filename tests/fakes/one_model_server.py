"""A server whose process holds one version; it speaks OpenAI's completions, or takes any body.

It is started with ``PORT`` and ``MODEL_FOLDER``, and answers with what the version's artifact says.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TEXT = Path(os.environ["MODEL_FOLDER"], "model.onnx").read_bytes().decode("latin-1")


class Handler(BaseHTTPRequestHandler):
    """Answers calls."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Say that it is ready."""
        self._answer({"data": [{"id": "textgen"}], "status": "READY"})

    def do_POST(self) -> None:
        """Answer with the version's text."""
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        if body.endswith('"end"}') or body == "end":
            os._exit(1)
        said = {"text": TEXT, "body": body, "type": self.headers["content-type"], "at": self.path}
        self._answer({"choices": [{"text": TEXT}]} if self.path.startswith("/v1") else said)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""

    def _answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if TEXT == "no model":
    raise SystemExit("the model cannot be loaded")
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()

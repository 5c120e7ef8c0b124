"""Receive Alertmanager's notifications: print them, and show them on a page."""

import html
import json
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="15">
<title>Notifications</title>
<style>
  body {{ font: 16px system-ui, sans-serif; margin: 2em; max-width: 70em }}
  td, th {{ text-align: left; padding: .4em 1em .4em 0; vertical-align: top }}
</style>
<h1>Notifications</h1>
<p>What Alertmanager has sent, newest first. {expected}</p>
<table><tr><th>at<th>to<th><th>alert<th>summary</tr>
{rows}
</table>
</html>
"""


class Notifications:
    """What Alertmanager's webhooks are sent to, each of its receivers at a path of its own.

    ``expected`` are words for the page on what will be sent.

    Args:
        port: where it listens, on the loopback.
    """

    def __init__(self, port: int) -> None:
        self.expected = ""
        self._lines: list[tuple[str, str, str, str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def _receive(self, receiver: str, message: Mapping[str, Any]) -> None:
        for alert in message["alerts"]:
            labels = alert["labels"]
            place = "/".join(labels[key] for key in ("account", "queue") if key in labels)
            name = " ".join(filter(None, (labels["alertname"], place)))
            summary = alert.get("annotations", {}).get("summary", "")
            line = (time.strftime("%H:%M:%S"), receiver, str(alert["status"]), name, summary)
            self._lines.insert(0, line)
            print(f"{line[0]} to {receiver}: {line[2]} {name}: {summary}", flush=True)

    def _page(self) -> str:
        rows = [
            "<tr>" + "".join(f"<td>{html.escape(word)}" for word in line) for line in self._lines
        ]
        nothing = "<tr><td colspan=5>nothing yet"
        return PAGE.format(expected=html.escape(self.expected), rows="\n".join(rows) or nothing)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        notifications = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = notifications._page().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                try:
                    message = json.loads(body)
                    notifications._receive(self.path.strip("/"), message)
                except (ValueError, LookupError, TypeError) as error:
                    print(f"not a notification: {error!r}", file=sys.stderr)
                    self.send_error(400)
                    return
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler

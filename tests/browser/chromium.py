"""Drives Debian's Chromium over its DevTools protocol on a pipe: nothing to install, no port to guess.

What a page logs, throws or fails to load is kept; size and theme are emulated as DevTools does for a phone.
https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--remote-debugging-pipe", "--disable-lcd-text"),
)
FAULTS = ("Runtime.exceptionThrown", "Log.entryAdded", "Network.loadingFailed")
CHUNK = 1 << 16


@dataclass
class Browser:
    """One tab. `faults` holds what went wrong since the last `open`."""

    to_browser: int
    from_browser: int
    session: str = ""
    faults: list[str] = field(default_factory=list)
    _number: int = 0
    _unread: bytes = b""

    def open(self, page: Path, width: int, theme: str, height: int = 900) -> None:
        """Load a file from disk at a width in CSS pixels, in the theme that the system would prefer."""
        self.faults.clear()
        device = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **device)
        media = {"name": "prefers-color-scheme", "value": theme}
        self.call("Emulation.setEmulatedMedia", features=[media])
        self.call("Page.navigate", url=page.resolve().as_uri())
        self._until("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, JSON-like."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise AssertionError(found["exceptionDetails"]["exception"]["description"])
        return found["result"].get("value")

    def picture(self, out: Path) -> None:
        """Write what is seen as PNG."""
        out.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask for something and wait for the answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._keep(answer)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']['message']}")
        return dict(answer["result"])

    def _until(self, event: str) -> None:
        while (answer := self._next()).get("method") != event:
            self._keep(answer)

    def _keep(self, event: dict[str, Any]) -> None:
        if event.get("method") in FAULTS or event.get("params", {}).get("type") in {"error", "warning", "assert"}:
            self.faults.append(json.dumps(event["params"])[:500])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            read = os.read(self.from_browser, CHUNK)
            if not read:
                raise AssertionError("Chromium ended")
            self._unread += read
        message, _, self._unread = self._unread.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium with a profile of its own and one empty tab; end it afterwards."""
    commands, answers = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # Chromium reads commands from descriptor 3 and answers on 4.
        program = f'exec "$0" "$@" 3<&{commands[0]} 4>&{answers[1]}'
        process = subprocess.Popen(
            ["bash", "-c", program, str(PROGRAM), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(commands[0], answers[1]),
            stderr=subprocess.DEVNULL,
        )
        os.close(commands[0])
        os.close(answers[1])
        try:
            yield _attached(Browser(commands[1], answers[0]))
        finally:
            process.terminate()
            process.wait(30)
            os.close(commands[1])
            os.close(answers[0])


def _attached(tab: Browser) -> Browser:
    target = next(t for t in tab.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
    tab.session = tab.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        tab.call(f"{domain}.enable")
    return tab

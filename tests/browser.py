"""A headless Chromium, driven by the DevTools protocol over a pipe: no port, no driver and no library."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATH = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe")
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")


class Browser:
    """A page of a browser; ``events`` are all messages of the page since it was opened."""

    def __init__(self, profile: Path):
        to_read, self.to = os.pipe()
        self.back, to_write = os.pipe()

        def pipes() -> None:  # the browser reads commands from file descriptor 3 and answers on 4
            os.dup2(to_read, 13)
            os.dup2(to_write, 14)
            os.dup2(13, 3)
            os.dup2(14, 4)

        flags = (*FLAGS, *QUIET, f"--user-data-dir={profile}")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([str(PATH), *flags, "about:blank"], preexec_fn=pipes, close_fds=False, **quiet)
        os.close(to_read)
        os.close(to_write)
        self.unread, self.sent, self.events = b"", 0, []
        targets = self.ask("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self.tab = self.ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": parameters}
        message |= {"sessionId": self.tab} if hasattr(self, "tab") else {}
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.sent:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, url: str, width: int = 1000, height: int = 800, scripts: bool = True) -> None:
        """Open a page of a width in pixels and wait until it is loaded."""
        self._visit("about:blank")  # else an address that differs by its fragment would not be loaded again
        self.ask("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.resize(width, height)
        self._visit(url)

    def _visit(self, url: str) -> None:
        self.events.clear()
        self.ask("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def resize(self, width: int, height: int = 800) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", **size)

    def run(self, expression: str) -> Any:
        """Return the value of an expression, or of its promise, in the page."""
        found = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def complaints(self) -> list[Mapping[str, Any]]:
        """Return all errors and warnings of the page."""
        wrong = [event for event in self.events if event.get("method") == "Runtime.exceptionThrown"]
        for event in self.events:
            level = event.get("params", {}).get("type") or event.get("params", {}).get("entry", {}).get("level")
            if event.get("method") in ("Runtime.consoleAPICalled", "Log.entryAdded") and level in ("error", "warning"):
                wrong.append(event)
        return wrong

    def requests(self) -> list[str]:
        """Return the addresses that the page asked for, without its embedded data."""
        asked = [event["params"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        sent = [request["request"]["url"] for request in asked]
        return [url for url in sent if not url.startswith(("data:", "blob:", "about:"))]

    def close(self) -> None:
        os.close(self.to)
        os.close(self.back)
        self.process.terminate()
        self.process.wait(30)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.unread:
            part = os.read(self.back, 1 << 20)
            assert part, "the browser has gone"
            self.unread += part
        message, _, self.unread = self.unread.partition(b"\0")
        return json.loads(message)

"""Headless Chromium, driven over its debugging pipe: pages at a chosen width and in a chosen medium, keys that are really pressed."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Of keys, the numbers that Chromium knows them by.
KEYS = {"Tab": 9, "Enter": 13, " ": 32, "End": 35, "Home": 36, "ArrowUp": 38, "ArrowDown": 40}
SECONDS = 60


class Browser:
    """A browser with one page; a context manager.

    Args:
        profile: A directory for the files of the browser.

    Raises:
        FileNotFoundError: There is no Chromium on the PATH.
    """

    def __init__(self, profile: Path) -> None:
        if CHROMIUM is None:
            raise FileNotFoundError("no Chromium on the PATH")
        # It reads commands from descriptor 3 and writes answers to 4; copies from 10 on do not lie in the way of these.
        commands, self._to_browser = os.pipe()
        self._from_browser, answers = os.pipe()
        ends = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (commands, answers)]
        command = ["bash", "-c", f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}', "bash", CHROMIUM, *FLAGS]
        command += ["--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            command, pass_fds=ends, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for each in (*ends, commands, answers):
            os.close(each)
        self._number, self._rest, self._session = 0, b"", ""
        self.events: list[dict[str, Any]] = []
        try:
            self._open_page()
        except BaseException:
            self.close()
            raise

    def _open_page(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for name in ("Page", "Runtime", "Log", "Accessibility"):
            self.call(f"{name}.enable")
        # As if the window were the one in front: else it gets no events of the focus.
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the browser."""
        os.close(self._to_browser)  # it ends with its pipe
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._from_browser)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Run a method of the DevTools protocol and return its result. Raises RuntimeError."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        sent = json.dumps(message).encode() + b"\0"
        while sent:
            sent = sent[os.write(self._to_browser, sent) :]
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def open(self, url: str, *, width: int = 1300, height: int = 900) -> None:
        """Load a page in a window of that size, in pixels. Raises FileNotFoundError."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.events.clear()
        if "errorText" in (answer := self.call("Page.navigate", url=url)):
            raise FileNotFoundError(f"{url}: {answer['errorText']}")
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def media(self, medium: str = "screen", scheme: str = "light") -> None:
        """Show the page on "screen" or in "print", to someone who prefers a "light" or "dark" one."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=medium, features=features)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript. Raises RuntimeError."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys, one after the other: those of KEYS, or letters."""
        for key in keys:
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            code = {" ": "Space"}.get(key, key if len(key) > 1 else f"Key{key.upper()}")
            each = {"key": key, "code": code, "windowsVirtualKeyCode": KEYS.get(key, ord(key[0].upper()))}
            self.call(
                "Input.dispatchKeyEvent",
                type="keyDown" if text else "rawKeyDown",
                **each,
                **({"text": text} if text else {}),
            )
            self.call("Input.dispatchKeyEvent", type="keyUp", **each)

    def accessible(self) -> list[tuple[str, str]]:
        """Return the role and the name of each part that a screen reader knows of."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
        ]

    def errors(self) -> list[str]:
        """Return what the page said went wrong since it was opened."""
        self.evaluate("0")  # what was said before this was said has come
        wrong = [event for event in self.events if event["method"] == "Runtime.exceptionThrown"]
        logged = [event["params"]["entry"] for event in self.events if event["method"] == "Log.entryAdded"]
        return [*map(str, wrong), *(str(entry) for entry in logged if entry["level"] == "error")]

    def _next(self) -> dict[str, Any]:
        """The next message of the browser. Raises TimeoutError and EOFError."""
        end = time.monotonic() + SECONDS
        while b"\0" not in self._rest:
            if not select.select([self._from_browser], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError(f"the browser said nothing for {SECONDS} seconds")
            read = os.read(self._from_browser, 1 << 20)
            if not read:
                raise EOFError("the browser ended")
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))

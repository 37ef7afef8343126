"""A headless Chromium, driven over a pipe by its own protocol (CDP): no server, no driver, no port.

Rules:

- Where no Chromium is installed a test that needs it is skipped, and says so; with CI=true
  (`.ci/run` does) it fails instead.
- AFFIDAVIT_BROWSER names another Chromium than the one on the PATH.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Browser", "a_browser", "field", "give", "shown", "verdict"]

FLAGS = (
    "--headless", "--no-sandbox", "--disable-dev-shm-usage",
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-breakpad", "--remote-debugging-pipe",
)  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome")

# Chromium reads commands from descriptor 3 and answers on 4; whatever stands there is moved away first.
START = """
import fcntl, os, sys
pair = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
os.dup2(pair[0], 3), os.dup2(pair[1], 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One tab of a Chromium that runs."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._buffer, self._number, self._session = b"", 0, ""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.send("Page.enable")
        self._scripts: list[str] = []

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command and return its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            data = os.read(self._answers, 1 << 20)
            assert data, "Chromium went away"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page, awaited."""
        found = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def open(self, page: Path, before: str = "") -> None:
        """Load a page; `before` is run in it before its own script."""
        for script in self._scripts:
            self.send("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
        self._scripts = []
        if before:
            added = self.send("Page.addScriptToEvaluateOnNewDocument", source=before)
            self._scripts.append(added["identifier"])
        self.send("Page.navigate", url=page.as_uri())
        self.until("document.readyState === 'complete' && location.protocol === 'file:'")

    def until(self, expression: str, seconds: float = 30.0) -> Any:
        """Wait until an expression is true, and return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.evaluate(expression)
            if value:
                return value
            time.sleep(0.01)
        raise AssertionError(f"{expression} did not become true")

    def choose(self, selector: str, *files: Path) -> None:
        """Put files, or a folder, into a file field, as the dialogue does."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def drop(self, path: Path, x: int = 300, y: int = 150) -> None:
        """Drag a file or a folder over the page and let it go."""
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for event in ("dragEnter", "dragOver", "drop"):
            self.send("Input.dispatchDragEvent", type=event, x=x, y=y, data=data)

    def press(self, key: str) -> None:
        """Press a key."""
        for event in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent", type=event, key=key, code=key, windowsVirtualKeyCode={"Tab": 9}[key]
            )


@contextmanager
def a_browser() -> Iterator[Browser]:
    """Start a Chromium with an empty profile, and end it."""
    program = os.environ.get("AFFIDAVIT_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no Chromium: .ci/run installs it")
        pytest.skip("THE PAGE WAS NOT TESTED: no Chromium is installed (apt-get install chromium)")
    profile = tempfile.mkdtemp(prefix="affidavit-chromium-")
    (from_us, commands), (answers, to_us) = os.pipe(), os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(from_us), str(to_us), program, *FLAGS, f"--user-data-dir={profile}"],
        env={**os.environ, "HOME": profile, "XDG_CONFIG_HOME": profile, "XDG_CACHE_HOME": profile},
        pass_fds=(from_us, to_us), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(from_us)
    os.close(to_us)
    fcntl.fcntl(answers, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    try:
        browser = Browser(commands, answers)
        yield browser
        browser._session = ""
        with suppress(AssertionError, OSError):
            browser.send("Browser.close")
        process.wait(timeout=20)
    finally:
        process.kill()
        process.wait()
        os.close(commands)
        os.close(answers)
        shutil.rmtree(profile, ignore_errors=True)


# -- the page that verifies evidence -----------------------------------------------------------------------------------


def field(browser: Browser, name: str, text: str) -> None:
    browser.evaluate(f"$({json.dumps(name)}).value = {json.dumps(text)}")


def give(browser: Browser, path: Path, key: str = "", kept: bytes = b"", witness: str = "") -> str:
    """Give the page evidence, and wait for its verdict: good, open or bad."""
    field(browser, "key", key)
    field(browser, "kept", kept.decode())
    field(browser, "witness", witness)
    browser.evaluate("document.body.dataset.state = 'busy'")
    browser.choose("#folder" if path.is_dir() else "#bundle", path)
    return verdict(browser)


def verdict(browser: Browser) -> str:
    # The page says when it is done: asking it again and again would take it longer than its answer.
    state: str = browser.evaluate("""new Promise((told) => {
        const tell = () => document.body.dataset.state !== 'busy' && told(document.body.dataset.state);
        new MutationObserver(tell).observe(document.body, {attributeFilter: ['data-state']});
        tell();
    })""")
    return state


def shown(browser: Browser, name: str) -> str:
    return str(browser.evaluate(f"$({json.dumps(name)}).textContent"))

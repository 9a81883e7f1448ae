"""Headless Chromium that can reach the loopback of this machine only, with a record of the hosts that it requested."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from websocket import create_connection

from tests.processes import wait_until

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
REASON = "" if CHROMIUM and DRIVER else "needs Debian's chromium and chromium-driver"

#: Seconds for what a page does at once; a busy machine takes its time.
WAIT = 30.0

_ARGUMENTS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--window-size=1360,900",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


_JUDGE = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then(
  ({ violations }) => done(violations.flatMap((one) => one.nodes.map((node) =>
    `${one.id} (${one.impact}): ${node.target.join(" ")}: ${node.failureSummary}`))),
  (error) => done([String(error)]));
"""


#: Until what is to be touched lies where it lay a frame ago: a drawer slides in, a list is drawn above a button.
_AT_REST = """
const [selector, done] = arguments;
let last = null;
const look = () => {
  const box = document.querySelector(selector)?.getBoundingClientRect();
  const now = box && [box.x, box.y, box.width, box.height].join();
  if (!box || now === last) return done();
  last = now;
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
setTimeout(done, 2000);
"""


def axe_core() -> str:
    """The source of axe-core, of npm, in the wheel that the Makefile installs."""
    found = find_spec("axe_playwright_python")
    assert found is not None, "needs axe-core: make integration installs it"
    assert found.submodule_search_locations
    return (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text("utf-8")


class Browser:
    """One window.

    :ivar driver: selenium's, for whatever is not here.
    """

    def __init__(self, *, arguments: tuple[str, ...] = ()) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM or ""
        for argument in (*_ARGUMENTS, *arguments):
            options.add_argument(argument)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")  # Chromium refuses to be root's otherwise
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))

    def end(self) -> None:
        self.driver.quit()

    def open(self, url: str) -> None:
        """A page anew, even where only the part after ``#`` differs."""
        self.driver.get("about:blank")
        self.driver.get(url)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str, seconds: float = WAIT, *arguments: Any) -> Any:
        """Until an expression is true; its value."""
        found: list[Any] = []

        def look() -> bool:
            found[:] = [self.run(f"return {script}", *arguments)]
            return bool(found[0])

        wait_until(look, seconds, lambda: f"{script}; the page says:\n{self.text()[:600]}")
        return found[0]

    def text(self, selector: str = "body") -> str:
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def click(self, selector: str) -> None:
        for last in (False, True):
            try:
                self.driver.execute_async_script(_AT_REST, selector)
                self.driver.find_element(By.CSS_SELECTOR, selector).click()
                return
            except StaleElementReferenceException:  # it was drawn anew between the two
                if last:
                    raise

    def type(self, selector: str, text: str) -> None:
        field = self.driver.find_element(By.CSS_SELECTOR, selector)
        field.clear()
        field.send_keys(text)

    def keys(self, *keys: str) -> None:
        self.driver.switch_to.active_element.send_keys(*keys)

    def phone(self) -> None:
        self.size(375, 812)

    def size(self, width: int, height: int) -> None:
        """The size of what is seen of a page, in its own pixels; a phone's or a tablet's up to 768."""
        told = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width <= 768}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", told)

    def media(self, **features: str) -> None:
        """What a page is told that a person prefers: ``forced_colors="active"``; nothing ends it."""
        told = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": told})

    def judged(self) -> list[str]:
        """What axe-core has against the page as it is: WCAG 2.2 A and AA, and its best practices."""
        if not self.run("return Boolean(window.axe)"):
            # CSP has no say here: DevTools runs it.
            self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe_core()})
        return [str(one) for one in self.driver.execute_async_script(_JUDGE)]

    def desk(self) -> None:
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def traced(self, categories: str, work: Callable[[], None]) -> list[dict[str, Any]]:
        """The events of a Chromium trace (DevTools, domain Tracing) while ``work`` is done."""
        address = self.driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
        with urlopen(f"http://{address}/json/version", timeout=10) as answer:
            url = json.loads(answer.read())["webSocketDebuggerUrl"]
        line = create_connection(url, timeout=60, suppress_origin=True)
        try:
            line.send(json.dumps({"id": 1, "method": "Tracing.start", "params": {"categories": categories}}))
            while json.loads(line.recv()).get("id") != 1:
                pass
            work()
            line.send(json.dumps({"id": 2, "method": "Tracing.end"}))
            events: list[dict[str, Any]] = []
            while True:
                message = json.loads(line.recv())
                if message.get("method") == "Tracing.dataCollected":
                    events += message["params"]["value"]
                elif message.get("method") == "Tracing.tracingComplete":
                    return events
        finally:
            line.close()

    def complaints(self, fine: Callable[[str], bool] = lambda _: False) -> list[str]:
        """What was written to the console since the last call."""
        lines = [str(line["message"]) for line in self.driver.get_log("browser")]
        return [line for line in lines if not fine(line)]

    def asked(self) -> set[str]:
        """The hosts that the page asked anything of since the last call."""
        hosts = set()
        for line in self.driver.get_log("performance"):
            message = json.loads(line["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                if url.startswith(("http:", "https:", "ws:", "wss:")):
                    hosts.add(url.split("/")[2])
        return hosts

"""The report of a finished run: nothing in it leads elsewhere, it says what the run came to, and a browser shows it."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.services.demo.runs import report

LEADS_ELSEWHERE: Final = ("src", "href", "xlink:href", "action", "formaction", "poster", "data", "srcset", "background")
INSTALL: Final = "apt-get install -y chromium"
WAIT_S: Final = 30


class Page(HTMLParser):
    """Collects elements, where they lead, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.references: list[str] = []
        self.handlers: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.references += [value or "" for name, value in attrs if name in LEADS_ELSEWHERE]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def page(finished_demo: Path) -> Path:
    return finished_demo / "report.html"


def test_nothing_leads_elsewhere(page: Path) -> None:
    source = page.read_text("utf-8")
    parsed = Page()
    parsed.feed(source)
    parsed.close()
    assert not parsed.elements & {
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "base",
        "form",
        "img",
        "audio",
        "video",
    }
    assert parsed.handlers == []
    assert all(reference.startswith("#") for reference in parsed.references)
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)|javascript:", source)
    assert "default-src 'none'" in source


def test_the_page_says_what_the_run_came_to(page: Path, finished_demo: Path) -> None:
    parsed = Page()
    parsed.feed(page.read_text("utf-8"))
    text = "".join(parsed.text)
    made = report(finished_demo)
    for source in made.sources:
        assert f"{source.won:,}" in text
    for operator in made.operators:
        if operator.won:
            assert operator.label.ko in text
            assert operator.label.en in text
            assert f"{operator.won:,}" in text
    for refused in made.refused:
        assert refused.code in text
    for mended in made.healed:
        assert mended.function in text
        assert f"{mended.won:,}" in text
    assert f"{made.total_won:,}" in text
    assert made.head_hash in text


class Browser:
    """Chromium's DevTools protocol, as much as a look at one page needs."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        self._session: str | None = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        self._connection.send(json.dumps({"id": number, "method": method, "params": params, **session}))
        while (message := json.loads(self._connection.recv(WAIT_S))).get("id") != number:
            self.events.append(message)
        assert "error" not in message, message
        found: dict[str, Any] = message["result"]
        return found

    def until(self, event: str) -> None:
        while not any(each.get("method") == event for each in self.events):
            self.events.append(json.loads(self._connection.recv(WAIT_S)))

    def value(self, expression: str) -> Any:
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, f"no Chromium on this machine: {INSTALL}"
    command = [
        program,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if line.startswith("DevTools listening on "))
            with connect(line.split()[-1], max_size=None) as connection:
                yield Browser(connection)
        finally:
            process.kill()


@pytest.mark.long
@pytest.mark.parametrize(("width", "height"), [(1_280, 900), (390, 844)], ids=["desktop", "phone"])
def test_a_browser_without_network_shows_it(page: Path, tmp_path: Path, width: int, height: int) -> None:
    with browser(tmp_path / "profile") as one:
        one.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < height,
        )
        for domain in ("Page", "Network", "Log", "Runtime"):
            one.ask(f"{domain}.enable")
        one.ask("Page.navigate", url=page.absolute().as_uri())
        one.until("Page.loadEventFired")
        assert one.value("document.documentElement.scrollWidth") <= width
        assert one.value("document.querySelectorAll('svg').length") >= 3
        assert one.value("[...document.querySelectorAll('svg')].every(e => e.getBoundingClientRect().width > 100)")
        assert one.value("getComputedStyle(document.querySelector('span[lang=en]')).display") == "none"
        one.value("document.getElementById('in-en').click()")
        assert one.value("getComputedStyle(document.querySelector('span[lang=ko]')).display") == "none"
        asked = [e["params"]["request"]["url"] for e in one.events if e.get("method") == "Network.requestWillBeSent"]
        said = [e["params"]["entry"]["text"] for e in one.events if e.get("method") == "Log.entryAdded"]
    assert asked == [page.absolute().as_uri()]
    assert said == []

"""A browser for tests of pages: Chromium without a window, driven by selenium."""

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

#: Seconds to wait for the browser, whatever it does.
PATIENCE = 600
_FLAGS = (
    *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"),
    *("disable-background-networking", "disable-component-update", "window-size=1200,1600"),
)


@contextlib.contextmanager
def browser(profile: pathlib.Path, *flags: str) -> Iterator[Any]:
    """Start Chromium with an empty profile in a folder and further flags, and end it.

    The test is skipped where there is none; in CI it fails.
    """
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not program or not driver:
        reason = "no Chromium with its driver is here: apt-get install chromium chromium-driver"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*_FLAGS, *flags, f"user-data-dir={profile}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chromium = webdriver.Chrome(options=options, service=Service(driver))
    chromium.command_executor.client_config.timeout = PATIENCE  # machines are busy
    chromium.set_page_load_timeout(PATIENCE)
    try:
        yield chromium
    finally:
        chromium.quit()


def complaints(chromium: Any) -> list[str]:
    """Return what the console says since it was last asked."""
    return [entry["message"] for entry in chromium.get_log("browser")]


def requests(chromium: Any) -> list[str]:
    """Return what was asked for since the last time, but for what is built in or in the page."""
    events = (json.loads(entry["message"])["message"] for entry in chromium.get_log("performance"))
    asked = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    urls = [params["request"]["url"] for params in asked]
    return [url for url in urls if not url.startswith(("chrome:", "data:", "about:"))]

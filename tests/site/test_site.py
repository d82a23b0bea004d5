"""The built site in a headless Chromium, without a network: `make docs` runs it after the build."""

import functools
import http.server
import os
import pathlib
import re
import shutil
import threading
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

ROOT = pathlib.Path(__file__).parents[2]
SITE = ROOT / "build" / "site"
#: Those that run as root, too, and keep the browser from calling home.
FLAGS = (
    *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"),
    *("disable-background-networking", "disable-component-update", "window-size=1400,1000"),
    "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # whoever needs more fails
)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and prints nothing of it."""

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the site is served."""
    assert (SITE / "index.html").exists(), "the site is not built: make docs"
    handler = functools.partial(Quiet, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A browser of the system; where there is none, the tests say so, and in CI they fail."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        reason = "no chromium and chromedriver: apt-get install chromium chromium-driver"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as chrome:
        yield chrome


def faults(browser: webdriver.Chrome) -> list[str]:
    """Return what is wrong with the page shown: what the console says, and broken pictures."""
    said = [entry["message"] for entry in browser.get_log("browser")]  # since the last call
    broken = browser.execute_script(
        "return [...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.src)"
    )
    return [*said, *(f"broken picture {source}" for source in broken)]


def test_every_page(browser: webdriver.Chrome, address: str) -> None:
    """From the first page the footer leads to the last; all others are in the site's map."""
    pages = {
        re.sub(r"index\.html$", "", path.relative_to(SITE).as_posix())
        for path in SITE.rglob("*.html")
    } - {"404.html"}
    wrong, seen, page = {}, [], address
    while page:
        browser.get(page)
        seen.append(browser.current_url.removeprefix(address).partition("#")[0])
        assert len(seen) <= len(pages), "the navigation runs in circles"
        if found := faults(browser):
            wrong[seen[-1]] = found
        following = browser.find_elements(By.CSS_SELECTOR, "a.md-footer__link--next")
        page = following[0].get_attribute("href") if following else None
    assert {"getting-started/", "environments/", "reference/adqn_jax/value/losses/"} <= set(seen)
    beside = pages - set(seen)
    assert all(page.startswith("source/") for page in beside), "pages that nothing leads to"
    for page in sorted(beside):
        browser.get(address + page)
        if found := faults(browser):
            wrong[page] = found
    assert wrong == {}


def test_the_menu_leads_somewhere(browser: webdriver.Chrome, address: str) -> None:
    """A click on a page's name in the menu opens that page."""
    browser.get(address)
    link = browser.find_element(By.LINK_TEXT, "Environments")
    link.click()
    assert browser.current_url == f"{address}environments/"
    assert browser.find_element(By.TAG_NAME, "h1").text.startswith("Environments")
    films = [
        i for i in browser.find_elements(By.TAG_NAME, "img") if ".gif" in i.get_attribute("src")
    ]
    assert films
    assert faults(browser) == []


def test_search(browser: webdriver.Chrome, address: str) -> None:
    """The search finds a function of the reference, without a network."""
    browser.get(address)
    field = browser.find_element(By.CSS_SELECTOR, "input.md-search__input")
    field.click()
    field.send_keys("lambda_returns")
    results = WebDriverWait(browser, 20).until(
        lambda b: b.find_elements(By.CSS_SELECTOR, ".md-search-result__link")
    )
    assert any("reference/adqn_jax/returns/" in link.get_attribute("href") for link in results)
    assert faults(browser) == []

"""The built site in a headless Chromium, without a network: `make docs` runs it after the build."""

import functools
import http.server
import pathlib
import re
import threading
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from browser import browser

ROOT = pathlib.Path(__file__).parents[2]
SITE = ROOT / "build" / "site"
#: Whoever needs more than the site fails.
RESOLVER = "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


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
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A browser that reaches the site, and nothing else; wide enough for the menu."""
    folder = tmp_path_factory.mktemp("browser")
    with browser(folder, RESOLVER, "window-size=1400,1000") as started:
        yield started


def faults(chromium: webdriver.Chrome) -> list[str]:
    """Return what is wrong with the page shown: what the console says, and broken pictures."""
    said = [entry["message"] for entry in chromium.get_log("browser")]  # since the last call
    broken = chromium.execute_script(
        "return [...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.src)"
    )
    return [*said, *(f"broken picture {source}" for source in broken)]


def test_every_page(chromium: webdriver.Chrome, address: str) -> None:
    """From the first page the footer leads to the last; all others are in the site's map."""
    pages = {
        re.sub(r"index\.html$", "", path.relative_to(SITE).as_posix())
        for path in SITE.rglob("*.html")
    } - {"404.html"}
    wrong, seen, page = {}, [], address
    while page:
        chromium.get(page)
        seen.append(chromium.current_url.removeprefix(address).partition("#")[0])
        assert len(seen) <= len(pages), "the navigation runs in circles"
        if found := faults(chromium):
            wrong[seen[-1]] = found
        following = chromium.find_elements(By.CSS_SELECTOR, "a.md-footer__link--next")
        page = following[0].get_attribute("href") if following else None
    assert {"getting-started/", "environments/", "reference/adqn_jax/value/losses/"} <= set(seen)
    beside = pages - set(seen)
    assert all(page.startswith("source/") for page in beside), "pages that nothing leads to"
    for page in sorted(beside):
        chromium.get(address + page)
        if found := faults(chromium):
            wrong[page] = found
    assert wrong == {}


def test_the_menu_leads_somewhere(chromium: webdriver.Chrome, address: str) -> None:
    """A click on a page's name in the menu opens that page."""
    chromium.get(address)
    link = chromium.find_element(By.LINK_TEXT, "Environments")
    link.click()
    assert chromium.current_url == f"{address}environments/"
    assert chromium.find_element(By.TAG_NAME, "h1").text.startswith("Environments")
    films = [
        i for i in chromium.find_elements(By.TAG_NAME, "img") if ".gif" in i.get_attribute("src")
    ]
    assert films
    assert faults(chromium) == []


def test_search(chromium: webdriver.Chrome, address: str) -> None:
    """The search finds a function of the reference, without a network."""
    chromium.get(address)
    field = chromium.find_element(By.CSS_SELECTOR, "input.md-search__input")
    field.click()
    field.send_keys("lambda_returns")
    results = WebDriverWait(chromium, 20).until(
        lambda b: b.find_elements(By.CSS_SELECTOR, ".md-search-result__link")
    )
    assert any("reference/adqn_jax/returns/" in link.get_attribute("href") for link in results)
    assert faults(chromium) == []

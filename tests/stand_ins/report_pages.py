"""The culling page of a small shoot, opened in a browser."""

import shutil
import time
from collections.abc import Callable
from typing import Any

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install selenium)")
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
DRIVER = shutil.which("chromedriver")

TIMEOUT = 30.0


def until(condition: Callable[[], Any]) -> Any:
    """Waits for a condition, long enough for a busy machine; what the page replaces meanwhile is looked for again."""
    end = time.monotonic() + TIMEOUT
    while True:
        try:
            if result := condition():
                return result
        except StaleElementReferenceException:
            pass
        assert time.monotonic() < end, "the page did not get there"
        time.sleep(0.03)


def press(browser: Any, *keys: str) -> None:
    def send(key: str) -> bool:
        browser.switch_to.active_element.send_keys(key)
        return True

    for key in keys:
        until(lambda key=key: send(key))  # an element that went stale did not get the key


def names(browser: Any) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll('.card .name:first-child')].map(n => n.textContent)"
    )


def choose(browser: Any, name: str, value: str) -> None:
    browser.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
        "s.dispatchEvent(new Event('input', {bubbles: true})); s.dispatchEvent(new Event('change', {bubbles: true}))",
        name, value,
    )  # fmt: skip


def open_picture(browser: Any, name: str) -> None:
    def click() -> bool:
        cards = browser.find_elements(By.CSS_SELECTOR, ".card")
        next(card for card in cards if name in card.get_attribute("aria-label")).click()
        return True

    until(click)
    until(lambda: browser.execute_script("return document.getElementById('viewer').dataset.shown !== undefined"))
    assert name in browser.find_element(By.ID, "viewer-name").text

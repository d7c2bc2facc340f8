"""The drop page in a real browser: a photo chosen, its map shown, an error said, nothing asked elsewhere.

Needs Chromium or Chrome, its driver and selenium; skipped, with what is missing, where they are not installed.
"""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("prometheus_client", reason="the extra serve is not installed")
pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install selenium)")

from selenium import webdriver
from selenium.webdriver.common.by import By

from luxel.serve.app import make_app
from luxel.serve.options import ServiceOptions
from stand_ins.servers import on_loopback

BROWSER = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    BROWSER is None or DRIVER is None, reason="no Chromium with its driver (apt-get install chromium chromium-driver)"
)
ROCKET = Path(__file__).parents[2] / "docs" / "example" / "rocket.jpg"


@pytest.fixture
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    # No sandbox: tests in a container run as root, which Chromium's sandbox rejects. The page is our own.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1100,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def test_a_chosen_photo_shows_its_map(browser: Any, tmp_path: Path) -> None:
    def until(script: str) -> Any:
        end = time.monotonic() + 60
        while not (value := browser.execute_script(f"return {script}")):
            assert time.monotonic() < end, browser.get_log("browser")
            time.sleep(0.05)
        return value

    with on_loopback(make_app(ServiceOptions())) as port:
        browser.get(f"http://127.0.0.1:{port}/")
        chosen = browser.find_element(By.ID, "file")
        chosen.send_keys(str(ROCKET))
        assert until("document.getElementById('map').naturalWidth") == 640
        assert browser.find_element(By.ID, "figures").text.splitlines()[:2] == ["score", "4.8 of 10"]
        browser.find_element(By.CSS_SELECTOR, "input[value=residual]").click()
        until("document.getElementById('map').naturalHeight == 427")
        assert browser.get_log("browser") == []
        (tmp_path / "note.txt").write_text("no photo <b>")
        chosen.send_keys(str(tmp_path / "note.txt"))
        until("document.getElementById('status').className")
        assert "is not a picture" in browser.find_element(By.ID, "status").text
        assert not browser.find_element(By.ID, "views").is_displayed()
        browser.find_element(By.CSS_SELECTOR, "input[value=heatmap]").click()
        asked = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
        assert all(url.startswith((f"http://127.0.0.1:{port}/", "blob:")) for url in asked)

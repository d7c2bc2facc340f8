"""The culling page of a small shoot, opened in a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from luxel import images
from luxel.assessment.batch import Settings
from luxel.report import Look, build
from stand_ins import onnx_files
from stand_ins.report_inputs import EVIL, GREYS
from stand_ins.searching import images_in


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="session")
def shoot(place: Path) -> Path:
    """Five greys, a picture of two halves, one with a hostile name, one that is none."""
    folder = place / "shoot"
    folder.mkdir()
    for name, level in GREYS.items():
        images.write(folder / f"{name}.png", np.full((120, 180, 3), level, np.uint8))
    halves = np.zeros((120, 180, 3), np.uint8)
    halves[:, :90], halves[:, 90:] = (40, 40, 40), (230, 200, 60)
    images.write(folder / "f_halves.png", halves)
    images.write(folder / EVIL, np.full((120, 180, 3), 128, np.uint8))
    (folder / "g_broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="session")
def look(place: Path, shoot: Path) -> Look:
    weights = onnx_files.grey_target(place / "grey.onnx")
    return Look(shoot, Settings(weights=weights, backend="onnxruntime"), criteria="fig9")


@pytest.fixture(scope="session")
def page(place: Path, shoot: Path, look: Look) -> Path:
    return build(images_in([str(shoot)]), place / "report.html", look).path


@pytest.fixture(scope="session")
def browser(place: Path) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install selenium)")
    from stand_ins.report_pages import BROWSER, DRIVER, TIMEOUT

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    # No sandbox: tests in a container run as root, which Chromium's sandbox rejects. The page is our own.
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1300,900",
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(place / "downloads")})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(TIMEOUT)
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser: Any, page: Path) -> Any:
    """The page freshly opened, with nothing remembered."""
    from stand_ins.report_pages import until

    browser.get(page.as_uri())
    browser.execute_script("localStorage.clear()")
    browser.get_log("browser")
    browser.refresh()
    until(lambda: browser.execute_script("return document.documentElement.dataset.ready") == "yes")
    return browser


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnx_files.grey_target(tmp_path_factory.mktemp("weights") / "grey.onnx")

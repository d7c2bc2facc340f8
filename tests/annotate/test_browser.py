"""The workplace in a real browser: strokes that survive, a lost network, two people, keyboard only, the preview.

Needs Chromium or Chrome, its driver and selenium; skipped, with what is missing, where they are not installed.
"""

import base64
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from luxel.annotate.store.database import Database, beside
from stand_ins.annotation_server import Client, make_account, serving

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install selenium)")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    BROWSER is None or DRIVER is None, reason="no Chromium with its driver (apt-get install chromium chromium-driver)"
)
TIMEOUT = 40.0
FACTS = "return {...document.documentElement.dataset}"


@pytest.fixture(scope="module")
def server(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    dataset = Path(shutil.copytree(built, tmp_path_factory.mktemp("browser") / "data"))
    database = Database(beside(dataset))
    for name in ("anna", "bert", "emil", "frida", "gina"):
        make_account(database, name)
    with serving(database, dataset) as port:
        yield port, dataset


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    # No sandbox: tests in a container run as root, which Chromium's sandbox rejects. The pages are our own.
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1100,800",
        "--enable-unsafe-swiftshader",
        "--use-gl=angle",
        "--use-angle=swiftshader",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(TIMEOUT)
    yield driver
    driver.quit()


@pytest.fixture
def person(browser: Any, server: tuple[int, Path]) -> Callable[[str], Client]:
    """Logs a person in, in the browser too; returns their client."""

    def log_in(name: str) -> Client:
        client = Client(server[0]).log_in(name)
        browser.get(f"http://127.0.0.1:{server[0]}/login")
        browser.delete_all_cookies()
        cookie = client.cookie.partition("=")
        browser.add_cookie({"name": cookie[0], "value": cookie[2], "httpOnly": True, "sameSite": "Strict"})
        return client

    return log_in


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + TIMEOUT
    while not (result := condition()):
        assert time.monotonic() < end, "the page did not get there"
        time.sleep(0.03)
    return result


def facts(browser: Any) -> dict[str, str]:
    return browser.execute_script(FACTS)


def open_task(browser: Any, client: Client, kind: str, view: str = "") -> int:
    task = client.post("/api/tasks/next", {"kind": kind}).json["task"]["id"]
    browser.get(f"http://127.0.0.1:{client.port}/task/{task}{view}")
    assert until(lambda: facts(browser).get("ready")) == "yes"
    return int(task)


def press(browser: Any, *keys: str) -> None:
    for key in keys:
        browser.switch_to.active_element.send_keys(key)


def draw(browser: Any, *, count: int, seed: int) -> None:
    """Strokes with the mouse, each from one place to another."""
    rng = np.random.default_rng(seed)
    canvas = browser.find_element(By.ID, "canvas")
    width, height = canvas.size["width"], canvas.size["height"]
    chain = ActionChains(browser, duration=10)
    for _ in range(count):
        points = (rng.uniform(-0.3, 0.3, (3, 2)) * [width, height]).astype(int)
        chain.move_to_element_with_offset(canvas, *points[0].tolist())
        chain.click_and_hold()
        for step in np.diff(points, axis=0):
            chain.move_by_offset(*step.tolist())
        chain.release()
    chain.perform()


def hash_of(browser: Any) -> str:
    return browser.execute_async_script("window.luxelTask.map.hash().then(arguments[0])")


def hash_on_server(client: Client, task: int) -> str:
    return client.get(f"/api/tasks/{task}/map").headers["etag"].strip('"')


def set_network(browser: Any, *, offline: bool) -> None:
    browser.execute_cdp_cmd("Network.enable", {})
    speed = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": offline, **speed})


def sent(browser: Any) -> bool:
    return facts(browser)["unsent"] == "0"


def test_strokes_undo_and_reload_give_one_map(browser: Any, person: Callable[[str], Client]) -> None:
    anna = person("anna")
    task = open_task(browser, anna, "residual")
    assert facts(browser)["backend"] == "webgl2"
    modes = ["a", "s", "s", "u", "v"]
    for number, mode in enumerate(modes):
        draw(browser, count=4, seed=number)
        press(browser, mode)
    press(browser, *"zzzzz")
    assert facts(browser)["seq"] == "25"
    until(lambda: sent(browser))
    before = hash_of(browser)
    assert hash_on_server(anna, task) == before
    browser.refresh()
    until(lambda: facts(browser).get("ready"))
    assert hash_of(browser) == before
    press(browser, "Z")
    assert hash_of(browser) != before
    until(lambda: sent(browser))
    assert hash_on_server(anna, task) == hash_of(browser)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_lost_network_and_a_closed_tab_lose_nothing(browser: Any, person: Callable[[str], Client]) -> None:
    bert = person("bert")
    task = open_task(browser, bert, "residual")
    draw(browser, count=2, seed=1)
    until(lambda: sent(browser))
    set_network(browser, offline=True)
    draw(browser, count=3, seed=2)
    until(lambda: facts(browser)["sync"] == "offline")
    assert facts(browser)["unsent"] == "3"
    assert "kept in this browser" in browser.find_element(By.ID, "sync-note").text
    before = hash_of(browser)
    set_network(browser, offline=False)
    browser.refresh()  # what was not sent comes back from the browser's own store
    until(lambda: facts(browser).get("ready"))
    until(lambda: sent(browser))
    assert hash_of(browser) == before == hash_on_server(bert, task)


def test_two_people_and_two_tabs(browser: Any, person: Callable[[str], Client]) -> None:
    emil = person("emil")
    task = open_task(browser, emil, "residual")
    draw(browser, count=1, seed=3)
    until(lambda: sent(browser))
    other = emil.post(f"/api/tasks/{task}/open").json  # a second tab
    assert len(other["ops"]) == 1
    draw(browser, count=1, seed=4)
    until(lambda: facts(browser)["sync"] == "stale")
    assert browser.find_element(By.ID, "save-branch").is_displayed()
    assert len(emil.get(f"/api/tasks/{task}/ops").json["ops"]) == 1
    browser.refresh()
    until(lambda: facts(browser).get("ready"))
    until(lambda: sent(browser))  # the stroke of the stale tab was kept, and is drawn again after the other's
    assert len(emil.get(f"/api/tasks/{task}/ops").json["ops"]) == 2
    person("frida")
    browser.get(f"http://127.0.0.1:{emil.port}/task/{task}")
    assert "for others" in browser.find_element(By.TAG_NAME, "h1").text


def test_a_reference_by_keyboard_alone(browser: Any, person: Callable[[str], Client]) -> None:
    frida = person("frida")
    task = open_task(browser, frida, "reference")
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ENTER, Keys.ARROW_RIGHT, Keys.ENTER, "6")
    press(browser, "+", "g", "+", "-", Keys.ESCAPE, Keys.ARROW_LEFT, "3", "z", "Z", ",", ".", "/")
    until(lambda: sent(browser))
    kinds = [row["operation"]["kind"] for row in frida.get(f"/api/tasks/{task}/ops").json["ops"]]
    assert kinds == ["set_segments"] * 5 + ["undo", "redo"]
    assert hash_of(browser) == hash_on_server(frida, task)
    press(browser, Keys.CONTROL + Keys.ENTER + Keys.NULL)
    until(lambda: browser.execute_script("return document.getElementById('submit-dialog').open"))
    browser.switch_to.active_element.send_keys("dark wall", Keys.TAB, Keys.ENTER)
    until(lambda: "submitted" in browser.current_url)
    assert frida.get("/api/tasks/mine").json[0]["state"] == "submitted"


def test_a_map_by_keyboard_alone(browser: Any, person: Callable[[str], Client]) -> None:
    frida = person("frida")
    task = open_task(browser, frida, "residual")
    press(browser, Keys.ARROW_RIGHT, "]", "+", Keys.ENTER, "n", Keys.ARROW_DOWN, Keys.ENTER, "n", "f")
    press(browser, Keys.ARROW_RIGHT, "v", Keys.ENTER, "r", "m", "m")
    until(lambda: sent(browser))
    rows = [row["operation"] for row in frida.get(f"/api/tasks/{task}/ops").json["ops"]]
    assert [(row["kind"], row["mode"]) for row in rows] == [
        ("brush", "add"), ("brush", "not_judged"), ("fill", "set"), ("fill", "set")
    ]  # fmt: skip
    assert rows[2]["value"] == round(-0.9 * 32767)
    assert hash_of(browser) == hash_on_server(frida, task)


def canvas_pixels(browser: Any, width: int, height: int) -> np.ndarray:
    """The image as it is shown, read back pixel by pixel."""
    script = (
        "const v = window.luxelTask.view; v.canvas.style.flex = 'none';"
        "v.canvas.width = arguments[0]; v.canvas.height = arguments[1]; v.zoom = 1;"
        "v.centre = [arguments[0] / 2, arguments[1] / 2]; v.state.cursor = [0, 0, 0, 0]; v.marks = null;"
        "window.luxelTask.chosen.clear(); window.luxelTask.focus = null; window.luxelTask.mark();"
        "v.drawNow(); return v.canvas.toDataURL()"
    )
    data = browser.execute_script(script, width, height).partition(",")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


@pytest.mark.parametrize("view", ["", "?view=2d"])
def test_the_preview_is_the_datasets_rule(browser: Any, person: Callable[[str], Client], view: str) -> None:
    gina = person("gina")
    task = open_task(browser, gina, "reference", view)
    assert facts(browser)["backend"] == ("2d" if view else "webgl2")
    browser.execute_script(
        "const w = window.luxelTask; [3, 9, 14].forEach((s) => w.toggle(s, true)); w.tool.setZone(6)"
    )
    until(lambda: sent(browser))
    exact = Image.open(io.BytesIO(gina.get(f"/api/tasks/{task}/preview.png").body)).convert("RGB")
    shown = canvas_pixels(browser, *exact.size)
    difference = np.abs(shown - np.asarray(exact).astype(int))
    assert difference.mean() < 1.5, json.dumps(difference.mean(axis=(0, 1)).tolist())
    assert np.quantile(difference, 0.99) <= 6

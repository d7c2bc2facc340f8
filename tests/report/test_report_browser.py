"""The report page in a real browser: open, sort, filter, overlay, read-out, keys, export.

Needs Chromium or Chrome, its driver and selenium; skipped, with what is missing, where they are not installed.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from luxel import images
from luxel.assessment.batch import Settings
from luxel.draw import heatmap
from luxel.photometry import lightness, luminance, to_linear
from luxel.report import Look, build
from luxel.report.culling import read_ratings
from luxel.report.entry import Entry
from luxel.report.page import write_page
from luxel.zones import ROMAN, zone_of
from stand_ins import onnx_files
from stand_ins.searching import images_in

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install selenium)")
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
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

EVIL = '"><img src=x onerror=document.title="owned"><script>document.title="owned"</script>.png'.replace("/", "\u2044")
GREYS = {"a_black": 0, "b_dark": 51, "c_ideal": 128, "d_bright": 204, "e_white": 255}
TIMEOUT = 30.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def look(place: Path, shoot: Path) -> Look:
    weights = onnx_files.grey_target(place / "grey.onnx")
    return Look(shoot, Settings(weights=weights, backend="onnxruntime"), criteria="fig9")


@pytest.fixture(scope="module")
def page(place: Path, shoot: Path, look: Look) -> Path:
    return build(images_in([str(shoot)]), place / "report.html", look).path


@pytest.fixture(scope="module")
def browser(place: Path) -> Iterator[Any]:
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
    browser.get(page.as_uri())
    browser.execute_script("localStorage.clear()")
    browser.get_log("browser")
    browser.refresh()
    until(lambda: browser.execute_script("return document.documentElement.dataset.ready") == "yes")
    return browser


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


def focused(browser: Any, attribute: str) -> str:
    return browser.execute_script("return document.activeElement.getAttribute(arguments[0])", attribute)


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


def overlay_pixel(browser: Any, u: float, v: float) -> list[int]:
    return browser.execute_script(
        "const [u, v] = arguments; const c = document.getElementById('overlay'); const draw = c.getContext('2d');"
        "return [...draw.getImageData(Math.floor(u * c.width), Math.floor(v * c.height), 1, 1).data]",
        u,
        v,
    )


def point_at(browser: Any, u: float, v: float) -> dict[str, str]:
    frame = browser.find_element(By.ID, "frame")
    size = frame.size
    ActionChains(browser).move_to_element_with_offset(
        frame, round((u - 0.5) * size["width"]), round((v - 0.5) * size["height"])
    ).perform()
    return readout(browser)


def readout(browser: Any) -> dict[str, str]:
    return browser.execute_script(
        "return Object.fromEntries([...document.querySelectorAll('#readout dt')]"
        ".map(name => [name.textContent, name.nextSibling.textContent]))"
    )


def test_it_opens_without_a_complaint_and_asks_for_nothing(opened: Any) -> None:
    assert opened.find_element(By.ID, "count").text == "8 shown"
    assert "8 pictures" in opened.find_element(By.ID, "summary").text
    assert "1 not assessed" in opened.find_element(By.ID, "summary").text
    assert [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"] == []
    addresses = opened.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [address for address in addresses if not address.startswith("data:")] == []


def test_no_file_name_becomes_markup(opened: Any) -> None:
    assert EVIL in names(opened)
    open_picture(opened, "onerror")
    choose_table(opened)
    assert opened.title != "owned"
    assert opened.execute_script("return document.querySelectorAll('img[src=x], [onerror]').length") == 0


def choose_table(browser: Any) -> None:
    press(browser, Keys.ESCAPE)
    browser.find_element(By.CSS_SELECTOR, "[value=table] + span").click()
    until(lambda: browser.find_elements(By.CSS_SELECTOR, "tbody tr th button"))


def test_sorting_either_way_with_failures_last(opened: Any) -> None:
    choose(opened, "sort", "score")
    ascending = names(opened)
    assert ascending[-1] == "g_broken.jpg"
    assert set(ascending[:2]) == {"a_black.png", "e_white.png"}
    opened.find_element(By.ID, "direction").click()
    assert names(opened)[-1] == "g_broken.jpg"
    assert set(names(opened)[:2]) == {"c_ideal.png", EVIL}
    choose(opened, "sort", "under")
    assert names(opened)[0] in ("a_black.png", "b_dark.png")
    choose(opened, "sort", "ev")
    assert names(opened)[0] in ("a_black.png", "b_dark.png")


def test_filters_tell_how_many_they_hide(opened: Any) -> None:
    choose(opened, "score-low", "7.5")
    assert set(names(opened)) == {"c_ideal.png", EVIL}
    assert opened.find_element(By.ID, "count").text.split() == ["2", "shown", "6", "hidden"]
    opened.find_element(By.ID, "clear").click()
    assert opened.find_element(By.ID, "count").text == "8 shown"
    choose(opened, "over-low", "50")
    assert set(names(opened)) == {"d_bright.png", "e_white.png", "f_halves.png"}
    choose(opened, "over-low", "")
    choose(opened, "name", "BROKEN")
    assert names(opened) == ["g_broken.jpg"]
    choose(opened, "name", "nothing like it")
    assert "No picture passes" in opened.find_element(By.ID, "contact").text


def test_a_failure_shows_its_reason(opened: Any) -> None:
    card = next(c for c in opened.find_elements(By.CSS_SELECTOR, ".card") if "broken" in c.text)
    assert "not a picture" in card.text
    card.click()
    assert "not a picture" in until(lambda: opened.find_element(By.ID, "reason").text)


def test_the_table_sorts_by_its_heads(opened: Any) -> None:
    choose_table(opened)
    heads = opened.find_elements(By.CSS_SELECTOR, "thead th")
    assert [head.text.strip(" ▲▼") for head in heads] == [
        "Name",
        "Score",
        "Over",
        "Under",
        "EV",
        "Size",
        "Verdict",
        "Rating",
    ]
    opened.find_element(By.XPATH, "//thead//button[starts-with(., 'Over')]").click()
    opened.find_element(By.XPATH, "//thead//button[starts-with(., 'Over')]").click()
    sorted_by = opened.find_elements(By.CSS_SELECTOR, "th[aria-sort]")
    assert [(head.text.split()[0], head.get_attribute("aria-sort")) for head in sorted_by] == [("Over", "descending")]
    rows = opened.find_elements(By.CSS_SELECTOR, "tbody tr[data-place]")
    assert rows[0].text.split()[0] in ("d_bright.png", "e_white.png")
    assert {row.size["height"] for row in rows} == {72}
    columns = opened.execute_script(
        "return [...document.querySelectorAll('tbody tr[data-place]')]"
        ".map(row => [...row.cells].reduce((count, cell) => count + cell.colSpan, 0))"
    )
    assert set(columns) == {len(heads)}


def test_the_slider_goes_from_picture_to_map_in_luxels_colours(opened: Any) -> None:
    open_picture(opened, "b_dark")
    residual = 0.5 - 51 / 255
    strengths = {}
    for strength in (0, 65, 100):
        opened.execute_script(
            "const slider = document.getElementById('strength'); slider.value = arguments[0];"
            "slider.dispatchEvent(new Event('input'))",
            strength,
        )
        strengths[strength] = overlay_pixel(opened, 0.5, 0.5)
    assert strengths[0][3] == 0
    assert strengths[100][3] == 255
    expected = heatmap.render(np.full((1, 1), residual, np.float32))[0, 0]
    assert np.abs(np.array(strengths[100][:3]) - expected).max() <= 3
    tinted = heatmap.overlay(np.full((1, 1, 3), 51, np.uint8), np.full((1, 1), residual, np.float32))[0, 0]
    share = strengths[65][3] / 255
    assert np.abs(share * np.array(strengths[65][:3]) + (1 - share) * 51 - tinted).max() <= 4


def test_m_goes_round_and_the_palette_changes_the_map(opened: Any) -> None:
    open_picture(opened, "b_dark")
    alphas = []
    for _ in range(3):
        press(opened, "m")
        alphas.append(overlay_pixel(opened, 0.5, 0.5)[3])
    assert 0 < alphas[0] < 255
    assert alphas[1:] == [255, 0]
    press(opened, "m", "m", Keys.ESCAPE)
    choose(opened, "palette", "orange-purple")
    open_picture(opened, "b_dark")
    expected = heatmap.render(np.full((1, 1), 0.3, np.float32), palette="orange-purple")[0, 0]
    assert np.abs(np.array(overlay_pixel(opened, 0.5, 0.5)[:3]) - expected).max() <= 3
    opened.refresh()
    until(lambda: opened.execute_script("return document.documentElement.dataset.ready"))
    assert opened.find_element(By.ID, "palette").get_attribute("value") == "orange-purple"


def test_the_read_out_agrees_with_the_library(opened: Any) -> None:
    open_picture(opened, "f_halves")
    for u, rgb in ((0.25, (40, 40, 40)), (0.75, (230, 200, 60))):
        said = point_at(opened, u, 0.5)
        pixel = np.array(rgb, np.float32) / 255
        level = float(lightness(pixel))
        zone = float(zone_of(luminance(to_linear(pixel))))
        ev = float(np.log2(to_linear(0.5) / to_linear(level)))
        assert float(said["Residual"].split()[0].replace("−", "-")) == pytest.approx(0.5 - level, abs=0.02)
        assert said["Residual"].endswith("(underexposed)" if level < 0.5 else "(overexposed)")
        assert float(said["Compensation"].split()[0].replace("−", "-")) == pytest.approx(ev, abs=0.2)
        assert said["Zone"].split()[0] == ROMAN[round(zone)]
        assert float(said["Lightness"]) == pytest.approx(level, abs=0.02)
        assert "zone" in opened.find_element(By.ID, "tag").text


def test_clipped_light_can_only_be_bounded(opened: Any) -> None:
    open_picture(opened, "e_white")
    assert point_at(opened, 0.5, 0.5)["Compensation"].startswith("≤ −")
    press(opened, Keys.ESCAPE)
    open_picture(opened, "a_black")
    assert point_at(opened, 0.5, 0.5)["Compensation"].startswith("≥ +")


def test_everything_goes_by_keyboard_alone(opened: Any) -> None:
    opened.execute_script("document.activeElement.blur(); document.getElementById('clear').focus()")
    press(opened, Keys.TAB)
    assert focused(opened, "role") == "gridcell"
    press(opened, Keys.HOME, Keys.ARROW_RIGHT, "4", Keys.ARROW_RIGHT, "p", Keys.ENTER)
    assert opened.execute_script("return document.getElementById('viewer').open")
    first = opened.find_element(By.ID, "viewer-name").text
    press(opened, Keys.ARROW_RIGHT)
    until(lambda: opened.find_element(By.ID, "viewer-name").text != first)
    press(opened, "x")
    assert opened.find_element(By.XPATH, "//button[.='Reject']").get_attribute("aria-pressed") == "true"
    press(opened, Keys.SHIFT + Keys.ARROW_RIGHT + Keys.NULL)
    until(lambda: readout(opened)["Residual"] != "–")
    shown = opened.find_element(By.ID, "viewer-name").text
    press(opened, Keys.ESCAPE)
    assert not opened.execute_script("return document.getElementById('viewer').open")
    until(lambda: shown in focused(opened, "aria-label"))  # a dialog tells of its closing a moment later
    assert "reject" in focused(opened, "aria-label")
    press(opened, "?")
    assert opened.execute_script("return document.getElementById('help').open")
    press(opened, Keys.ESCAPE, "/")
    assert focused(opened, "id") == "name"
    press(opened, "c_ideal", Keys.TAB)
    assert names(opened) == ["c_ideal.png"]


@pytest.mark.parametrize("kind", ["picture", "overlay", "map"])
def test_arrows_move_on_after_a_click_on_what_to_show(opened: Any, kind: str) -> None:
    opened.find_element(By.CSS_SELECTOR, f"[name=show][value={kind}] + span").click()
    until(lambda: focused(opened, "role") == "gridcell")
    before = focused(opened, "aria-label")
    press(opened, Keys.ARROW_RIGHT)
    assert focused(opened, "role") == "gridcell"
    assert focused(opened, "aria-label") != before
    assert opened.execute_script("return document.querySelector('[name=show]:checked').value") == kind


@pytest.mark.parametrize("share", [-0.4, 0.3])
def test_arrows_move_on_after_a_click_on_the_slider(opened: Any, share: float) -> None:
    open_picture(opened, "b_dark")
    slider = opened.find_element(By.ID, "strength")
    ActionChains(opened).move_to_element_with_offset(slider, round(share * slider.size["width"]), 0).click().perform()
    until(lambda: focused(opened, "id") == "stage")
    strength = slider.get_attribute("value")
    assert strength != "0"
    first = opened.find_element(By.ID, "viewer-name").text
    press(opened, Keys.ARROW_LEFT)
    until(lambda: opened.find_element(By.ID, "viewer-name").text != first)
    assert slider.get_attribute("value") == strength


def test_arrows_choose_what_to_show_for_the_keyboard(opened: Any) -> None:
    opened.execute_script("document.querySelector('[name=show]:checked').focus()")
    press(opened, Keys.ARROW_RIGHT)
    assert focused(opened, "value") == "overlay", "whoever came by keyboard stays on the buttons"


def test_ratings_last_and_travel_to_sidecars(opened: Any, place: Path, shoot: Path) -> None:
    opened.find_element(By.ID, "export").click()
    assert "Nothing is rated" in opened.find_element(By.ID, "notice").text
    opened.execute_script("document.getElementById('clear').focus()")
    press(opened, Keys.TAB, Keys.HOME)
    order = names(opened)
    press(
        opened,
        "5",
        Keys.ARROW_RIGHT,
        "0",
        Keys.ARROW_RIGHT,
        "x",
        Keys.ARROW_RIGHT,
        "3",
        "p",
        "u",
        Keys.ARROW_RIGHT,
        "p",
    )
    opened.refresh()
    until(lambda: opened.execute_script("return document.documentElement.dataset.ready"))
    assert len(opened.find_elements(By.CSS_SELECTOR, ".marks")) == 5
    choose(opened, "rated", "rejects")
    assert names(opened) == [order[2]]
    opened.find_element(By.ID, "export").click()
    file = place / "downloads" / "ratings.json"
    until(file.exists)
    content = json.loads(until(file.read_text))
    assert {entry["path"]: (entry["rating"], entry["flag"]) for entry in content["ratings"]} == {
        order[0]: (5, None),
        order[1]: (0, None),
        order[2]: (None, "reject"),
        order[3]: (3, None),
        order[4]: (None, "pick"),
    }
    wanted = {one.picture.name: one.rating for one in read_ratings(file, shoot, rejects=True)}
    assert wanted == {order[0]: 5, order[1]: 0, order[2]: -1, order[3]: 3}
    opened.execute_script("localStorage.clear()")
    opened.refresh()
    until(lambda: opened.execute_script("return document.documentElement.dataset.ready"))
    assert not opened.find_elements(By.CSS_SELECTOR, ".marks")
    opened.find_element(By.ID, "import").send_keys(str(file))
    until(lambda: len(opened.find_elements(By.CSS_SELECTOR, ".marks")) == 5)
    file.unlink()


def test_a_thousand_pictures_exist_only_in_view(browser: Any, place: Path, look: Look, shoot: Path) -> None:
    [one] = images_in([str(shoot / "f_halves.png")])
    entry = look.worker()(one)
    entries = (
        (
            n,
            Entry(
                {**entry.facts, "path": f"{n:04}.png", "score": n / 100}, entry.thumbnail, entry.preview, entry.residual
            ),
        )
        for n in range(1000)
    )
    out = place / "many.html"
    about = {
        "luxel": "0", "folder": "many", "key": "many", "made": "2020-01-01T00:00:00+00:00", "threshold": 0.1,
        "criteria": "fig9", "weights": {"name": "w", "sha256": "0" * 64}, "map": {"step": 0.02, "zero": 50},
    }  # fmt: skip
    write_page(out, entries, title="many", about=about)
    browser.get(out.as_uri())
    until(lambda: browser.execute_script("return document.documentElement.dataset.ready"))
    count = "return document.querySelectorAll('.card').length"
    assert 10 <= browser.execute_script(count) <= 80
    browser.execute_script("document.getElementById('contact').scrollTop = 1e9")
    until(lambda: "0999.png" in names(browser))
    assert browser.execute_script(count) <= 80
    assert "0000.png" not in names(browser)
    choose(browser, "sort", "score")
    browser.find_element(By.ID, "direction").click()
    browser.find_element(By.CSS_SELECTOR, "[value=table] + span").click()
    until(lambda: browser.find_elements(By.CSS_SELECTOR, "tbody tr[data-place]"))
    browser.execute_script("document.getElementById('contact').scrollTop = 1e9")
    until(lambda: "0000.png" in browser.find_elements(By.CSS_SELECTOR, "tbody tr[data-place]")[-1].text)
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr[data-place]")) <= 60
    height = browser.execute_script("return document.querySelector('tbody').offsetHeight")
    assert height == 1000 * 72

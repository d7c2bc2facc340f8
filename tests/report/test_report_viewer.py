"""The viewer of the culling page in a browser: the slider, the readout, the keyboard."""

from typing import Any

import numpy as np
import pytest

from luxel.draw import heatmap
from luxel.photometry import lightness, luminance, to_linear
from luxel.zones import ROMAN, zone_of

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install selenium)")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from stand_ins.report_pages import BROWSER, DRIVER, choose, names, open_picture, press, until  # noqa: E402

pytestmark = pytest.mark.skipif(
    BROWSER is None or DRIVER is None, reason="no Chromium with its driver (apt-get install chromium chromium-driver)"
)


def focused(browser: Any, attribute: str) -> str:
    return browser.execute_script("return document.activeElement.getAttribute(arguments[0])", attribute)


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

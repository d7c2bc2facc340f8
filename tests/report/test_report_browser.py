"""The culling page in a browser: opening, sorting, filters, ratings, a thousand images."""

import json
from pathlib import Path
from typing import Any

import pytest

from luxel.report import Look
from luxel.report.culling import read_ratings
from luxel.report.entry import Entry
from luxel.report.page import write_page
from stand_ins.searching import images_in

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install selenium)")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from stand_ins.report_inputs import EVIL  # noqa: E402
from stand_ins.report_pages import BROWSER, DRIVER, choose, names, open_picture, press, until  # noqa: E402

pytestmark = pytest.mark.skipif(
    BROWSER is None or DRIVER is None, reason="no Chromium with its driver (apt-get install chromium chromium-driver)"
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

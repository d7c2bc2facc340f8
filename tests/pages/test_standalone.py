"""Pages that are one file: escaped, and held to themselves by their content security policy."""

import re

import pytest

from luxel.pages import standalone_page, style_hash


def test_the_policy_allows_the_style_that_is_there_and_nothing_else() -> None:
    page = standalone_page("A", "<p>b</p>", style="p { margin: 0; }")
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy == f"default-src 'none'; img-src data:; style-src '{style_hash(style)}'"
    assert style.endswith("p { margin: 0; }")


def test_the_title_is_text() -> None:
    assert "<title>&lt;script&gt; &amp; &quot;more&quot;</title>" in standalone_page('<script> & "more"', "")


@pytest.mark.parametrize("attributes", [False, True])
def test_style_attributes_are_allowed_only_on_request(attributes: bool) -> None:
    assert ("'unsafe-inline'" in standalone_page("A", "", style_attributes=attributes)) is attributes

"""The page of a review: the same facts are the same bytes, in two languages, and nothing that somebody typed is markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from munjigi.reports.review_page import _WORDS, LANGUAGES, Figure, Language, ReportItem, ReviewReport, page

TYPED = '<script>alert(1)</script> & "so"'
REPORT = ReviewReport(
    "rv-1",
    f"Rights {TYPED}",
    "2026-11-30 09:00",
    (("review", "rv-1"), ("plan", "ab" * 32)),
    (Figure("items_all", "30", "munjigi review show rv-1 --output json | jq '.items | length'"), Figure("state_kept", "4", "x")),
    (("cs.lee", 25), ("", 1)),
    (ReportItem(0, "cs.kim", f"cs_agent\n{TYPED}", "revoke", "UNUSED", "never", "keep", "", TYPED, "decided\nEXCEPTED"),),
    4,
)


class _Read(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onclick"}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_needs_nothing_and_what_was_typed_is_text(language: Language):
    made = page(REPORT, language)
    read = _Read()
    read.feed(made)
    assert "script" not in read.tags
    assert "link" not in read.tags
    assert TYPED in read.text
    assert "30" in read.text
    assert "jq '.items | length'" in read.text
    assert made == page(REPORT, language)
    assert "default-src 'none'" in made


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_about_accesses_has_their_words(language: Language):
    made, of_grants = page(REPORT._replace(of_accesses=True), language), page(REPORT, language)
    for name in ("heading", "items", "proposed"):
        assert _WORDS[language][f"{name}_accesses"] in made
        assert _WORDS[language][f"{name}_accesses"] not in of_grants


def test_both_languages_have_the_same_words():
    one, other = (_WORDS[language] for language in LANGUAGES)
    assert one.keys() == other.keys()
    assert page(REPORT, "ko") != page(REPORT, "en")

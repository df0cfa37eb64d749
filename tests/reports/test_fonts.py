"""A text with Hangul is set in a font that has it, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib import font_manager, get_data_path

from munjigi.adapters.pictures.fonts import families
from munjigi.kernel.errors import ConfigurationError, FailedPrecondition

OWN = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@pytest.fixture
def no_hangul(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has only the fonts that come with matplotlib."""
    monkeypatch.setattr(
        font_manager.fontManager, "ttflist", [each for each in font_manager.fontManager.ttflist if "DejaVu" in each.name]
    )
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(OWN)])


@pytest.mark.usefixtures("no_hangul")
def test_without_a_font_hangul_is_refused_and_the_rest_is_not():
    assert families("Munjigi · overview") == ["DejaVu Sans"]
    with pytest.raises(FailedPrecondition, match=r"fonts-nanum.*--font"):
        families("문지기")
    assert families("문지기", OWN) == ["DejaVu Sans", "DejaVu Sans"]  # whoever names a font gets it


def test_a_file_that_is_no_font_is_refused(tmp_path: Path):
    (tmp_path / "font.ttf").write_text("none")
    with pytest.raises(ConfigurationError, match="--font"):
        families("", tmp_path / "font.ttf")

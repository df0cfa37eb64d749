"""Which fonts a picture is set in: one with Hangul first, then matplotlib's own, which has what is rare."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from munjigi.kernel.errors import ConfigurationError, FailedPrecondition

_OWN: Final = "DejaVu Sans"  # comes with matplotlib
_HANGUL: Final = range(0xAC00, 0xD7A4)  # its syllables in Unicode
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # it tells everyone which weight stands for another
_KNOWN: Final = (
    "Pretendard",
    "Noto Sans KR",
    "Noto Sans CJK KR",
    "NanumGothic",
    "NanumBarunGothic",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "Noto Sans CJK JP",  # the collection of all of CJK goes by the name of its first face
)


def families(text: str, file: Path | None = None) -> list[str]:
    """Return the fonts to set `text` in, in the order in which they are asked for a glyph. `file` names one instead of looking for it.

    Raises `FailedPrecondition` when the text has Hangul and no font of this machine does, `ConfigurationError` when `file` is no font.
    """
    if file is not None:
        return [_added(file), _OWN]
    installed = {font.name for font in font_manager.fontManager.ttflist}
    found = next((name for name in _KNOWN if name in installed), None) or _with_hangul()
    if found is not None:
        return [found, _OWN]
    if any(ord(letter) in _HANGUL for letter in text):
        raise FailedPrecondition(
            "FONT_MISSING",
            "No font of this machine has Hangul; install one (Debian, Ubuntu: apt install fonts-nanum) or name a file with --font.",
        )
    return [_OWN]


def _added(file: Path) -> str:
    try:
        font_manager.fontManager.addfont(file)
        return str(font_manager.FontProperties(fname=file).get_name())
    except (OSError, RuntimeError):
        raise ConfigurationError(
            "FONT_UNREADABLE", "The font file can't be read; name a TrueType or OpenType file with --font."
        ) from None


def _with_hangul() -> str | None:
    """Look into the font files of this machine: matplotlib's list may be older than they are, or know none by its name."""
    for file in sorted(font_manager.findSystemFonts(), key=lambda path: ("bold" in path.lower(), path)):
        try:
            if _HANGUL[0] in FT2Font(file).get_charmap():
                return _added(Path(file))
        except (OSError, RuntimeError):
            continue
    return None

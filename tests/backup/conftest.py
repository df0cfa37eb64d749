from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from backup.kit import Installation, made


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with closing(made(tmp_path)) as found:
        yield found

"""What the tests of restoring share: an installation, archives that are made anew, and a restore that has to be refused."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from backup.kit import put_back

from munjigi.adapters.archive import ArchiveWriter
from munjigi.app.backup_contents import DATA, Keys, Manifest, read_through, sign
from munjigi.audit.copying import whole
from munjigi.kernel.errors import MunjigiError


def files_of(path: Path) -> dict[str, bytes]:
    """What an archive holds, without its manifest."""
    found: dict[str, BytesIO] = {}

    class Kept(BytesIO):
        def close(self) -> None:
            pass

    def keep(name: str) -> Kept:
        found[name] = Kept()
        return found[name]

    read_through(path, DATA, keep)
    return {name: each.getvalue() for name, each in found.items()}


def forged(path: Path, files: dict[str, bytes], manifest: Manifest, keys: Keys) -> None:
    """Write an archive with a manifest that fits and that `keys` sign."""
    path.unlink(missing_ok=True)
    with ArchiveWriter(path, manifest.time) as archive:
        for name, data in files.items():
            archive.add(whole(name, data))
        sign(
            archive,
            Manifest(**{**{n: getattr(manifest, n) for n in manifest.__struct_fields__}, "files": archive.listed}),
            keys.seal,
        )
        archive.finish()


def refused(root: Path, expected: str | tuple[str, ...], **options: object) -> str:
    """Restore, see it refused, and nothing left."""
    with pytest.raises(MunjigiError) as caught:
        put_back(root, root / "restored", **options)  # type: ignore[arg-type]
    assert caught.value.reason in ((expected,) if isinstance(expected, str) else expected), caught.value.message
    assert not (root / "restored").exists()
    return caught.value.message

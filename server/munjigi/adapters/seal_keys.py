"""Keys of the seal and of a witness: 32 secret bytes in a file of their own, the name in the public key beside it.

`NAME.key` holds the seed (mode 0600), `NAME.vkey` the verification key that is given to auditors and witnesses.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from munjigi.adapters.secrets import create_once, read_secret, replace_file, sync_folder
from munjigi.audit.seal.note import SIGNATURE, SigningKey, VerifierKey
from munjigi.audit.seal.origin import new_origin
from munjigi.kernel.errors import ConfigurationError, InvalidArgument

SEED_BYTES: Final = 32
INSTALLATION: Final = "seal"  # file name of the installation's key, without its ending


def installation_key(folder: Path, *, synthetic: bool = False) -> SigningKey:
    """Return the installation's key out of its folder of keys, made on the first call together with the installation's name.

    A `synthetic` installation is named as such when it is made, and bears that name for ever. Raises `ConfigurationError`.
    """
    return open_key(folder, INSTALLATION, new_origin(os.urandom(16), synthetic=synthetic))


def open_key(folder: Path, file: str, name: str, kind: int = SIGNATURE) -> SigningKey:
    """Read the key `file` of a folder, made on the first call under `name`.

    The public half is written anew where it is not that of the secret one: a crash may have come between the two.
    Raises `ConfigurationError` when a file is unsafe or damaged.
    """
    create_once(folder / f"{file}.key", os.urandom(SEED_BYTES))
    seed = read_secret(folder / f"{file}.key", SEED_BYTES)
    path = folder / f"{file}.vkey"
    key = SigningKey(public_key(path).name if path.exists() else name, seed, kind)
    if not path.exists() or public_key(path) != key.verifier:
        publish(path, key)
    return key


def public_key(path: Path) -> VerifierKey:
    """Read a verification key from its file. Raises `ConfigurationError`."""
    try:
        return VerifierKey.parse(path.read_text("ascii"))
    except (OSError, UnicodeDecodeError, InvalidArgument):
        raise ConfigurationError("VERIFIER_KEY_UNREADABLE", f"{path} holds no verification key; restore it.") from None


def make_next(folder: Path, file: str) -> VerifierKey:
    """Make the key that follows `file`, for the sealer to take up; return its public half.

    Raises `ConfigurationError` when one is waiting already.
    """
    name = public_key(folder / f"{file}.vkey").name
    if not create_once(folder / f"{file}.next.key", os.urandom(SEED_BYTES)):
        raise ConfigurationError("SEAL_KEY_WAITING", "A new key is waiting to be taken up; start munjigi, or wait a second.")
    return SigningKey(name, read_secret(folder / f"{file}.next.key", SEED_BYTES)).verifier


def waiting_key(folder: Path, file: str, name: str) -> SigningKey | None:
    """Return the key that waits to follow `file`, if there is one. Raises `ConfigurationError`."""
    path = folder / f"{file}.next.key"
    return SigningKey(name, read_secret(path, SEED_BYTES)) if path.exists() else None


def take_up(folder: Path, file: str, key: SigningKey) -> None:
    """Put the waiting key in the place of `file`, after a checkpoint was signed by both. Raises `ConfigurationError`."""
    try:
        (folder / f"{file}.next.key").replace(folder / f"{file}.key")
        sync_folder(folder)
    except OSError as error:
        raise ConfigurationError("KEY_FILE_UNWRITABLE", f"{folder} cannot be written ({error.strerror}).") from None
    publish(folder / f"{file}.vkey", key)


def publish(path: Path, key: SigningKey) -> None:
    """Write the public half of a key. Raises `ConfigurationError`."""
    replace_file(path, f"{key.verifier}\n".encode(), 0o644)

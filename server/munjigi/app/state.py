"""Which store holds the state of a folder: a file in it, or the PostgreSQL database that a note in it names.

The note is written by the first start with MUNJIGI_STATE_URL. From then on no start makes an empty store beside the real one,
and whoever reads the folder (follower, `audit verify`, `backup`, `doctor`) finds the database without the daemon's settings.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from munjigi.adapters.secrets import replace_file
from munjigi.adapters.state.address import Address
from munjigi.adapters.state.sqlite import SqliteStateStore, copy_store
from munjigi.adapters.state.store import SqlStateStore
from munjigi.adapters.usage.schema import USAGE_SCHEMA
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.app.synthetic import marked
from munjigi.kernel.errors import ConfigurationError, Corruption, FailedPrecondition, Unavailable

if TYPE_CHECKING:
    from munjigi.adapters.state.postgresql import PostgresqlStateStore

_ENCODER: Final = msgspec.json.Encoder()


class _Note(msgspec.Struct, frozen=True):
    """What the note holds; never a password."""

    url: str
    authority: str = ""
    password_file: str = ""


def address_of(settings: Settings) -> Address | None:
    """Return where the settings say that the state is; None for a file of the state folder."""
    return address_from(settings.state_url, settings.state_authority, settings.state_password_file)


def address_from(url: str, authority: Path | None, password_file: Path | None) -> Address | None:
    """Return an address whose files can be named from any folder; None without a URL."""
    return Address(url, _whole(authority), _whole(password_file)) if url else None


def open_state(settings: Settings, folder: StateFolder) -> SqlStateStore:
    """Open the store for writing, its schema brought to this code's version.

    Raises `ConfigurationError` when the folder's state is elsewhere than the settings say, or the store is not safe.
    """
    address, known = address_of(settings), noted(folder)
    if address is None:
        if known is not None:
            raise ConfigurationError(
                "STATE_ELSEWHERE",
                f"Refusing to start: the state of {folder.root} is in PostgreSQL ({known.place}). Set MUNJIGI_STATE_URL.",
            )
        store: SqlStateStore = SqliteStateStore(folder.state, synthetic=marked(folder))
    else:
        if folder.state.exists():
            raise ConfigurationError(
                "STATE_ELSEWHERE",
                f"Refusing to start: the state of {folder.root} is in {folder.state.name}, and MUNJIGI_STATE_URL names a database. "
                "Move it there (docs/operations.md, State in PostgreSQL), or leave the setting out.",
            )
        store = _postgresql(address, read_only=False)
    try:
        store.migrate()
        if address is not None:  # by whoever may change the schema, which the follower's account need not
            store.bring(USAGE_SCHEMA)
    except BaseException:
        store.close()
        raise
    return store


def keep_note(settings: Settings, folder: StateFolder) -> None:
    """Note in the folder where its state is, once that was found to be the right place."""
    if (address := address_of(settings)) is not None and address != noted(folder):
        note(folder, address)


def note(folder: StateFolder, address: Address) -> None:
    """Write the note."""
    authority, password_file = (str(path or "") for path in (address.authority, address.password_file))
    replace_file(folder.state_note, _ENCODER.encode(_Note(address.url, authority, password_file)) + b"\n")


def noted(folder: StateFolder) -> Address | None:
    """Return where the folder's state is; None for a file of its own.

    Raises `ConfigurationError` when the note can't be read.
    """
    try:
        found = msgspec.json.decode(folder.state_note.read_bytes(), type=_Note)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        raise ConfigurationError(
            "STATE_NOTE_UNREADABLE",
            f"{folder.state_note} can't be read; start munjigi once with MUNJIGI_STATE_URL, which writes it again.",
        ) from None
    authority, password_file = (Path(each) if each else None for each in (found.authority, found.password_file))
    return Address(found.url, authority, password_file)


def has_state(folder: StateFolder) -> bool:
    """Tell whether the folder has a state store."""
    return folder.state.exists() or folder.state_note.exists()


def read_state(folder: StateFolder) -> SqlStateStore:
    """Open the folder's store for reading.

    Raises `Unavailable` while there is none.
    """
    if (address := noted(folder)) is not None:
        return _postgresql(address, read_only=True)
    if not folder.state.exists():
        raise _no_state(folder)
    return SqliteStateStore(folder.state, read_only=True)


def write_state(folder: StateFolder) -> SqlStateStore:
    """Open the folder's store for writing, as it is: a worker's start has brought it to this code's version.

    Raises `Unavailable` while there is none.
    """
    if (address := noted(folder)) is not None:
        return _postgresql(address, read_only=False)
    if not folder.state.exists():
        raise _no_state(folder)
    return SqliteStateStore(folder.state)


def copy_state(folder: StateFolder, target: Path) -> None:
    """Copy the folder's state as of one moment into a file, while others read and write it.

    Raises `Unavailable` when it can't be read or the copy can't be written, `Corruption` when it is damaged.
    """
    if noted(folder) is None:
        copy_store(folder.state, target)
        return
    made = target.with_name(f"{target.name}.making")
    with closing(read_state(folder)) as store, closing(SqliteStateStore(made)) as file:
        file.migrate()
        store.copy_to(file)
    copy_store(made, target)
    made.unlink()


def move_state(folder: StateFolder, address: Address) -> None:
    """Move the state from the folder's file into an empty database, and note that.

    Raises `FailedPrecondition` when the database is not empty or the people are made up, and what `open_state` raises.
    """
    if marked(folder):
        raise FailedPrecondition(
            "SYNTHETIC_STATE_STAYS", "The state folder is synthetic: its state stays in a file of the folder."
        )
    with closing(_postgresql(address, read_only=False)) as target, closing(SqliteStateStore(folder.state)) as store:
        target.migrate()
        store.copy_to(target)
        if target.log_heads() != store.log_heads() or target.load() != store.load():
            raise Corruption("STATE_CORRUPT", "The database does not give back what was written into it; look at its disk.")
    note(folder, address)
    folder.state.unlink()


async def hear_of_changes(settings: Settings, wake: Callable[[], None]) -> None:
    """Call `wake` when somebody may have committed, for ever, where the store can tell; else return."""
    if (address := address_of(settings)) is not None:
        from munjigi.adapters.state.hints import hear  # noqa: PLC0415  # a driver that few installations load

        await hear(address, wake)


def reader_of(address: Address) -> PostgresqlStateStore:
    """Open a database for reading, whatever is in it."""
    return _postgresql(address, read_only=True)


def _postgresql(address: Address, *, read_only: bool) -> PostgresqlStateStore:
    try:
        from munjigi.adapters.state.postgresql import PostgresqlStateStore  # noqa: PLC0415  # a driver that few installations load
    except ImportError:
        raise ConfigurationError(
            "STATE_DRIVER_MISSING", "The state is in PostgreSQL, and its driver is not here: pip install 'munjigi[postgresql]'."
        ) from None
    return PostgresqlStateStore(address, read_only=read_only)


def _no_state(folder: StateFolder) -> Unavailable:
    return Unavailable("STATE_UNREACHABLE", f"There is no {folder.state.name} in the state folder yet.")


def _whole(path: Path | None) -> Path | None:
    return path.absolute() if path is not None else None

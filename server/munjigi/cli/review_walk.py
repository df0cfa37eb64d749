"""Walk through the items of a review on a terminal, by keyboard: each is shown with what was used of it, a key says the word.

Each word is sent when it is said, so that nothing is lost when the terminal goes; until it is sent, `b` goes back. How long an item
was looked at and whether its evidence was opened go with it.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
import uuid
from collections.abc import Callable, Sequence
from typing import Final, Self

import click
from rich.console import Console

from munjigi.cli.failure import DENIED, FAILED, USAGE, Failure
from munjigi.cli.output import console, styled
from munjigi.cli.review_table import evidence_table, item_facts, items_table, verdict_of
from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls
from munjigi_client._proto.munjigi.v1 import review_pb2 as pb

Say = Callable[[Sequence[calls.ReviewDecision], str], list[pb.ReviewItem]]
_WORDS: Final = {"k": "keep", "d": "reduce", "r": "revoke", "s": "suspend"}
_WORDS_OF_ACCESS: Final = {"o": "ok", "x": "suspicious"}
_SEQUENCE: Final = 0.05  # seconds in which the rest of an arrow key comes
_ENTER: Final = ("\r", "\n")
_BACK: Final = ("b", "\x1b[A", "\x1b[D")
_ON: Final = ("n", " ", "\x1b[B", "\x1b[C")
_KEYS_OF_ACCESS: Final = "o ok · x suspicious · n next · b back · l list · q quit"
_KEYS: Final = "Enter as proposed · k keep · d reduce · r revoke · s suspend · e evidence · n next · b back · l list · q quit"


def walk(items: Sequence[pb.ReviewItem], say: Say) -> None:
    """Show items until all are decided or the reviewer leaves. Raises `Failure` without a terminal."""
    if not items:
        click.echo("Nothing waits for your word in this review.")
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failure(
            "There is no terminal to ask you on.", "Name items with --item and your word with --keep, --revoke, ...", USAGE
        )
    _Walk(items, say).run()


class _Keys:
    """The keyboard, a key at a time and without echo; what is typed ahead waits. A context manager."""

    def __init__(self) -> None:
        self._terminal = sys.stdin.fileno()
        self._cooked = termios.tcgetattr(self._terminal)

    def __enter__(self) -> Self:
        tty.setcbreak(self._terminal, termios.TCSANOW)
        return self

    def __exit__(self, *_error: object) -> None:
        termios.tcsetattr(self._terminal, termios.TCSANOW, self._cooked)

    def read(self) -> str:
        """Return the next key, an arrow as its sequence; `q` at the end of input."""
        key = os.read(self._terminal, 1) or b"q"
        while key in (b"\x1b", b"\x1b[") and select.select([self._terminal], [], [], _SEQUENCE)[0]:
            key += os.read(self._terminal, 1)
        return key.decode(errors="replace")

    def line(self, prompt: str) -> str:
        """Ask for a line, with echo."""
        self.__exit__()
        try:
            answer: str = click.prompt(prompt, default="", show_default=False)
            return answer
        finally:
            self.__enter__()


class _Walk:
    """Where a reviewer stands in a list."""

    def __init__(self, items: Sequence[pb.ReviewItem], say: Say) -> None:
        self._items = list(items)
        self._say = say
        self._screen: Console = console()
        self._decided: set[int] = set()
        self._opened: set[int] = set()
        self._at = 0
        self._keys = _Keys()

    def run(self) -> None:
        """Ask until there is nothing more to ask."""
        self._screen.print(items_table(self._items, title=f"{len(self._items)} items wait for your word"))
        with self._keys:
            while len(self._decided) < len(self._items):
                if not self._step():
                    break
        left = len(self._items) - len(self._decided)
        click.echo(f"{len(self._decided)} decided, {left} left." if left else f"All {len(self._items)} decided.")

    def _step(self) -> bool:
        """Show one item and do what a key says; tell whether to go on."""
        item = self._items[self._at]
        access = item.HasField("access")
        began = time.monotonic_ns()
        self._show(item)
        while True:
            key = self._keys.read()
            if key in ("q", "\x03", "\x04"):
                return False
            if key in _ON or key in _BACK:
                self._move(1 if key in _ON else -1)
                return True
            if key == "l":
                self._screen.print(items_table(each for each in self._items if each.number not in self._decided))
                self._screen.print(styled(_keys_of(item), "dim", trusted=True))
                continue
            if key == "e" and not access:
                self._opened.add(item.number)
                self._screen.print(evidence_table(item))
                continue
            word = (_WORDS_OF_ACCESS if access else _WORDS).get(key) or (verdict_of(item) if key in _ENTER else "")
            if word and self._settle(item, word, time.monotonic_ns() - began):
                self._move(1)
                return True

    def _show(self, item: pb.ReviewItem) -> None:
        place = f"{self._at + 1} of {len(self._items)}, {len(self._decided)} decided"
        self._screen.print(styled(f"── {place} " + "─" * 40, "dim", trusted=True))
        self._screen.print(item_facts(item))
        self._screen.print(styled(_keys_of(item), "dim", trusted=True))

    def _settle(self, item: pb.ReviewItem, word: str, looked: int) -> bool:
        """Send a word, asking why where it isn't the plan's; tell whether it was taken."""
        if word == "ask":
            click.echo(f"The plan proposes nothing here: {'o or x' if item.HasField('access') else 'k, d, r or s'}.")
            return False
        if item.number in self._decided:
            click.echo("This one is decided.")
            return True
        if word == "reduce" and not (item.scope_objects or item.scope_actions):
            click.echo("There is nothing to reduce it to: k, r or s.")
            return False
        reason = ""
        if word != verdict_of(item):
            reason = self._keys.line(f"Why {word}")
            if not reason:
                click.echo("Nothing was decided: a word that is not the plan's needs a reason.")
                return False
        said = calls.ReviewDecision(
            number=item.number,
            word=f"REVIEW_WORD_{word.upper()}",
            reason=reason,
            looked=looked,
            evidence_opened=item.number in self._opened,
        )
        try:
            self._say([said], uuid.uuid4().hex)
        except Failure as refused:
            if refused.code not in (DENIED, FAILED, USAGE):
                raise
            click.echo(f"{refused.what} {refused.todo}")
            return False
        self._decided.add(item.number)
        click.echo(f"{item.number}: {word}")
        return True

    def _move(self, step: int) -> None:
        """Go to the next item that is not decided, in a circle."""
        for _ in self._items:
            self._at = (self._at + step) % len(self._items)
            if self._items[self._at].number not in self._decided:
                return


def _keys_of(item: pb.ReviewItem) -> str:
    return _KEYS_OF_ACCESS if item.HasField("access") else _KEYS

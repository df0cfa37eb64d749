"""What a bundle alone says about a question: which names are known, what the tool may ask, which columns there are.

Everything here is kept in the bundle's memo under names of the bundle only, and at most
`MOST_CELLS` cells of it, so that strings which callers make up cost no memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from munjigi.decision import reasons
from munjigi.decision.cells import Cell, candidates
from munjigi.policy.signin import SessionLimit
from munjigi.policy.types import (
    ANY,
    CLASS_PREFIX,
    DATA_ACTIONS,
    OWN_ACTIONS,
    OWN_DATABASE,
    OWN_RESOURCES,
    PolicyBundle,
    Purpose,
    Tool,
)

MOST_CELLS: Final = 131_072
_MOST_FRAMES: Final = 16_384
MEMO_KEY: Final = "decision"
ACTIONS: Final = frozenset((*DATA_ACTIONS, *OWN_ACTIONS))
_OWN_PREFIX: Final = OWN_DATABASE + "."


class Sheet:
    """The columns of one resource as a holder of one role sees them, for one action and purpose."""

    __slots__ = ("_ground", "cells", "guarded", "requires", "role", "session")

    def __init__(self, ground: Ground, role: str, requires: tuple[str, ...], session: SessionLimit | None) -> None:
        self._ground = ground
        self.role = role
        self.requires = requires
        self.session = session
        self.guarded = bool(requires or session)
        self.cells: dict[str, Cell] = {}

    def cell(self, name: str) -> Cell | None:
        """Return the cell of a field; None when the resource has no such field."""
        cell = self.cells.get(name)
        if cell is None:
            ground = self._ground
            target = ground.targets.get(name)
            if target is None:
                return None
            found = candidates(ground.bundle, self.role, name, target, ground.action, ground.purpose)
            cell = Cell(ground.bundle, name, target, found)
            if ground.memory.may_keep(1):
                self.cells[name] = cell
        return cell


class Ground:
    """One known resource for one known action and purpose. `whole` has no columns: a class, or Munjigi's own."""

    __slots__ = ("action", "bundle", "columns", "member_data", "memory", "purpose", "sheets", "targets", "whole")

    def __init__(self, bundle: PolicyBundle, memory: Memory, resource: str, action: str, purpose: str) -> None:
        self.bundle = bundle
        self.memory = memory
        self.action = action
        self.purpose = purpose
        table = bundle.catalog.tables.get(resource)
        self.whole = table is None
        self.columns: tuple[str, ...] = (resource,) if table is None else table.columns
        names = {resource: resource} if table is None else {column: f"{resource}.{column}" for column in table.columns}
        self.targets: Mapping[str, str] = {name: target for name, target in names.items() if target in bundle.objects}
        self.member_data = not resource.startswith(_OWN_PREFIX)
        self.sheets: dict[str, Sheet] = {}

    def sheet(self, role: str) -> Sheet:
        """Return the sheet of a role; empty of rules when no policy knows the role."""
        sheet = self.sheets.get(role)
        if sheet is None:
            known = self.bundle.roles.get(role)
            sheet = Sheet(self, role, known.requires if known else (), known.session if known else None)
            if role in self.bundle.closure and self.memory.may_keep(1):
                self.sheets[role] = sheet
        return sheet


class Frame:
    """A ground as one tool may ask about it. `reason` is empty, or why nobody gets an ALLOW; then `ground` may be None."""

    __slots__ = (
        "action_known",
        "case_required",
        "ground",
        "help",
        "matches_case",
        "max_subjects",
        "member_data",
        "purpose",
        "reason",
        "refusals",
        "tool",
    )

    def __init__(
        self, reason: str, ground: Ground | None, purpose: Purpose | None, tool: Tool | None, *, action_known: bool
    ) -> None:
        self.reason = reason
        self.ground = ground
        self.purpose = purpose
        self.tool = tool
        self.action_known = action_known
        # What is said to everyone alike: help by reason, and whole refusals of known fields but for the grant revision.
        self.help: dict[str, str] = {}
        self.refusals: dict[tuple[str, tuple[str, ...]], tuple[Any, ...]] = {}
        # What `decide` looks at each time, at one step.
        self.case_required = purpose is None or purpose.case_required
        self.matches_case: Callable[[str], bool] = purpose.matches_case if purpose else _never
        self.member_data = ground is None or ground.member_data
        most = tool.max_subjects if tool else 0
        self.max_subjects: float = most if self.member_data and most > 0 else math.inf


def _never(_: str) -> bool:
    return False


class Memory:
    """The memo of one bundle. Threads may share it: at worst something is found twice."""

    __slots__ = ("_bundle", "_cells", "allowing", "asks_sign_in", "frames", "grounds", "help")

    def __init__(self, bundle: PolicyBundle) -> None:
        self._bundle = bundle
        self.asks_sign_in = bool(bundle.catalog.sign_in or any(role.session for role in bundle.roles.values()))
        self._cells = 0
        self.frames: dict[tuple[str, str, str, str], Frame] = {}
        self.grounds: dict[tuple[str, str, str], Ground] = {}
        self.help: dict[tuple[str, str, str, str, str, tuple[str, ...]], str] = {}
        self.allowing: dict[tuple[str, str, str, frozenset[str]], tuple[str, ...]] = {}

    @classmethod
    def of(cls, bundle: PolicyBundle) -> Memory:
        """Return the memory that lives in the bundle's memo."""
        memory = bundle.memo.get(MEMO_KEY)
        if not isinstance(memory, Memory):
            memory = bundle.memo.setdefault(MEMO_KEY, Memory(bundle))
            assert isinstance(memory, Memory)
        return memory

    def may_keep(self, cells: int) -> bool:
        """Count cells to be kept. When there are too many, everything is let go and found again as asked for."""
        self._cells += cells
        if self._cells > MOST_CELLS:
            self._cells = 0
            self.frames.clear()
            self.grounds.clear()
            self.help.clear()
            self.allowing.clear()
            return False
        return True

    def ground(self, resource: str, action: str, purpose: str) -> Ground | None:
        """Return the ground of known names; None when the resource is not known. Action and purpose must be known."""
        key = (resource, action, purpose)
        ground = self.grounds.get(key)
        if ground is None:
            bundle = self._bundle
            if resource not in bundle.catalog.tables and not _is_whole(bundle, resource):
                return None
            ground = Ground(bundle, self, resource, action, purpose)
            if self.may_keep(len(ground.targets)):
                self.grounds[key] = ground
        return ground

    def frame(self, tool: str, resource: str, action: str, purpose: str) -> Frame:
        """Return the frame of a question, whatever its strings are. All resources that are not known share one."""
        known = resource in self._bundle.catalog.tables or _is_whole(self._bundle, resource)
        key = (tool, resource if known else "", action, purpose)
        frame = self.frames.get(key)
        if frame is not None:
            return frame
        frame = self._new_frame(*key)
        if frame.tool and frame.purpose and frame.action_known and len(self.frames) < _MOST_FRAMES:
            self.frames[key] = frame
        return frame

    def _new_frame(self, tool: str, resource: str, action: str, purpose: str) -> Frame:
        bundle = self._bundle
        asking = bundle.tools.get(tool)
        why = bundle.purposes.get(purpose)
        action_known = action in ACTIONS
        ground = self.ground(resource, action, purpose) if why and action_known else None
        if asking is None:
            reason = reasons.TOOL_UNKNOWN
        elif not action_known:
            reason = reasons.ACTION_UNKNOWN
        elif why is None:
            reason = reasons.PURPOSE_UNKNOWN
        elif ground is None:
            reason = reasons.RESOURCE_UNKNOWN
        elif action not in actions_on(resource):
            reason = reasons.ACTION_UNKNOWN
        elif asking.purposes.isdisjoint((purpose, ANY)):
            reason = reasons.TOOL_PURPOSE_NOT_ALLOWED
        elif asking.actions.isdisjoint((action, ANY)):
            reason = reasons.TOOL_ACTION_NOT_ALLOWED
        else:
            reason = ""
        return Frame(reason, ground, why, asking, action_known=action_known)


def forget(bundle: PolicyBundle) -> None:
    """Take a bundle's memo apart: it refers to itself, and a collector that skips what was loaded would keep it for ever."""
    memory = bundle.memo.pop(MEMO_KEY, None)
    if isinstance(memory, Memory):
        frames, grounds = list(memory.frames.values()), list(memory.grounds.values())
        memory.frames.clear()
        memory.grounds.clear()
        for ground in (*grounds, *(frame.ground for frame in frames if frame.ground)):
            ground.sheets.clear()


def actions_on(resource: str) -> tuple[str, ...]:
    """Return the actions that there are on a known resource or a target: Munjigi's own are not those of data."""
    return OWN_ACTIONS if resource.startswith(_OWN_PREFIX) else DATA_ACTIONS


def _is_whole(bundle: PolicyBundle, resource: str) -> bool:
    if resource.startswith(CLASS_PREFIX):
        return resource in bundle.objects
    return resource in OWN_RESOURCES and resource in bundle.objects


def resource_columns(bundle: PolicyBundle, resource: str) -> tuple[str, ...] | None:
    """Return the columns of a known resource (none for a class or Munjigi's own); None when it is not known."""
    table = bundle.catalog.tables.get(resource)
    if table is not None:
        return table.columns
    return () if _is_whole(bundle, resource) else None

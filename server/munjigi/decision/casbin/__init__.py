"""Evaluate plain Casbin programs, with Casbin's semantics and without its walk through every rule."""

from munjigi.decision.casbin.engine import Context, Engine

__all__ = ["Context", "Engine"]

"""Read any Casbin model and policy into an immutable program. Nothing of the text is ever interpreted as Python."""

from munjigi.policy.casbin.load import load
from munjigi.policy.casbin.program import Program

__all__ = ["Program", "load"]

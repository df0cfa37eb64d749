"""What classes want of the sign-in, read out of catalog.toml and written down a second time, as plainly as the documents state it."""

from __future__ import annotations

import math
import tomllib

from munjigi.kernel.identity import SignIn
from munjigi.policy.types import PolicyBundle


class SignInOpinion:
    """The classes of one bundle that ask for something."""

    def __init__(self, bundle: PolicyBundle, links: set[tuple[str, str]]) -> None:
        """Take the policy's `g2` links as somebody else has read them."""
        classes = tomllib.loads(bundle.files["catalog.toml"].decode()).get("classes", {})
        self._wanted = {f"class:{name}": about["sign_in"] for name, about in classes.items() if "sign_in" in about}
        self._links = links

    def step_up(self, obj: str, sign_in: SignIn, now: int) -> bool:
        """Tell whether a class of `obj` wants another sign-in: a level, or one not so long ago (a minute ahead passes)."""
        age = (now - sign_in.authenticated_at) / 1e9 if sign_in.authenticated_at else math.inf
        for name, wanted in self._wanted.items():
            if obj == name or (obj, name) in self._links:
                if sign_in.acr not in wanted.get("acr", [sign_in.acr]):
                    return True
                if "max_age_seconds" in wanted and not -60 <= age < wanted["max_age_seconds"]:
                    return True
        return False

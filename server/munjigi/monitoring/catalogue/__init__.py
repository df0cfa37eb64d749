"""Every metric that Munjigi exports, by family: registration, docs/metrics.md and the tests come from here."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from munjigi.monitoring.catalogue import decisions, journal, notices, policy, reviews, rights, service, sessions, trail
from munjigi.monitoring.catalogue.decisions import *
from munjigi.monitoring.catalogue.journal import *
from munjigi.monitoring.catalogue.notices import *
from munjigi.monitoring.catalogue.policy import *
from munjigi.monitoring.catalogue.reviews import *
from munjigi.monitoring.catalogue.rights import *
from munjigi.monitoring.catalogue.service import *
from munjigi.monitoring.catalogue.sessions import *
from munjigi.monitoring.catalogue.trail import *
from munjigi.monitoring.metric import Metric

FAMILIES: Final = (decisions, sessions, rights, reviews, policy, journal, trail, notices, service)


def metrics_of(family: ModuleType) -> tuple[Metric, ...]:
    """Return the metrics of a family, in their order."""
    return tuple(value for value in vars(family).values() if isinstance(value, Metric))


CATALOGUE: Final = tuple(metric for family in FAMILIES for metric in metrics_of(family))

"""What deploy/prometheus ships, as its generator reads it."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from running import ROOT

FOLDER = ROOT / "deploy" / "prometheus"
PAGE = (ROOT / "docs" / "alerts.md").read_text("utf-8")


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("deploy_prometheus_generate", FOLDER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


GENERATOR = _generator()
ALERTS = GENERATOR.alerts(PAGE)

from __future__ import annotations

import pytest
from click.testing import CliRunner

from xraybatch import Metric, TaskKind
from xraybatch.cli.compare import command
from xraybatch.core.errors import PluginError
from xraybatch.extension.registry import PluginRow, Registry


def test_two_metrics_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = Metric("dice", "Dice.", "labels", (TaskKind.BINARY,), True, lambda *_: 1.0)
    rows = [PluginRow(f"{who}:m", "ok", "", 0.0, {"metric": [metric]}) for who in ("a", "b")]
    monkeypatch.setattr("xraybatch.reports.scoring.registry", lambda: Registry(rows))
    with pytest.raises(PluginError, match="'dice' is registered by 'a:m' and 'b:m'"):
        CliRunner().invoke(command, ["one.csv", "other.csv"], catch_exceptions=False)

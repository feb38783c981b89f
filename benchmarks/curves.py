"""Losses of cross-validated runs by epoch, as a picture: a colour a run, a line a fold.

    python benchmarks/curves.py docs/curves-chest.png runs/chest-cnn runs/chest-narrow

The dots are the epochs whose weights were kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

import altair as alt
import pandas as pd

from xraybatch.reports.plots import save_png, styled

_TITLES = {"loss": "training films", "val_loss": "validation films"}


def main(picture: str, *runs: str) -> None:
    """Draw `runs` into `picture`."""
    rows = [row for run in runs for row in _rows(Path(run))]
    panels = [_panel(pd.DataFrame(rows), column) for column in _TITLES]
    save_png(styled(alt.hconcat(*panels).resolve_scale(y="shared")), Path(picture), scale=1.5)


def _rows(run: Path) -> list[dict[str, object]]:
    found = []
    for history in sorted(run.glob("folds/*/history.csv")):
        table = pd.read_csv(history)
        table["fold"] = f"{run.name} {history.parent.name}"
        table["network"] = run.name
        found += table.to_dict("records")
    return found


def _panel(rows: pd.DataFrame, column: str) -> alt.LayerChart:
    base = alt.Chart(rows[["epoch", "kept", "fold", "network", column]]).encode(
        x=alt.X("epoch:Q", title="epoch"),
        # a few first epochs of a network that begins far off would flatten all others
        y=alt.Y(f"{column}:Q", title="loss", scale=alt.Scale(domain=(0, 0.8), clamp=True)),
        color=alt.Color("network:N", title=None),
        detail="fold:N",
    )
    lines = base.mark_line(strokeWidth=1.2, opacity=0.8)
    dots = base.transform_filter("datum.kept == 1").mark_point(filled=True, size=45)
    return (lines + dots).properties(width=300, height=220, title=_TITLES[column])


if __name__ == "__main__":
    main(*sys.argv[1:])

"""How often intervals hold the truth: a sample here, every cell of the tables with `make soak`."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.conformal import fit_levels
from xraybatch.models.calibration import within

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "coverage.py"
BY_ROW = {"auc": ["by row", "by row, logit"], "share": ["by row"]}


def load():
    spec = importlib.util.spec_from_file_location("coverage_bench", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # for its dataclasses
    spec.loader.exec_module(module)
    return module


bench = load()
Cell, CONFORMAL = bench.Cell, bench.CONFORMAL


def misses_too_often(tally):
    """By more than four standard errors: the seeds are few, and the band is for two thousand."""
    made = tally.held + tally.above + tally.below
    return tally.coverage < 0.935 - 4 * (0.935 * 0.065 / made) ** 0.5


@pytest.mark.parametrize("cell", [Cell("auc", 100, 0.9), Cell("share", 100, 0.8)])
def test_by_patient_intervals_hold_and_by_row_they_do_not(cell):
    found = bench.simulate(cell, 800, 0)
    naive = [found.pop(name) for name in BY_ROW[cell.kind]]
    (ours,) = found.values()
    assert not misses_too_often(ours)
    assert all(tally.coverage < ours.coverage - 0.03 for tally in naive)
    assert ours.none == 0


@pytest.mark.parametrize(
    ("cell", "replicates"), [(Cell("grades", 100), 400), (Cell("binary", 100, 0.9, True), 80)]
)
def test_resampled_numbers_hold_too(cell, replicates):
    found = bench.simulate(cell, replicates, 150)
    told = {name: tally.coverage for name, tally in found.items() if misses_too_often(tally)}
    assert not told


@pytest.mark.parametrize(("kind", "level"), [("binary", 0.75), ("binary", 0.97), ("grades", 0.0)])
def test_the_integrals_are_the_values_of_a_huge_table(kind, level):
    truth, make = bench.WORLDS[kind](Cell(kind, 60_000, level))
    found = make(np.random.default_rng(0), Sampling(0.95, 2, 0))
    for name, value in truth.items():
        assert found[name].value == pytest.approx(value, rel=0.03, abs=0.02), name


def test_a_simulation_goes_on_where_it_stopped(tmp_path):
    def run(*arguments):
        command = [sys.executable, str(BENCHMARK), str(tmp_path), "--only", "share", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    table = run("--replicates", "3")
    files = sorted(tmp_path.iterdir())
    assert [file.suffix for file in files] == [".json"] * 6
    assert table.count("\n| 0.97 |") == 3
    first, second = (file.stat().st_mtime_ns for file in files[:2])
    was = files[0].read_bytes()
    files[0].unlink()
    assert run("--replicates", "3") == table
    assert files[0].read_bytes() == was, "the seeds of a cell are its own"
    assert files[0].stat().st_mtime_ns > first
    assert files[1].stat().st_mtime_ns == second
    run("--replicates", "4")
    told = json.loads(files[1].read_text())
    assert sum(told["numbers"]["by row"][k] for k in ("held", "above", "below", "none")) == 4


# ── conformal sets ─────────────────────────────────────────────────────────────────────────────


def test_new_patients_are_covered_as_stated_and_pooled_rows_would_not():
    found = bench.conformal(Cell(CONFORMAL, 50, 0.9), 300)
    for score in bench.SCORES:
        assert 0.9 - 2.5 * found[score].error < found[score].coverage < 0.925
        assert found[f"{score} by row"].coverage < found[score].coverage - 0.01


def covered_by_class(replicates, count, seed):
    """Mean coverage of new patients' films of each class, with a level for each."""
    rng = np.random.default_rng(seed)
    y_new, p_new, patient_new = bench.hospital(rng, 4000)
    weight = 1 / np.bincount(patient_new)[patient_new]
    found = []
    for _ in range(replicates):
        y, p, patient = bench.hospital(rng, count)
        levels = fit_levels(y, p, patient, bench.CLASSES, coverage=0.9, by_class=True)
        inside = within(p_new, "lac", [level.level for level in levels])
        hit = inside[np.arange(len(y_new)), y_new]
        found.append([np.average(hit[y_new == k], weights=weight[y_new == k]) for k in range(3)])
    return np.mean(found, axis=0)


def test_each_class_is_covered_as_stated():
    by_class = covered_by_class(150, 120, seed=1)
    assert (by_class > 0.885).all()
    assert (by_class < 0.94).all()


@pytest.mark.soak
@pytest.mark.parametrize("count", [60, 200])
def test_coverage_of_each_class_over_many_tables(count):
    assert (covered_by_class(1000, count, seed=3) > 0.893).all()


# ── every cell ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.soak
@pytest.mark.parametrize("cell", bench.CELLS, ids=[cell.name for cell in bench.CELLS])
def test_every_cell(cell):
    """The tables of docs/metrics.md, which say where an interval is too short."""
    found = bench.simulate(cell, 2000, 500)
    told = {name: round(100 * kept.coverage, 1) for name, kept in found.items()}
    if cell.kind == CONFORMAL:
        for score in bench.SCORES:
            low = 0.9 - 2 * found[score].error
            assert low < found[score].coverage < 0.9 + 1 / (cell.patients + 1) + 0.01, told
            assert found[f"{score} by row"].coverage < 0.87, told
        return
    naive = [found.pop(name) for name in BY_ROW.get(cell.kind, [])]
    if not cell.mixed:  # with mixed labels a patient's films compare among themselves
        assert all(tally.coverage < 0.92 for tally in naive), told
    for name, tally in found.items():
        if cell.patients >= bench.FROM:
            assert tally.keeps, (name, told)
        else:
            assert tally.coverage > 0.87, (name, told)

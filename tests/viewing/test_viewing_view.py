"""A film as it is shown: its answer, and a heat map that lies where the film is bright."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from rich.console import Console

from xraybatch.cli.show import command
from xraybatch.core.errors import InputError, ModelError, UsageError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.images.resize import fit
from xraybatch.images.rule import DecodingRule
from xraybatch.images.unfit import unfit
from xraybatch.models.model import load_model
from xraybatch.models.session import Session
from xraybatch.reports.film import picture, with_heat
from xraybatch.reports.film_console import print_view, small_picture
from xraybatch.reports.plots import save_png
from xraybatch.viewing.heatmap import ACTIVATION, OCCLUSION, HeatMap, heat_map, log_odds
from xraybatch.viewing.occlusion import covered, occlusion_map, patches
from xraybatch.viewing.view import LONGEST, view_film

SHAPES = [(90, 200), (200, 90), (160, 120)]


def peak(values: np.ndarray) -> tuple[float, float]:
    """Middle of the highest places, as shares of rows and columns."""
    y, x = np.nonzero(values >= np.nanmax(values) - 1e-6)
    return (y.mean() + 0.5) / values.shape[0], (x.mean() + 0.5) / values.shape[1]


# ── the way back ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("shape", [(90, 200), (200, 90), (64, 48), (500, 500)])
def test_what_was_fitted_comes_back_to_its_place(resize: str, shape: tuple[int, int]) -> None:
    rule = DecodingRule(64, 48, resize)
    film = np.zeros(shape, np.uint8)
    rows, columns = shape
    square = (
        slice(int(rows * 0.55), int(rows * 0.65)),
        slice(int(columns * 0.4), int(columns * 0.5)),
    )
    film[square] = 255
    back = unfit(fit(film, rule).astype(np.float32), rule, shape)
    assert back.shape == shape
    assert back.dtype == np.float32
    y, x = peak(back)
    assert (y, x) == pytest.approx((0.6, 0.45), abs=0.025)
    half = unfit(fit(film, rule).astype(np.float32), rule, (rows * 2, columns * 2))
    assert peak(half) == pytest.approx((0.6, 0.45), abs=0.025)


def test_what_the_rule_cuts_off_is_not_known() -> None:
    back = unfit(np.ones((8, 6), np.float32), DecodingRule(64, 48, "crop"), (64, 100))
    assert np.isnan(back[:, :26]).all()
    assert np.isnan(back[:, 74:]).all()
    assert (back[:, 26:74] == 1).all()
    for resize in ("stretch", "pad"):
        back = unfit(np.ones((8, 6), np.float32), DecodingRule(64, 48, resize), (64, 100))
        assert (back == 1).all()


def test_borders_that_the_rule_added_are_no_part_of_the_film() -> None:
    rule = DecodingRule(64, 48, "pad")
    values = np.ones((64, 48), np.float32)
    values[fit(np.full((20, 100), 9, np.uint8), rule) == 9] = 0
    assert unfit(values, rule, (20, 100)).max() == 0


# ── occlusion ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shape", [(8, 8), (9, 64), (64, 48), (150, 150)])
def test_patches_reach_every_place(shape: tuple[int, int]) -> None:
    times = np.zeros(shape)
    for place in patches(*shape):
        times[place] += 1
    assert times.min() >= 1


def test_a_patch_takes_the_grey_of_its_surroundings() -> None:
    film = np.full((30, 30), 100, np.uint8)
    film[10:20, 10:20] = 255
    found = covered(film, (slice(10, 20), slice(10, 20)))
    assert (found == 100).all()
    assert film.max() == 255, "the film itself is left alone"


def test_an_evidence_of_one_place_is_found_there() -> None:
    film = np.full((60, 40), 80, np.uint8)
    film[40:46, 8:14] = 240
    asked = []

    def evidence(films: np.ndarray) -> np.ndarray:
        asked.append(len(films))
        return films[:, 40:46, 8:14].mean(axis=(1, 2)).astype(float)

    found = occlusion_map(film, evidence, batch=7)
    y, x = np.unravel_index(found.argmax(), found.shape)
    assert 40 <= y < 46
    assert 8 <= x < 14
    assert max(asked) <= 7
    assert sum(asked) == len(patches(60, 40)) + 1


def test_odds_know_what_a_float32_probability_has_lost() -> None:
    task = Task("label", TaskKind.BINARY, ("a", "b"), "b")
    sure = log_odds(np.array([[1e-9, 1.0], [1e-12, 1.0], [1.0, 0.0]], np.float32), task, 1)
    assert sure[1] - sure[0] == pytest.approx(np.log(1000), rel=1e-4)
    assert np.isfinite(sure).all()
    many = Task("f", TaskKind.MULTILABEL, ("a", "b"))
    assert log_odds(np.array([[0.5, 0.75]], np.float32), many, 1) == pytest.approx([np.log(3)])


def test_a_film_without_any_sensitive_place_says_so(spot_model: Callable[..., Path]) -> None:
    model = load_model(spot_model("plain", cam=True))
    session = Session(model, device="cpu")
    flat = np.full((64, 48), 77, np.uint8)
    found = heat_map(flat, session, model.card.tasks[0].task, "spot")
    assert not found.values.any()
    assert "No place matters more" in found.sentence


def test_a_map_that_points_beside_is_told() -> None:
    values = np.eye(8, dtype=np.float32)
    beside = HeatMap("label", "spot", ACTIVATION, values, 0.98, 0.97)
    assert "from 0.980 to 0.970, which is little: --by occlusion looks closer" in beside.sentence
    right = HeatMap("label", "spot", ACTIVATION, values, 0.98, 0.2)
    assert "looks closer" not in right.sentence


# ── a film and a model ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cam", [True, False], ids=["activation", "occlusion"])
@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_map_lies_on_the_bright_square_of_the_upright_film(
    spot_model: Callable[..., Path],
    write_spot: Callable[..., Path],
    cam: bool,
    resize: str,
    shape: tuple[int, int],
    orientation: int,
) -> None:
    middle = 0.35, 0.6
    path = write_spot(*shape, middle, orientation, 0.3)
    model = load_model(spot_model(f"{resize}{cam}", cam=cam, resize=resize))
    view = view_film(path, model, heatmap=True, device="cpu")
    assert view.heat is not None
    assert view.heat.method == (ACTIVATION if cam else OCCLUSION)
    assert view.heat_pixels is not None
    rows, columns = view.pixels.shape
    assert view.heat_pixels.shape == view.pixels.shape
    assert max(rows, columns) == LONGEST
    assert rows / columns == pytest.approx(shape[0] / shape[1], rel=0.01)
    # of the film itself
    y, x = np.nonzero(view.pixels > 200)
    assert (y.mean() / rows, x.mean() / columns) == pytest.approx(middle, abs=0.02)
    # of the map: its highest place lies in the square
    y, x = np.unravel_index(np.nanargmax(view.heat_pixels), view.pixels.shape)
    assert view.pixels[y, x] > 200


@pytest.mark.parametrize("cam", [True, False], ids=["activation", "occlusion"])
def test_without_its_brightest_place_the_answer_is_another(
    spot_model: Callable[..., Path], write_spot: Callable[..., Path], cam: bool
) -> None:
    path = write_spot(64, 48, (0.7, 0.4), 1, 0.15)
    view = view_film(path, load_model(spot_model(f"checked{cam}", cam=cam)), heatmap=True)
    assert view.heat is not None
    assert view.heat.before == pytest.approx(float(view.answers[0].probabilities[1]), abs=1e-6)
    assert view.heat.before > view.heat.after + 0.4


def test_the_way_can_be_chosen(
    spot_model: Callable[..., Path], write_spot: Callable[..., Path]
) -> None:
    path, with_maps = write_spot(64, 48, (0.5, 0.5)), load_model(spot_model("maps", cam=True))
    view = view_film(path, with_maps, heatmap=True, method=OCCLUSION)
    assert view.heat is not None
    assert view.heat.method == OCCLUSION
    with pytest.raises(ModelError, match="no activation map"):
        view_film(path, load_model(spot_model("plain")), heatmap=True, method=ACTIVATION)


def test_answers_are_those_of_the_session(
    spot_model: Callable[..., Path], write_spot: Callable[..., Path]
) -> None:
    model = load_model(spot_model("plain"))
    bright = view_film(write_spot(64, 48, (0.5, 0.5), 1, 0.5), model, device="cpu")
    assert bright.answers[0].found == ("spot",)
    assert bright.heat is None
    dark = view_film(write_spot(64, 48, (0.5, 0.5), 1, 0.0), model, device="cpu")
    assert dark.answers[0].found == ("clear",)
    film = fit(np.full((64, 48), 60, np.uint8), model.card.rule)
    expected = Session(model, device="cpu").predict(film[None])["label"][0]
    assert dark.answers[0].probabilities == pytest.approx(expected, abs=1e-3)


def test_what_cannot_be_shown(
    spot_model: Callable[..., Path], write_spot: Callable[..., Path], tmp_path: Path
) -> None:
    model = load_model(spot_model("plain"))
    path = write_spot(64, 48, (0.5, 0.5))
    with pytest.raises(UsageError, match="no class 'spott'"):
        view_film(path, model, heatmap=True, of_class="spott")
    with pytest.raises(UsageError, match="no task 'view'"):
        view_film(path, model, heatmap=True, task="view")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nno more")
    with pytest.raises(InputError, match="is not shown: "):
        view_film(broken, model)
    with pytest.raises(InputError, match="unreadable"):
        view_film(tmp_path / "nowhere.png", model)


# ── the command, the picture, the terminal ─────────────────────────────────────────────────────


def show(*words: Any) -> Any:
    return CliRunner().invoke(command, [str(word) for word in words])


def test_the_command_writes_a_picture_and_says_the_answer(
    spot_model: Callable[..., Path], write_spot: Callable[..., Path], tmp_path: Path
) -> None:
    film, out = write_spot(90, 200, (0.4, 0.5)), tmp_path / "shown.png"
    words = film, "--model", spot_model("plain"), "--heatmap", "--out", out, "--device", "cpu"
    done = show(*words)
    assert done.exit_code == 0, done.exception
    assert "label: " in done.stdout
    assert "JPEG, 200×90 pixels, 8 bits" in done.stdout
    assert "explains no disease" in " ".join(done.stdout.split())
    with Image.open(out) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB")).astype(int)
    reddish = (pixels[..., 0] - pixels[..., 2] > 60).any(axis=0)
    assert reddish.any(), "no heat in the picture"
    assert isinstance(show(*words).exception, InputError)
    assert show(*words, "--overwrite").exit_code == 0
    asked = show(*words, "--overwrite", "--class", "clear")
    assert "'clear'" in asked.stdout


def test_a_wrong_wish_is_wrong_usage(spot_model: Callable[..., Path], tmp_path: Path) -> None:
    assert isinstance(show("a.png", "--class", "spot").exception, UsageError)
    assert isinstance(show("a.png", "--by", "occlusion").exception, UsageError)
    assert isinstance(show("a.png", "--out", "a.jpg").exception, UsageError)
    changed = bytearray(spot_model("plain").read_bytes())
    changed[30] ^= 1
    (tmp_path / "m.onnx").write_bytes(changed)
    assert isinstance(show("a.png", "--model", tmp_path / "m.onnx").exception, ModelError)


def test_colours_of_the_map_and_of_what_was_not_seen(
    spot_model: Callable[..., Path], write_spot: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_spot(90, 200, (0.5, 0.5))
    view = view_film(path, load_model(spot_model("cropping", resize="crop")), heatmap=True)
    coloured = with_heat(view)
    assert any("does not see" in sentence for sentence in view.sentences)
    assert coloured[300 // 2, 5].tolist() == [21, 21, 21]  # 0.35 of the film's grey 60
    y, x = np.unravel_index(np.nanargmax(view.heat_pixels), view.pixels.shape)
    red, _, blue = coloured[y, x].tolist()
    assert red > blue + 60
    plain = view_film(path, load_model(spot_model("plain")))
    assert (with_heat(plain)[..., 0] == plain.pixels).all()
    save_png(picture(plain), tmp_path / "plain.png")


def test_a_terminal_with_colours_gets_a_small_film(
    spot_model: Callable[..., Path], write_spot: Callable[..., Path]
) -> None:
    view = view_film(write_spot(90, 200, (0.5, 0.5)), load_model(spot_model("plain")))
    for colours, is_there in (("truecolor", True), (None, False)):
        console = Console(
            width=80, force_terminal=True, color_system=colours, _environ={}, legacy_windows=False
        )
        with console.capture() as captured:
            print_view(view, console)
        assert ("▀" in captured.get()) is is_there
        assert "▸" in captured.get()
    lines = small_picture(with_heat(view)).plain.splitlines()
    assert {len(line) for line in lines} == {40}
    assert len(lines) == 9  # 40 × 90 / 200, two places a cell


def test_hostile_names_are_text(spot_model: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "[red]\x1b[31mx.png"
    Image.fromarray(np.full((64, 48), 60, np.uint8)).save(path)
    view = view_film(path, load_model(spot_model("plain")))
    console = Console(width=80, color_system=None, force_terminal=True)
    with console.capture() as captured:
        print_view(view, console)
    assert "[red]" in captured.get()
    assert "\x1b[31m" not in captured.get()

"""Films for the gallery: decoded by the one decoder, only from the folder that was named."""

from __future__ import annotations

import io
import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xraybatch.core.errors import InputError
from xraybatch.core.tasks import TaskRequest
from xraybatch.evaluation.mistakes import Mistake
from xraybatch.images.decode import decode_path
from xraybatch.images.rule import DecodingRule
from xraybatch.reports.given import Given
from xraybatch.reports.mistakes import (
    WrongFilm,
    gallery_of,
    place_of,
    thumbnail_rule,
    with_films,
)

RULE = DecodingRule(48, 64, "pad")


def wrong(*paths):
    return [WrongFilm(Mistake(p, "", "label", "a", "b", 0.9, 0.1)) for p in paths]


def pixels(jpeg):
    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image).astype(int)


def test_films_are_those_of_the_one_decoder(grey_films):
    films = with_films(wrong("a/film1.png", "b b/film0.png", "a/film1.png"), grey_films, RULE)
    for film in films:
        decoded = decode_path(grey_films / film.mistake.path, RULE).pixels
        assert film.status == "ok"
        assert pixels(film.jpeg).shape == decoded.shape
        assert np.abs(pixels(film.jpeg) - decoded).mean() < 4
    assert films[0].jpeg == films[2].jpeg != films[1].jpeg


def test_a_film_that_fails_is_a_row_with_its_status(grey_films, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "good.png").write_bytes((grey_films / "a" / "film1.png").read_bytes())
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:200])
    (folder / "empty.png").write_bytes(b"")
    (tmp_path / "secret.png").write_bytes((folder / "good.png").read_bytes())
    paths = ("cut.png", "good.png", "gone.png", "empty.png", "../secret.png")
    found = with_films(wrong(*paths), folder, RULE)
    assert [f.mistake.path for f in found] == list(paths)
    assert [f.status for f in found] == ["truncated", "ok", "unreadable", "empty", "unreadable"]
    assert [bool(f.jpeg) for f in found] == [False, True, False, False, False]
    assert all(f.sentence for f in found if f.status != "ok")


def test_no_path_leads_out_of_the_folder(tmp_path):
    root = tmp_path / "films"
    root.mkdir()
    inside = os.path.realpath(root / "a.png")
    for key in ("a.png", "./a.png", "x/../a.png", "file:a%2Epng", str(root / "a.png")):
        assert place_of(key, root) == inside
    for key in ("../a.png", "x/../../a.png", "/etc/passwd", "file:..%2Fa.png", f"{root}x/a", "a\0"):
        assert place_of(key, root) is None
    assert place_of("file:%E9.png", root) == os.path.join(os.path.realpath(root), "\udce9.png")


def test_a_folder_without_any_of_the_films_is_an_error(tmp_path):
    with pytest.raises(InputError, match="None of the wrongly classified films"):
        with_films(wrong("a.png"), tmp_path, RULE)
    assert with_films([], tmp_path, RULE) == ()


def test_the_rule_is_the_runs_own_made_small():
    rule, (said,) = thumbnail_rule({"rule": DecodingRule(224, 160, "crop").to_dict()})
    assert rule == DecodingRule(224, 160, "crop")
    assert "224×160, crop" in said
    rule, (said,) = thumbnail_rule({"rule": DecodingRule(1024, 512, "stretch").to_dict()})
    assert rule == DecodingRule(320, 160, "stretch")
    assert "shown at 320×160" in said
    rule, (said,) = thumbnail_rule({})
    assert "not known" in said


@pytest.fixture
def tables(grey_films):
    paths = sorted(str(p.relative_to(grey_films)) for p in grey_films.rglob("*.png"))
    truth = ["b" if i % 2 else "a" for i in range(40)]
    p = [round((i % 10) / 10 + 0.05, 2) for i in range(40)]
    results = pd.DataFrame(
        {
            "path": paths,
            "status": "ok",
            "label": ["b" if q >= 0.5 else "a" for q in p],
            "prob.a": [str(round(1 - q, 2)) for q in p],
            "prob.b": [str(q) for q in p],
        }
    )
    labels = pd.DataFrame({"path": paths, "label": truth})
    return Given(results, "results"), Given(labels, "labels")


def asked(most=200):
    return {"requests": [TaskRequest("label")], "positive": "b", "most": most}


def test_the_worst_of_a_table_with_their_films(tables, grey_films):
    found = gallery_of(*tables, root=grey_films, **asked(5))
    table = tables[0].table
    is_wrong = table["label"] != tables[1].table["label"]
    assert found.wrong == {"label": int(is_wrong.sum())}
    assert len(found.films) == 5
    assert found.pictured
    assert all(film.jpeg for film in found.films)
    highest = np.maximum(table["prob.a"].astype(float), table["prob.b"].astype(float))
    assert [f.mistake.probability for f in found.films] == sorted(highest[is_wrong])[::-1][:5]


def test_a_list_without_films_opens_none(tables):
    found = gallery_of(*tables, root=None, **asked())
    assert not found.pictured
    assert {(f.jpeg, f.status) for f in found.films} == {(b"", "")}
    assert len(found.films) == found.wrong["label"]


def test_a_folder_that_is_none_is_said(tables, tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        gallery_of(*tables, root=tmp_path / "nothing", **asked())

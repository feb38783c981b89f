"""The page in a real browser, opened from disk: it draws, moves, filters, and asks for nothing."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from xraybatch.core.tasks import TaskKind
from xraybatch.evaluation.mistakes import Mistake
from xraybatch.reports.mistakes import Gallery, WrongFilm
from xraybatch.reports.page import to_page

pytestmark = pytest.mark.browser
HOSTILE = "<script>alert(1)</script>"


def drawn(page):
    page.wait_for_selector("html[data-drawn]", timeout=60_000)
    return page


@pytest.fixture(scope="module")
def binary(make_report):
    return make_report()


@pytest.fixture(scope="module")
def three(make_report):
    return make_report(("normal", "osteopenia", "osteoporosis"), TaskKind.MULTICLASS, 300)


def jpeg(level):
    content = io.BytesIO()
    Image.fromarray(np.full((24, 16), level, np.uint8)).save(content, "JPEG")
    return content.getvalue()


def gallery(count, pictured=True):
    """Wrong answers of two kinds; the first is the surest."""
    films = []
    for i in range(count):
        truth, predicted = ("normal", "fractured") if i % 3 else ("fractured", "normal")
        mistake = Mistake(f"ward/film{i:05}.png", "", "label", truth, predicted,
                          1 - i / (2 * count), i / (2 * count))  # fmt: skip
        films.append(WrongFilm(mistake, jpeg(i % 200) if pictured else b"", "ok"))
    return Gallery(tuple(films), {"label": count}, pictured)


def slide(page, at, name="t0-explorer"):
    page.locator(f"#{name}-at").evaluate(
        "(slider, at) => { slider.value = at; slider.dispatchEvent(new Event('input')); }", at
    )


def shown_numbers(page):
    cells = page.locator(".explorer tbody td b").all_inner_texts()
    counts = [int(cell.replace(",", "")) for cell in cells]
    found = page.locator("[data-number]").evaluate_all(
        "all => Object.fromEntries(all.map(e => [e.dataset.number, e.textContent]))"
    )
    return counts, found


def expected(counts, at):
    """The same from the report's counts, by hand."""
    tp, fp, t = counts.true_positives[at], counts.false_positives[at], counts.thresholds[at]
    fn, tn = counts.positives - tp, counts.negatives - fp
    n = counts.positives + counts.negatives

    def share(part, whole):
        return part / whole if whole else None

    numbers = {
        "sensitivity": share(tp, tp + fn),
        "specificity": share(tn, tn + fp),
        "ppv": share(tp, tp + fp),
        "npv": share(tn, tn + fn),
        "net_benefit": tp / n - fp / n * t / (1 - t) if t < 1 else None,
    }
    return [tp, fn, fp, tn], numbers


def same(texts, numbers):
    for name, number in numbers.items():
        if number is None:
            assert texts[name] == "–", name
        else:
            assert float(texts[name].replace("−", "-")) == pytest.approx(number, abs=5.1e-4), name


def operating(page, chart):
    """Where the operating point is drawn on a chart, within its axes from 0 to 1."""
    return page.locator(f"#{chart} .role-mark path[stroke='var(--ink)']").evaluate_all(
        """all => all.map(mark => {
          const root = mark.closest('svg').querySelector('.root .background');
          const frame = root.getBoundingClientRect();
          const box = mark.getBoundingClientRect();
          return [(box.x + box.width / 2 - frame.x) / frame.width,
                  1 - (box.y + box.height / 2 - frame.y) / frame.height];
        })"""
    )


def test_the_slider_shows_the_counts_of_its_threshold(show, binary):
    page = drawn(show(to_page(binary)))
    counts = binary.tasks[0].explorer[0]
    for at in (500, 0, 137, 731, 1000):
        slide(page, at)
        shown, texts = shown_numbers(page)
        cells, numbers = expected(counts, at)
        assert shown == cells
        same(texts, numbers)
        assert page.locator("[data-threshold]").inner_text() == f"{counts.thresholds[at]:.3f}"
        ((x, y),) = operating(page, "t0-0")
        assert x == pytest.approx(1 - numbers["specificity"], abs=0.01)
        assert y == pytest.approx(numbers["sensitivity"], abs=0.01)
        on_precision = operating(page, "t0-1")
        if numbers["ppv"] is None:
            assert on_precision == []
        else:
            assert on_precision == [
                pytest.approx((numbers["sensitivity"], numbers["ppv"]), abs=0.01)
            ]


def test_the_slider_moves_by_keys(show, binary):
    page = drawn(show(to_page(binary)))
    page.locator("#t0-explorer-at").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("[data-threshold]").inner_text() == "0.501"
    assert shown_numbers(page)[0] == expected(binary.tasks[0].explorer[0], 501)[0]


def test_of_several_classes_one_is_chosen(show, three):
    page = drawn(show(to_page(three)))
    slide(page, 300)
    page.locator("#t0-explorer-class").select_option(label="osteoporosis")
    shown, texts = shown_numbers(page)
    cells, numbers = expected(three.tasks[0].explorer[2], 300)
    assert shown == cells
    same(texts, numbers)
    assert page.locator(".explorer [data-class]").inner_text() == "osteoporosis"
    lines = page.locator(".chart .role-mark line[stroke='var(--ink)']")
    assert lines.count() == 3  # one on its decision curve, two on its scores; none on the others'


def test_of_many_classes_the_chosen_one_is_unfolded(show, make_report):
    classes = tuple(f"grade {i}" for i in range(5))
    page = drawn(show(to_page(make_report(classes, TaskKind.ORDINAL, 200))))
    folded = page.locator("details.of-class")
    assert folded.evaluate_all("all => all.map(one => one.open)") == [True] + [False] * 4
    page.locator("#t0-explorer-class").select_option(label="grade 3")
    opened = [True, False, False, True, False]
    assert folded.evaluate_all("all => all.map(one => one.open)") == opened
    assert folded.nth(3).locator("svg").first.is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert folded.evaluate_all("all => all.every(one => one.open)")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert folded.evaluate_all("all => all.map(one => one.open)") == opened


def test_every_chart_is_drawn_and_has_its_table(show, three):
    page = drawn(show(to_page(three)))
    figures = page.locator("figure")
    assert figures.count() == 3 + 3 * 3
    assert page.locator("figure svg[aria-label], figure svg [aria-label]").count() >= 12
    for i in range(figures.count()):
        assert figures.nth(i).locator("svg path").count() > 3
        figures.nth(i).locator("summary").click()
        assert figures.nth(i).locator("details td").first.is_visible()


def test_filters_and_orders_of_the_gallery(show, binary):
    page = show(to_page(binary, gallery(120)))
    cards = page.locator("#gallery-films .film")
    assert cards.count() == 48
    assert cards.first.locator("i").inner_text() == "1.000"
    box = cards.first.locator("img")
    assert box.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [16, 24]
    page.locator("select[name=truth]").select_option(label="fractured")
    assert page.locator("#gallery-controls output").inner_text() == "40 films"
    assert cards.count() == 40
    assert set(cards.locator(".truth").all_inner_texts()) == {"truth: fractured"}
    assert set(cards.locator(".answer b").all_inner_texts()) == {"model: normal"}
    page.locator("select[name=order]").select_option("unsure")
    shown = [float(text) for text in cards.locator("i").all_inner_texts()]
    assert shown == sorted(shown)
    page.locator("select[name=predicted]").select_option(label="fractured")
    assert cards.count() == 0
    page.locator("select[name=truth]").select_option(label="any")
    assert page.locator("#gallery-controls output").inner_text() == "80 films"


def test_the_gallery_by_keys_alone(show, binary):
    page = show(to_page(binary, gallery(120)))
    cards, view = page.locator("#gallery-films .film"), page.locator("#gallery-view")
    cards.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    place = int(page.evaluate("document.activeElement.dataset.place"))
    assert place > 1
    page.keyboard.press("Enter")
    assert view.is_visible()
    assert f"ward/film{place:05}.png" in view.inner_text()
    page.keyboard.press("ArrowLeft")
    assert f"ward/film{place - 1:05}.png" in view.inner_text()
    page.keyboard.press("Escape")
    assert not view.is_visible()
    # the browser tells of a closed dialog in a task of its own, the page gives the focus there;
    # waited for from outside, because the page lets no text be evaluated
    from playwright.sync_api import expect

    expect(page.locator(f"[data-place='{place - 1}']:focus")).to_have_count(1)
    page.keyboard.press("End")  # on another page of the gallery
    expect(page.locator("[data-place='119']:focus")).to_have_count(1)
    assert page.locator("#gallery-pages output").inner_text() == "97–120"
    assert page.locator("#gallery-films button[tabindex='0']").count() == 1


def test_five_thousand_films_stay_usable(show, binary):
    page = show(to_page(binary, gallery(5000)))
    cards = page.locator("#gallery-films .film")
    assert cards.count() == 48  # never more than a page of them is in the document
    page.locator("select[name=truth]").select_option(label="fractured")
    assert page.locator("#gallery-controls output").inner_text() == "1,667 films"
    page.locator("#gallery-pages button").last.click()
    assert page.locator("#gallery-pages output").inner_text() == "49–96"
    cards.first.focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert "1,667 of 1,667" in page.locator("#gallery-view").inner_text()
    assert "ward/film04998.png" in page.locator("#gallery-view").inner_text()


def test_a_list_without_films(show, binary):
    page = show(to_page(binary, gallery(150, pictured=False)))
    assert page.locator("#gallery-films .film").count() == 100
    assert page.locator("#gallery-films img").count() == 0
    page.locator("#gallery-films .film").nth(2).click()
    assert not page.locator("#gallery-view img").is_visible()
    assert "ward/film00002.png" in page.locator("#gallery-view").inner_text()


def test_a_hostile_name_is_text(show, make_report):
    report = make_report(("normal", HOSTILE), TaskKind.MULTICLASS, 120)
    mistake = Mistake(f"{HOSTILE}.png", "", "label", HOSTILE, "normal", 0.9, 0.1)
    wrong = Gallery((WrongFilm(mistake, b"", "corrupt", HOSTILE),), {"label": 1}, True)
    page = drawn(show(to_page(replace(report, sentences=(HOSTILE,)), wrong)))
    page.locator("#t0-explorer-class").select_option(label=HOSTILE)
    assert page.locator(".explorer [data-class]").inner_text() == HOSTILE
    assert HOSTILE in page.locator("#t0-0 svg").text_content()  # the legend
    page.locator("#gallery-films .film").first.click()
    assert HOSTILE in page.locator("#gallery-view").inner_text()
    assert page.locator("script:not([type])").count() == 0


def test_the_policy_stops_what_a_page_could_ask_for(browser, binary, tmp_path):
    file = tmp_path / "score.html"
    late = "<img src='http://127.0.0.1:9/x.png'><script>document.title = 'taken'</script></body>"
    before, _, after = to_page(binary).rpartition("</body>")
    file.write_text(before + late + after, encoding="utf-8")
    page = browser.new_page()
    refused = "violates the following Content Security Policy directive"
    with (
        page.expect_console_message(lambda m: refused in m.text and '"img-src data:"' in m.text),
        page.expect_console_message(lambda m: refused in m.text and "script-src " in m.text),
    ):
        page.goto(file.as_uri())
    drawn(page)
    assert page.title() == "Score"
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_dark_and_phone_are_legible(show, binary, scheme):
    page = drawn(
        show(to_page(binary, gallery(10)), color_scheme=scheme,
             viewport={"width": 390, "height": 800})
    )  # fmt: skip
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for of in (".families", ".square"):  # nothing of the main numbers is out of view
        box = page.locator(of).first
        assert box.evaluate("box => box.scrollWidth - box.clientWidth") == 0, of
    cells = page.locator(".numbers tbody tr").first.locator("td:not(.whisker)")
    value, interval = (cells.nth(i).bounding_box() for i in (0, 1))
    assert interval["y"] >= value["y"] + value["height"] - 1
    colours = page.evaluate(
        """() => {
          const ground = getComputedStyle(document.body).backgroundColor;
          const legend = document.querySelector('.role-legend-label text');
          return [ground, getComputedStyle(document.body).color, getComputedStyle(legend).fill];
        }"""
    )
    ground, ink, of_chart = (sum(map(int, c[4:-1].split(","))) for c in colours)
    assert abs(ground - ink) > 450  # of 765
    assert of_chart == ink
    assert (ground < ink) == (scheme == "dark")


def test_print_shows_everything_on_white(show, binary, tmp_path):
    page = drawn(show(to_page(binary, gallery(10)), color_scheme="dark"))
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".slider input").is_visible()
    assert page.locator("[data-threshold]").is_visible()
    assert page.locator("figure svg").first.is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def heated(count):
    """A gallery whose films have heat maps, but for the last."""
    content = io.BytesIO()
    picture = Image.new("RGBA", (8, 12), (255, 0, 0, 128))
    picture.save(content, "PNG")
    found = gallery(count)
    *films, last = found.films
    said = "covering the reddest place takes 'x' from 0.9 to 0.2"
    films = [replace(film, heat=content.getvalue(), heat_sentence=said) for film in films]
    return replace(found, films=(*films, last))


def test_heat_maps_are_shown_on_request(show, binary):
    page = show(to_page(binary, heated(60)))
    heat = page.locator("#gallery-films .heat")
    button = page.locator("#gallery-controls .toggle")
    assert heat.count() == 48
    assert not heat.first.is_visible()
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    assert heat.first.is_visible()
    assert button.get_attribute("aria-pressed") == "true"
    film = page.locator("#gallery-films .shown img:first-child").first
    assert heat.first.bounding_box() == film.bounding_box()
    assert heat.first.evaluate("image => image.naturalWidth") == 8
    page.locator("#gallery-pages button").last.click()
    assert page.locator("#gallery-films .film").count() == 12
    assert heat.count() == 11
    assert heat.first.is_visible(), "the choice holds for the next page of films"
    page.keyboard.press("h")
    assert not heat.first.is_visible()
    page.locator("select[name=order]").focus()
    page.keyboard.press("h")
    assert not heat.first.is_visible(), "a key in a list of choices chooses there"


def test_heat_maps_by_keys_in_the_large_view(show, binary):
    page = show(to_page(binary, heated(10)))
    page.locator("#gallery-films .film").first.click()
    view = page.locator("#gallery-view")
    assert "covering the reddest place" in view.inner_text()
    assert not view.locator(".heat").is_visible()
    page.keyboard.press("H")
    assert view.locator(".heat").is_visible()
    assert view.locator(".heat").bounding_box() == view.locator("img").first.bounding_box()
    assert view.locator(".toggle").get_attribute("aria-pressed") == "true"
    view.locator(".toggle").click()
    assert not view.locator(".heat").is_visible()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    assert not view.is_visible()


def test_without_heat_maps_there_is_no_button(show, binary):
    page = show(to_page(binary, gallery(5)))
    assert page.locator(".toggle").count() == 0
    page.keyboard.press("h")
    assert page.locator(".heated").count() == 0

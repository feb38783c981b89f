"""A whole run in a folder: a network taught, its model file, its score, its card."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from xraybatch.core.files import write_text
from xraybatch.core.progress import Progress
from xraybatch.evaluation.report import Report
from xraybatch.models.card import Card
from xraybatch.models.model import load_model, with_card
from xraybatch.models.runs import MODEL_FILE
from xraybatch.training import artefacts
from xraybatch.training.card_of_run import scores_for_card
from xraybatch.training.claims import for_card, with_claims, write_claims
from xraybatch.training.config import write_config
from xraybatch.training.data_source import as_typed
from xraybatch.training.held_back import CHOSEN_ON, HELD_BACK, judged_part, score_part
from xraybatch.training.leak import leak_claims
from xraybatch.training.learn import Workshop, learn
from xraybatch.training.model_file import Trained, write_model_file
from xraybatch.training.part_names import TEST
from xraybatch.training.prepare import Prepared
from xraybatch.training.preview import PREVIEW, write_preview
from xraybatch.training.say_parts import say_parts
from xraybatch.training.settings import Settings
from xraybatch.training.tries import TryLine, choose, write_tries

CONFIG = "config.toml"


@dataclass(frozen=True)
class Made:
    """What lies in a run's folder.

    Attributes
    ----------
    card : Card
    report : Report or None
        Scores of the held-back part, else of the validation part; None where there is neither.
    tries : tuple of TryLine
    """

    card: Card
    report: Report | None
    tries: tuple[TryLine, ...] = ()


def make_run(
    shop: Workshop,
    prepared: Prepared,
    settings: Settings,
    folder: Path,
    name: str,
    state: Path,
    *,
    judged: bool = True,
) -> Made:
    """Fill a run's folder.

    Parameters
    ----------
    shop : Workshop
    prepared : Prepared
    settings : Settings
    folder : Path
    name : str
        Of the model.
    state : Path
        Folder of where training stands; what lies there is gone on with.
    judged : bool
        Whether the held-back or the validation films are scored.
    """
    progress = shop.progress
    say_parts(prepared, progress)
    artefacts.write_split(folder, prepared)
    artefacts.write_calibration(folder, prepared, shop.options.seed)
    chosen = choose(shop, prepared, settings, state)
    options, settings = chosen.options, chosen.settings
    shop = replace(shop, options=options)
    if chosen.lines:
        write_tries(folder, chosen.lines)
    learned = learn(shop, prepared, settings, chosen.state)
    write_preview(folder / "plots" / PREVIEW, prepared, settings, options.seed)
    artefacts.write_history(folder, learned.taught.history)
    weights = learned.weights
    loaded = options.weights if weights.loaded == weights.asked else weights.loaded
    asked = as_typed(options, shop.typed or options)
    write_text(folder / CONFIG, write_config(asked, settings, loaded))

    assembly = learned.assembly
    made = Trained(assembly.inference, assembly.outputs, asked, settings, weights, chosen.how)
    card = write_model_file(made, prepared, shop.architecture, folder, name, progress)
    report = _judge(folder, prepared, progress) if judged else None
    if report is not None:
        frozen = learned.frozen
        del learned, assembly, made  # the check trains another network
        claims = leak_claims(shop, prepared, settings, report, chosen.state, frozen=frozen)
        report = with_claims(report, claims)
        write_claims(folder, claims)
        artefacts.write_scores(folder, report)
        told = HELD_BACK if judged_part(prepared) == TEST else CHOSEN_ON
        card = replace(card, scores=for_card(scores_for_card(report, told), claims))
        recard(folder, card)
    artefacts.write_card_texts(folder, card)
    return Made(card, report, chosen.lines)


def recard(folder: Path, card: Card) -> None:
    """Give the model file of a run another card."""
    model = load_model(folder / MODEL_FILE)
    with_card(model, card, model.path)


def _judge(folder: Path, prepared: Prepared, progress: Progress) -> Report | None:
    """Score the held-back part with the finished file."""
    part = judged_part(prepared)
    if not part:
        return None
    model = load_model(folder / MODEL_FILE)
    name = "predictions-test.csv" if part == TEST else "predictions-validation.csv"
    return score_part(model, prepared, part, folder / name, progress)

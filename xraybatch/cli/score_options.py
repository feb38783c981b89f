"""Options of ``xraybatch score`` alone: what is asked, pictures, the capsule."""

from __future__ import annotations

from pathlib import Path

import click

from xraybatch.cli import completion
from xraybatch.cli.options import together
from xraybatch.cli.outputs import OutputPath

_A_PATH = click.Path(path_type=Path)

# what is put together, cut apart and compared
asked_options = together(
    click.option(
        "--by",
        type=click.Choice(["film", "study", "patient"]),
        default="film",
        show_default=True,
        help="Put the films of a study (a patient) together to one answer, and score these.",
    ),
    click.option(
        "--aggregate",
        type=click.Choice(["mean", "max", "vote", "noisy-or"]),
        default="mean",
        show_default=True,
        help="How, with --by: the mean of the probabilities, the highest of the positive class, "
        "the answer of most films, or one less the product of the probabilities of being negative.",
    ),
    click.option(
        "--by-column",
        metavar="COLUMN",
        help="Column of the study (patient) in either table.  [default: study (patient); without "
        "one, the folders of MURA]",
    ),
    click.option(
        "--save-aggregated",
        "aggregated",
        type=OutputPath(),
        metavar="FILE",
        help="Write what --by put together: the unit, n_films, its answers (CSV).",
    ),
    click.option(
        "--threshold",
        "thresholds",
        multiple=True,
        metavar="RULE",
        help="Numbers at a threshold of its own: youden, f1, cost=5:1, 'sensitivity>=0.95', "
        "'specificity>=0.9', or a number. Repeatable.  [default with --threshold-from: youden]",
    ),
    click.option(
        "--threshold-from",
        type=_A_PATH,
        metavar="VAL.csv",
        help="Results on other films, which --threshold chooses on; without it, on the scored "
        "films themselves, which is optimistic and said so.",
    ),
    click.option(
        "--threshold-labels",
        type=_A_PATH,
        metavar="FILE",
        help="Labels of these films.  [default: LABELS]",
    ),
    click.option(
        "--prevalence",
        type=float,
        metavar="SHARE",
        help="PPV and NPV also where the positive class is as common as this, for example 0.05.",
    ),
    click.option(
        "--slice",
        "slices",
        multiple=True,
        metavar="COLUMN",
        help="Main numbers for each value of a column of either table (a site, a sex, a tag.*), "
        "the worst first, each tested against all other films; `region` needs no column where "
        "films lie in the folders of MURA. Repeatable.",
    ),
    click.option(
        "--min-slice",
        default=20,
        show_default=True,
        type=click.IntRange(min=1),
        help="Films that a slice needs to be shown.",
    ),
    click.option(
        "--reader",
        "readers",
        multiple=True,
        metavar="COLUMN",
        help="A column of LABELS with a reader's answers: everybody's agreement with everybody. "
        "Repeatable.",
    ),
)

# films and pictures of the page
picture_options = together(
    click.option(
        "--images",
        type=_A_PATH,
        metavar="FOLDER",
        help="Show the films of the worst mistakes in the .html report; FOLDER is the one that was "
        "predicted. The page then holds films of patients.",
    ),
    click.option(
        "--no-images",
        is_flag=True,
        help="List the worst mistakes in the .html report by their paths, without films.",
    ),
    click.option(
        "--max-images",
        default=200,
        show_default=True,
        type=click.IntRange(min=1),
        help="Mistakes to show at most, shared by the tasks.",
    ),
    click.option(
        "--heatmap",
        is_flag=True,
        help="With --images: where the model looked for each of these answers, by a button of the "
        "page. Quick where the model gives maps; else one place after the other is covered, some "
        "400 answers a film, which take a processor a second to a minute.",
    ),
    click.option(
        "-m",
        "--model",
        type=_A_PATH,
        shell_complete=completion.models,
        help="Model file or run folder that predicted RESULTS, for --heatmap.  [default: found by "
        "the run record's seal beside RESULTS, here, and in ./runs]",
    ),
    click.option(
        "--plots",
        type=OutputPath(),
        metavar="FOLDER",
        help="Write every picture of the report as PNG and SVG into FOLDER.",
    ),
)

# what a reviewer gets
capsule_options = together(
    click.option(
        "--capsule",
        type=OutputPath(),
        metavar="FILE.zip",
        help="Pack results, labels, card, run record and report for a reviewer, without films; of "
        "results in a run folder its split.csv, too. `xraybatch score FILE.zip` gives the same "
        "numbers anywhere, or says which file was changed.",
    ),
    click.option(
        "--hash-names",
        type=OutputPath(),
        metavar="KEYFILE",
        help="In the capsule, keyed hashes instead of paths, patients and studies, and no split. "
        "KEYFILE is made where it is not there; keep it, and do not give it away.",
    ),
)

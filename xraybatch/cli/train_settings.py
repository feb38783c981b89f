"""Options of ``xraybatch train`` that say how the network learns."""

from __future__ import annotations

import click

from xraybatch.cli import completion
from xraybatch.cli.options import together

FROM_PLUGIN = "  [default: the plugin's]"

settings_options = together(
    click.option("--epochs", type=int, help=f"Times through the training films.{FROM_PLUGIN}"),
    click.option("--batch-size", type=int, help=f"Films a training step.{FROM_PLUGIN}"),
    click.option(
        "--optimizer",
        metavar="NAME",
        shell_complete=completion.words("adam", "adamw", "rmsprop", "sgd"),
        help=f"Any of Keras', like adam or sgd.{FROM_PLUGIN}",
    ),
    click.option("--learning-rate", type=float, help=f"Of the optimizer.{FROM_PLUGIN}"),
    click.option("--weight-decay", type=float, help=f"Of the optimizer.{FROM_PLUGIN}"),
    click.option(
        "--patience",
        type=int,
        help=f"Stop after so many epochs without a better validation loss.{FROM_PLUGIN}",
    ),
    click.option(
        "--schedule",
        metavar="constant|cosine",
        shell_complete=completion.words("constant", "cosine"),
        help=f"Course of the learning rate.{FROM_PLUGIN}",
    ),
    click.option(
        "--monitor",
        metavar="loss|accuracy|balanced-accuracy|macro-auc|kappa",
        shell_complete=completion.words(
            "loss", "accuracy", "balanced-accuracy", "macro-auc", "kappa"
        ),
        help=f"What the best epoch is chosen by, on the validation films.{FROM_PLUGIN}",
    ),
    click.option(
        "--keep",
        metavar="best|last",
        shell_complete=completion.words("best", "last"),
        help="Weights of the best epoch, or of the last: then --patience stops nothing."
        f"{FROM_PLUGIN}",
    ),
    click.option(
        "--imbalance",
        metavar="class-weights|oversample|focal|none",
        shell_complete=completion.words("class-weights", "oversample", "focal", "none"),
        help="Rare classes weigh more, are shown more often, or what is hard counts more (focal "
        f"loss).{FROM_PLUGIN}",
    ),
    click.option(
        "--augment",
        metavar="none|mild|strong|scale-rotate",
        shell_complete=completion.words("none", "mild", "strong", "scale-rotate"),
        help="Turn, shift, scale and dim training films a little; never upside down.  "
        "[default: the plugin's]",
    ),
    click.option("--flip", is_flag=True, help="Also mirror them; not where left and right matter."),
    click.option(
        "--views",
        type=int,
        default=1,
        show_default=True,
        metavar="N",
        help="Of each film for a frozen backbone: itself, and N - 1 augmented ones.",
    ),
    click.option("--dropout", type=float, help=f"Before each head.{FROM_PLUGIN}"),
    click.option(
        "--label-smoothing",
        type=float,
        default=0.0,
        show_default=True,
        help="Share of each target that is spread over all classes.",
    ),
    click.option(
        "--fine-tune",
        type=int,
        metavar="N",
        help=f"Last layers of a pretrained backbone that train too; 0: none.{FROM_PLUGIN}",
    ),
    click.option(
        "--weights",
        default="auto",
        show_default=True,
        metavar="auto|imagenet|none|PATH",
        shell_complete=completion.words("auto", "imagenet", "none", or_path=True),
        help="auto: ImageNet where they can be had. PATH: a Keras weights file.",
    ),
)

"""Train the demonstration model: ``python -m xraybatch_samples.make model``.

It is what the base installation predicts with on its first day, so it must be small. It goes
through the code that every model goes through, which makes it say that its films were synthetic.
"""

import shutil
import tempfile
from importlib.resources import as_file
from pathlib import Path

from xraybatch_samples import model_file

__all__ = ["LARGEST", "WORST", "make_model"]

LARGEST = 1_000_000  # bytes
WORST = 0.85  # accuracy on the held-back films


def make_model(target: Path | None = None) -> float:
    """Train ``narrow`` on the sample films and put its model file into the package.

    Parameters
    ----------
    target
        Where the file goes, if not into the package.

    Returns
    -------
    float
        Its accuracy on the held-back films.

    Raises
    ------
    RuntimeError
        If the model is too large or too bad to be shown; the target is left as it was.
    """
    from xraybatch.training.options import TrainOptions
    from xraybatch.training.train import train

    with tempfile.TemporaryDirectory() as folder, as_file(model_file()) as place:
        small = ("width=8",)
        run = train(TrainOptions("narrow", option=small, out=Path(folder) / "demo", no_cache=True))
        assert run.report is not None, "the default is to hold films back"
        assert run.model is not None
        accuracy = run.report.tasks[0].estimates["accuracy"].value or 0.0
        size = run.model.stat().st_size
        if size > LARGEST or accuracy < WORST:
            raise RuntimeError(f"{size:,} bytes with accuracy {accuracy:.2f} is not good enough")
        shutil.copyfile(run.model, target or place)
    return accuracy

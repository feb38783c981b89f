"""Looking into a plugin's network: inputs, outputs, the last layer, weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xraybatch.extension.records import BuildOptions, Network
from xraybatch.testing.contract import Broken
from xraybatch.testing.films import TASKS
from xraybatch.training.backend import load_keras
from xraybatch.training.heads import head_for
from xraybatch.training.network import FEATURES, INPUT, Assembly, assemble, flat
from xraybatch.training.settings import Settings

MAPS = "maps"
_ANSWERS = ("softmax", "sigmoid")
_STORED = 1e-3  # by which logits of stored features may differ, relative to their size


def build_options(settings: Settings, weights: str | None) -> BuildOptions:
    """What `build` is handed for these settings."""
    return BuildOptions(settings.rule.height, settings.rule.width, weights, settings.values)


def check_is_network(network: object) -> None:
    """Raise `Broken` unless `build` returned a `Network` of Keras models."""
    keras = load_keras()
    if not isinstance(network, Network):
        raise Broken(f"build returned a {type(network).__name__}, not a Network.")
    if not isinstance(network.neck, keras.Model):
        raise Broken(f"The neck is a {type(network.neck).__name__}, not a Keras model.")
    if network.backbone is not None and not isinstance(network.backbone, keras.Model):
        raise Broken(f"The backbone is a {type(network.backbone).__name__}, not a Keras model.")


def check_parts(network: Network, height: int, width: int) -> None:
    """Raise `Broken` unless inputs and outputs are those that an architecture promises."""
    parts = {"neck": network.neck, "backbone": network.backbone}
    for word, part in parts.items():
        for tensor in part.inputs if part is not None else ():
            shape, dtype = tuple(tensor.shape[1:]), str(tensor.dtype)
            if dtype != "float32":
                raise Broken(f"The {word}'s input '{tensor.name}' is {dtype}, not float32.")
            if word == "neck" and tensor.name == MAPS:
                continue
            if shape not in ((height, width, 1), (height, width, 3)):
                raise Broken(
                    f"The {word}'s input '{tensor.name}' has the shape {shape}; asked for were "
                    f"films of {(height, width, 1)} or {(height, width, 3)}."
                )
    names = sorted(tensor.name for tensor in network.neck.inputs)
    allowed = [[INPUT], [MAPS], [INPUT, MAPS]] if network.backbone is not None else [[INPUT]]
    if names not in allowed:
        raise Broken(
            f"The neck's inputs are called {', '.join(names)}; "
            f"they may be called {' or '.join(' and '.join(some) for some in allowed)}."
        )
    if network.backbone is not None:
        _check_maps(network)
    shape, dtype = network.neck.output_shape, str(getattr(network.neck.output, "dtype", "none"))
    if not isinstance(shape, tuple) or len(shape) != 2 or not shape[1] or dtype != "float32":
        raise Broken(f"The neck ends in {shape}, {dtype}, not in one float32 vector a film.")


def check_no_head(network: Network, films: NDArray[np.uint8]) -> None:
    """Raise `Broken` if the neck ends in what looks like an answer."""
    last = flat(network.neck)[-1]
    activation = getattr(getattr(last, "activation", None), "__name__", "")
    if activation in _ANSWERS or type(last).__name__.lower() in _ANSWERS:
        raise Broken(
            f"The neck ends in a {activation or type(last).__name__.lower()} ('{last.name}'): "
            "leave the head out, xraybatch adds one for each task."
        )
    embedding = _embedding(network, films)
    if not np.isfinite(embedding).all():
        raise Broken("The embedding of a film holds values that are no number, or infinite.")
    sums = embedding.sum(axis=1)
    if embedding.shape[1] > 1 and embedding.min() >= 0 and np.abs(sums - 1).max() < 1e-4:
        raise Broken(
            "Every film's embedding sums to 1, as the answers of a head do: leave the head out."
        )


def check_stored_features(assembly: Assembly, films: NDArray[np.uint8]) -> None:
    """Raise `Broken` unless features, stored and gone on from, give the whole network's logits."""
    whole = assembly.whole.predict_on_batch({INPUT: films})
    given = {FEATURES: assembly.features.predict_on_batch(films)}
    if INPUT in assembly.rest.input:
        given[INPUT] = films
    stored = assembly.rest.predict_on_batch(given)
    for task, logits in whole.items():
        size = max(1.0, float(np.abs(logits).max()))
        worst = float(np.abs(np.asarray(logits) - np.asarray(stored[task])).max())
        if not worst <= _STORED * size:
            raise Broken(f"From stored features the logits of '{task}' are {worst / size:.1e} off.")


def weights_of(*models: Any) -> dict[str, NDArray[np.float32]]:
    """Copies of the weights of models, by position and name."""
    variables = [variable for model in models if model is not None for variable in model.variables]
    return {f"{i} {v.path}": np.array(v.numpy()) for i, v in enumerate(variables)}


def trainable(network: Network) -> dict[str, NDArray[np.float32]]:
    """Copies of what a network can learn."""
    parts = [part for part in (network.backbone, network.neck) if part is not None]
    variables = [variable for part in parts for variable in part.trainable_variables]
    return {f"{i} {v.path}": np.array(v.numpy()) for i, v in enumerate(variables)}


def count(network: Network) -> int:
    """How many weights a network has."""
    parts = [part for part in (network.backbone, network.neck) if part is not None]
    return sum(int(part.count_params()) for part in parts)


def differ(one: dict[str, NDArray[np.float32]], other: dict[str, NDArray[np.float32]]) -> bool:
    """Whether two networks' weights, as `weights_of` copies them, are not the same."""
    return len(one) != len(other) or not all(
        np.array_equal(a, b) for a, b in zip(one.values(), other.values(), strict=True)
    )


def _check_maps(network: Network) -> None:
    backbone, neck = network.backbone, network.neck
    if len(backbone.inputs) != 1 or len(backbone.outputs) != 1:
        raise Broken("The backbone has more than one input or output.")
    given = tuple(backbone.output_shape[1:])
    for tensor in neck.inputs:
        if tensor.name == MAPS and not _fits(tuple(tensor.shape[1:]), given):
            raise Broken(f"The neck wants maps of {tuple(tensor.shape[1:])}; there are {given}.")


def _fits(wanted: tuple[int | None, ...], given: tuple[int | None, ...]) -> bool:
    return len(wanted) == len(given) and all(
        w in (None, g) for w, g in zip(wanted, given, strict=True)
    )


def _embedding(network: Network, films: NDArray[np.uint8]) -> NDArray[np.float32]:
    heads = [head_for(TASKS[0])]
    assembly = assemble(network, heads, height=films.shape[1], width=films.shape[2])
    return np.asarray(assembly.inference.predict_on_batch(films)["embedding"])

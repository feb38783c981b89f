"""The least network there can be, and the same with one fault each."""

from __future__ import annotations

import os

from xraybatch import Architecture, Network, Option, TrainingDefaults


def network(options, *, size=None, ends=None, constant=False, between=None, pretrained=False):
    from keras import Model, layers

    height, width = size or (options.height, options.width)
    films = layers.Input((height, width, 1), name="films")
    x = layers.Rescaling(0.0 if constant else 1 / 64, offset=1.0)(films)
    x = layers.Conv2D(options.values["filters"], 5, strides=4, activation="relu")(x)
    x = x if between is None else between(x)
    maps = layers.Input(x.shape[1:], name="maps")
    end = layers.GlobalAveragePooling2D()(maps)
    neck = Model(maps, end if ends is None else ends(end))
    return Network(neck=neck, backbone=Model(films, x), pretrained=pretrained)


def answering(options):
    from keras import layers

    return network(options, ends=layers.Dense(3, activation="softmax"))


def boasting(options):
    return network(options, pretrained=True)


def blind(options):
    return network(options, constant=True)


def blind_and_normalised(options):
    """Batch normalisation makes something of whatever is left, even of rounding."""
    from keras import layers

    return network(options, constant=True, between=layers.BatchNormalization())


def losing_the_film(options):
    """Fed with next to nothing of the film: a thousandth of what rounding leaves."""
    from keras import layers

    return network(options, between=layers.Rescaling(1e-8, offset=1.0))


def looking_at_neighbours(options):
    from keras import layers, ops

    def less_the_one_before(x):
        return x - ops.roll(x, 1, axis=0)

    return network(options, between=layers.Lambda(less_the_one_before))


def of_one_size(options):
    return network(options, size=(32, 32))


def refusing_other_sizes(options):
    if options.height != options.width:
        raise ValueError("films must be square")
    return network(options)


def always_square(options):
    return network(options, size=(options.height, options.height))


def leaving(options):
    raise SystemExit(7)


def by_chance(options):
    from keras import initializers, layers

    start = initializers.RandomNormal(seed=int.from_bytes(os.urandom(3), "little"))
    return network(options, between=layers.Conv2D(4, 3, kernel_initializer=start))


def without_onnx_form(options):
    import tensorflow as tf
    from keras import layers

    def sorted_by_python(x):
        found = tf.py_function(lambda v: v, [x], tf.float32)
        found.set_shape(x.shape)
        return found

    return network(options, between=layers.Lambda(sorted_by_python))


def another_in_the_file(options):
    """What is exported does not know how many films there are, and computes otherwise then."""
    from keras import layers

    def scaled(x):
        return x if x.shape[0] else 1.02 * x

    return network(options, between=layers.Lambda(scaled))


def architecture(build, **more):
    small = TrainingDefaults(height=32, width=32, epochs=1)
    filters = (Option("filters", int, 6, "Channels."),)
    return Architecture(
        "strange", "For tests.", build, **{"defaults": small, "options": filters} | more
    )


GOOD = architecture(network)
SQUARE = architecture(refusing_other_sizes)
SQUARED = architecture(always_square)
BAD = {
    "ends_in_features_not_in_answers": architecture(answering),
    "says_honestly_whether_it_is_pretrained": architecture(boasting),
    "tells_films_apart, constant": architecture(blind),
    "tells_films_apart, constant and normalised": architecture(blind_and_normalised),
    "tells_films_apart, next to nothing": architecture(losing_the_film),
    "tells_films_apart, of neighbours": architecture(looking_at_neighbours),
    "takes_films_and_gives_one_vector_each": architecture(of_one_size),
    "builds": architecture(leaving),
    "begins_anew_from_a_seed": architecture(by_chance),
    "exports_and_answers_alike, no form": architecture(without_onnx_form),
    "exports_and_answers_alike, another": architecture(another_in_the_file),
}

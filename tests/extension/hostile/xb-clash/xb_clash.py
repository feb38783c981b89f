"""Claims the name of one of our architectures for another network."""

from xraybatch import Architecture, Network, TrainingDefaults, hookimpl


@hookimpl
def register_architectures():
    return [
        Architecture(
            name="narrow",
            summary="Another network.",
            build=build,
            defaults=TrainingDefaults(height=32, width=32, epochs=1),
        )
    ]


def build(options):
    from keras import Model, layers

    films = layers.Input((options.height, options.width, 1), name="films")
    x = layers.Rescaling(1 / 255)(films)
    return Network(neck=Model(films, layers.GlobalAveragePooling2D()(x)))

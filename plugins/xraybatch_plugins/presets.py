"""Five published projects on bone radiographs, each network of theirs a preset.

What their notebooks fix (size, epochs, rate, batch, what stops them) is set here; what they leave
open is xraybatch's own. Their figures are of their own splits, often of films and not of patients.
"""

from __future__ import annotations

from typing import Any

from xraybatch import Preset, hookimpl

_OSTEOPOROSIS: dict[str, Any] = {
    "data_form": "a ZIP, with ZIPs inside or not, of the folders normal, osteopenia, osteoporosis",
    "source": "Wani and Arora, Osteoporosis Knee X-ray Dataset, Mendeley Data, "
    "doi:10.17632/fxjm8fb6mw.2, and copies of it on Kaggle",
    "licence": "reported as CC BY 4.0; look at the source",
}
_FRACTURE: dict[str, Any] = {
    "data_form": "the folders train and test, each with one folder for fractured films and one for "
    "those that are not",
    "source": "Fracture Multi-Region X-ray Data (bmadushanirodrigo), Kaggle",
    "licence": "reported as ODC-By 1.0; look at the source",
    "default_place": "data/fracture",
}
_BONE = "label:multiclass=normal,osteopenia,osteoporosis"
_KNEE: dict[str, Any] = {
    "task": _BONE,
    "batch-size": 32,
    "augment": "mild",
    "imbalance": "class-weights",
}
_OA: dict[str, Any] = {
    "task": _BONE,
    "batch-size": 16,
    "epochs": 20,
    "learning-rate": 1e-4,
    "augment": "mild",
    "imbalance": "oversample",
    "option": "attention=se,cbam",
}
_BROKEN: dict[str, Any] = {
    "task": "label:binary",
    "batch-size": 32,
    "optimizer": "adam",
    "augment": "scale-rotate",
}


@hookimpl
def register_presets() -> list[Preset]:
    """Offer each to ``xraybatch train --preset``."""
    return [
        Preset(
            name="knee-cnn",
            summary="Osteoporosis of the knee, own CNN.",
            architecture="cnn-norm",
            settings={**_KNEE, "epochs": 20, "learning-rate": 1e-3, "image-size": "224"},
            default_place="data/osteoporosis-knee",
            **_OSTEOPOROSIS,
        ),
        Preset(
            name="knee-resnet50",
            summary="Osteoporosis of the knee, ResNet50.",
            architecture="resnet50",
            settings={**_KNEE, "epochs": 15, "learning-rate": 1e-4, "views": 4},
            default_place="data/osteoporosis-knee",
            **_OSTEOPOROSIS,
        ),
        Preset(
            name="osteoporosis-simple",
            summary="Osteoporosis, three convolutions at 150 pixels; 90 and 10 percent.",
            architecture="cnn",
            settings={
                "task": _BONE,
                "epochs": 10,
                "optimizer": "adam",
                "image-size": "150",
                "test-split": 0.1,
            },
            default_place="data/osteoporosis",
            **{
                **_OSTEOPOROSIS,
                "data_form": "the folders normal, osteopenia and osteoporosis, or a ZIP of them",
            },
        ),
        *(
            Preset(
                name=f"oa-{backbone}",
                summary=f"Bone density (called osteoarthritis), {backbone} with SE and CBAM.",
                architecture=backbone,
                settings=_OA | {"image-size": "224"},
                default_place="data/osteoarthritis",
                **{
                    **_OSTEOPOROSIS,
                    "data_form": "the folders normal, osteopenia and osteoporosis, of unequal size",
                },
            )
            for backbone in ("xception", "mobilenet")
        ),
        Preset(
            name="fracture-cnn",
            summary="Fractures, three narrow convolutions.",
            architecture="fracture-cnn",
            settings={**_BROKEN, "epochs": 10, "patience": 5, "image-size": "224"},
            **_FRACTURE,
        ),
        Preset(
            name="fracture-vgg16",
            summary="Fractures, VGG16 with its convolutions frozen.",
            architecture="vgg16",
            settings={**_BROKEN, "epochs": 3, "patience": 3, "views": 2, "option": "dense=256"},
            **_FRACTURE,
        ),
        Preset(
            name="fracture-hybrid",
            summary="Fractures, the convolutions and VGG16 joined.",
            architecture="fracture-hybrid",
            settings={**_BROKEN, "epochs": 10, "patience": 5, "views": 2, "image-size": "224"},
            **_FRACTURE,
        ),
        Preset(
            name="mura-resnet50",
            summary="MURA: abnormal or not, and which of seven regions, at once.",
            architecture="resnet50",
            settings={
                "task": (
                    "abnormality:binary=negative,positive",
                    "region:multiclass=elbow,finger,forearm,hand,humerus,shoulder,wrist",
                ),
                "positive": "positive",
                "batch-size": 32,
                "epochs": 15,
                "learning-rate": 1e-4,
                "augment": "mild",
                "views": 2,
            },
            data_form="the tree MURA-v1.1 with train and valid, its CSV files if there",
            source="Rajpurkar et al., MURA v1.1, Stanford ML Group, on request there",
            licence="Stanford University School of Medicine MURA Dataset Research Use Agreement",
            default_place="data/MURA-v1.1",
        ),
    ]

"""Which backbones there are, how each wants its films, and at what size it was trained."""

from __future__ import annotations

from dataclasses import dataclass

# how a backbone's weights want their films
CAFFE = "caffe"  # blue, green, red; ImageNet's mean colour taken away
SYMMETRIC = "symmetric"  # −1 … 1
TORCH = "torch"  # 0 … 1, then ImageNet's mean and deviation
INSIDE = "inside"  # the backbone does it itself


@dataclass(frozen=True)
class Backbone:
    """One network of ``keras.applications``.

    Attributes
    ----------
    name : str
        What ``--plugin`` takes.
    builder : str
        Its function in ``keras.applications``.
    size : int
        Height and width of the films that its weights were trained on.
    scaling : str
        One of the four above.
    """

    name: str
    builder: str
    size: int
    scaling: str


BACKBONES = (
    Backbone("resnet50", "ResNet50", 224, CAFFE),
    Backbone("resnet101", "ResNet101", 224, CAFFE),
    Backbone("resnet152", "ResNet152", 224, CAFFE),
    Backbone("vgg16", "VGG16", 224, CAFFE),
    Backbone("vgg19", "VGG19", 224, CAFFE),
    Backbone("resnet50-v2", "ResNet50V2", 224, SYMMETRIC),
    Backbone("resnet101-v2", "ResNet101V2", 224, SYMMETRIC),
    Backbone("resnet152-v2", "ResNet152V2", 224, SYMMETRIC),
    Backbone("xception", "Xception", 299, SYMMETRIC),
    Backbone("inception-v3", "InceptionV3", 299, SYMMETRIC),
    Backbone("inception-resnet-v2", "InceptionResNetV2", 299, SYMMETRIC),
    Backbone("mobilenet", "MobileNet", 224, SYMMETRIC),
    Backbone("mobilenet-v2", "MobileNetV2", 224, SYMMETRIC),
    Backbone("nasnet-mobile", "NASNetMobile", 224, SYMMETRIC),
    Backbone("nasnet-large", "NASNetLarge", 331, SYMMETRIC),
    Backbone("densenet121", "DenseNet121", 224, TORCH),
    Backbone("densenet169", "DenseNet169", 224, TORCH),
    Backbone("densenet201", "DenseNet201", 224, TORCH),
    Backbone("mobilenet-v3-small", "MobileNetV3Small", 224, INSIDE),
    Backbone("mobilenet-v3-large", "MobileNetV3Large", 224, INSIDE),
    *(
        Backbone(f"efficientnet-b{n}", f"EfficientNetB{n}", size, INSIDE)
        for n, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600))
    ),
    *(
        Backbone(f"efficientnet-v2-b{n}", f"EfficientNetV2B{n}", size, INSIDE)
        for n, size in enumerate((224, 240, 260, 300))
    ),
    Backbone("efficientnet-v2-s", "EfficientNetV2S", 384, INSIDE),
    Backbone("efficientnet-v2-m", "EfficientNetV2M", 480, INSIDE),
    Backbone("efficientnet-v2-l", "EfficientNetV2L", 480, INSIDE),
    Backbone("convnext-tiny", "ConvNeXtTiny", 224, INSIDE),
    Backbone("convnext-small", "ConvNeXtSmall", 224, INSIDE),
    Backbone("convnext-base", "ConvNeXtBase", 224, INSIDE),
    Backbone("convnext-large", "ConvNeXtLarge", 224, INSIDE),
    Backbone("convnext-xlarge", "ConvNeXtXLarge", 224, INSIDE),
)

"""The real trained models: the sizes that each is run with, and natural inputs for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Draw = Callable[[tuple[int, ...]], Array]


@dataclass(frozen=True)
class Trained:
    """A model of index.json: its file, the symbols to bind, and how to draw each input."""

    file: str
    draw: Mapping[str, Draw]
    dims: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.file.split("/")[0]


_GLYPHS = {
    "H": ("10001", "10001", "10001", "11111", "10001", "10001", "10001"),
    "E": ("11111", "10000", "10000", "11110", "10000", "10000", "11111"),
    "L": ("10000", "10000", "10000", "10000", "10000", "10000", "11111"),
    "O": ("01110", "10001", "10001", "10001", "10001", "10001", "01110"),
}


def picture(height: int, width: int) -> Array:
    """Dark letters on a bright, slowly changing, grainy ground: [3, height, width], 0 to 255."""
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [np.sin(down / 17 + k) * np.cos(across / 23 - k) for k in range(3)]
    scene: Array = 190 + 50 * np.stack(waves)
    unit = max(1, min(height // 12, width // 40))
    left = 2 * unit
    for letter in "HELLO":
        rows = np.array([[int(pixel) for pixel in row] for row in _GLYPHS[letter]], bool)
        ink = np.kron(rows, np.ones((unit, unit), bool))[: height - 3 * unit]
        place = scene[:, 3 * unit : 3 * unit + ink.shape[0], left : left + ink.shape[1]]
        place[:, ink[:, : place.shape[2]]] *= 0.2
        left += 6 * unit
    return np.asarray(np.clip(scene + 8 * normal(scene.shape), 0, 255), np.float32)


def image(mean: float = 0, deviation: float = 1) -> Draw:
    """A picture as [N, C, H, W], minus a mean and divided by a deviation."""

    def draw(shape: tuple[int, ...]) -> Array:
        channels, height, width = shape[1:]
        scene = (picture(height, width)[:channels] - mean) / deviation
        return np.broadcast_to(scene, shape)

    return draw


def image_last(mean: float = 0, deviation: float = 1) -> Draw:
    """A picture as [N, H, W, C], minus a mean and divided by a deviation."""

    def draw(shape: tuple[int, ...]) -> Array:
        n, height, width, channels = shape
        return np.moveaxis(image(mean, deviation)((n, channels, height, width)), 1, -1)

    return draw


def integers(below: int) -> Draw:
    """Numbers from 0 on, all below a limit."""
    return lambda shape: np.random.default_rng(0).integers(0, below, shape)


def normal(shape: tuple[int, ...]) -> Array:
    """Normal random numbers, the same ones each time."""
    return np.random.default_rng(0).standard_normal(shape)


def sound(shape: tuple[int, ...]) -> Array:
    """A rising tone with overtones and some noise, [N, samples, 1]."""
    time = np.arange(shape[1]) / 22050
    tones = [np.sin(2 * np.pi * (220 + 90 * time) * k * time) / k for k in (1, 2, 3)]
    return np.asarray(0.3 * np.sum(tones, axis=0)[:, None] + 0.02 * normal(shape))


TRAINED = (
    Trained("mnist-cnn/model.onnx", {"Input3": image()}),
    Trained("superres-subpixel/model.onnx", {"input": image(0, 255)}, {"batch_size": 1}),
    Trained("squeezenet-fp16/SqueezeNet_fp16.onnx", {"data_0": image(118, 58)}),
    Trained("style-candy/candy.onnx", {"inputImage": image()}, {"inputImage.0": 1}),
    Trained("yolox-nano/yolox_nano.onnx", {"images": image()}),
    Trained("ultraface-rfb320/version-RFB-320.onnx", {"input": image(127, 128)}),
    Trained(
        "yunet-n-dynamic/yunet_n_dynamic.onnx",
        {"input": image()},
        {"batch": 1, "height": 160, "width": 192},
    ),
    Trained(
        "blazeface-back/face_detection_back_256x256_barracuda.onnx",
        {"input:0": image_last(127.5, 127.5)},
    ),
    Trained("deeplabv3-mnv2/deeplab_v3_1_default_1.onnx", {"sub_7": image_last(127.5, 127.5)}),
    Trained("resnet56-cifar10/resnet56.converted.onnx", {"input": image(120, 62)}, {"batch": 2}),
    Trained("mlperf-tiny-resnet8/resnet8.converted.onnx", {"input_1": image()}),
    Trained("yolo-fastest-xl/yolo-fastest-1.1-xl.converted.onnx", {"images": image(0, 255)}),
    Trained(
        "ppocrv3-det/ch_PP-OCRv3_det_infer.onnx",
        {"x": image(118, 58)},
        {
            "p2o.DynamicDimension.0": 1,
            "p2o.DynamicDimension.1": 96,
            "p2o.DynamicDimension.2": 160,
        },
    ),
    Trained(
        "minilm-l6-v2/minilm-l6-v2.f16weights.onnx",
        {
            "input_ids": integers(30000),
            "attention_mask": integers(2),
            "token_type_ids": integers(1),
        },
        {"batch": 2, "seq": 9},
    ),
    Trained("magika-v3.3/model.onnx", {"bytes": integers(257)}, {"bytes.0": 2}),
    Trained("oww-embedding/embedding_model.onnx", {"input_1": normal}, {"input_1.0": 1}),
    Trained(
        "bodypix-mobilenetv1-050/MobileNetV1-x050-stride16.onnx",
        {"input": image_last(127.5, 127.5)},
        {"input.1": 161, "input.2": 129},
    ),
    Trained("go1-policy/go1_policy.onnx", {"obs": normal}),
    Trained(
        "basic-pitch/nmp.onnx",
        {"serving_default_input_2:0": sound},
        {"serving_default_input_2:0.0": 1},
    ),
)

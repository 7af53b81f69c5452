"""The real trained models: the sizes that each is run with, natural inputs, and what must agree.

Inputs are prepared as each model was trained to see them, so that a detector detects something and
a classifier is sure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from tests.models import agreement, detectors, pictures, sounds, texts
from tests.models.agreement import Agree

Array = npt.NDArray[Any]
Feeds = dict[str, Array]
ROOT = Path(__file__).resolve().parents[2]
FACES = ((220, 230, 100), (480, 190, 60), (80, 90, 24))
"""Near, between and far, so that every scale of a detector has one."""
PORTRAIT = (320, 230, 80)
"""One person from the waist up."""


@dataclass(frozen=True)
class Real:
    """A model of index.json: its file, how to feed it, what must agree, and symbols to bind.

    `feed` makes the inputs from the folder of models. `agree` is the judgement on top of the
    numbers: the classes, boxes, notes or places that a user of the model looks at.
    """

    file: str
    feed: Callable[[Path], Feeds]
    agree: Agree = agreement.direction
    dims: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        sizes = "x".join(map(str, self.dims.values()))
        return f"{self.file.split('/')[0]} {sizes}".rstrip()


def _photograph(folder: Path, height: int, width: int) -> Array:
    return pictures.pixels(pictures.photograph(folder), height, width)


def _faces(height: int, width: int) -> Array:
    return pictures.pixels(pictures.faces(*FACES), height, width)


def _stored_tensors(folder: Path) -> tuple[Array, Array]:
    """The input and the output of a reference set."""
    pair = (onnx.load_tensor(folder / f"{part}_0.pb") for part in ("input", "output"))
    first, second = map(numpy_helper.to_array, pair)
    return first, second


def _stored_digit(folder: Path, number: int) -> tuple[Feeds, Feeds]:
    digit, scores = _stored_tensors(folder / "mnist-cnn" / f"test_data_set_{number}")
    return {"Input3": digit}, {"Plus214_Output_0": scores}


def _stored_picture(folder: Path) -> tuple[Feeds, Feeds]:
    small, large = _stored_tensors(folder / "superres-subpixel" / "test_data_set_0")
    return {"input": small}, {"output": large}


def _stored_sentences(folder: Path) -> tuple[Feeds, Feeds]:
    with np.load(folder / "minilm-l6-v2" / "io.npz") as stored:
        pair = dict(stored)
    return pair, {"last_hidden_state": pair.pop("last_hidden_state")}


def _superres(folder: Path) -> Feeds:
    light = pictures.luminance(_photograph(folder, 224, 224))
    return {"input": pictures.channels_first(light)}


def _squeezenet(folder: Path) -> Feeds:
    dog = pictures.photograph(folder).crop((80, 180, 400, 560))
    image = pictures.pixels(dog, 224, 224) - np.array(pictures.IMAGENET_MEAN)
    blue_first = pictures.blue_first(image)
    return {"data_0": pictures.channels_first(blue_first).astype(np.float16)}


def _candy(folder: Path) -> Feeds:
    return {"inputImage": pictures.channels_first(_photograph(folder, 720, 720))}


def _yolox(folder: Path) -> Feeds:
    image = pictures.letterboxed(pictures.photograph(folder), 416)
    return {"images": pictures.channels_first(pictures.blue_first(image))}


def _ultraface(folder: Path) -> Feeds:
    return {"input": pictures.channels_first((_faces(240, 320) - 127) / 128)}


def _yunet(folder: Path, batch: int, height: int, width: int) -> Feeds:
    image = pictures.channels_first(pictures.blue_first(_faces(height, width)))
    mirrored = image[..., ::-1]
    return {"input": np.concatenate([image, mirrored][:batch])}


def _blazeface(folder: Path) -> Feeds:
    square = pictures.faces(*FACES).crop((40, 0, 520, 480))
    return {"input:0": pictures.channels_last(pictures.pixels(square, 256, 256) / 127.5 - 1)}


def _deeplab(folder: Path) -> Feeds:
    return {"sub_7": pictures.channels_last(_photograph(folder, 257, 257) / 127.5 - 1)}


def _thumbnails(folder: Path) -> Array:
    """The dog, the truck, and the dog from further away: [3, 32, 32, 3]."""
    scene = pictures.photograph(folder)
    boxes = ((120, 210, 340, 540), (460, 60, 700, 180), (100, 190, 370, 560))
    return np.stack([pictures.pixels(scene.crop(box), 32, 32) for box in boxes])


def _resnet56(folder: Path, batch: int) -> Feeds:
    images = pictures.normalised(_thumbnails(folder)[:batch])
    return {"input": np.ascontiguousarray(images.transpose(0, 3, 1, 2))}


def _resnet8(folder: Path) -> Feeds:
    return {"input_1": pictures.channels_first(_thumbnails(folder)[0])}


def _yolo_fastest(folder: Path) -> Feeds:
    return {"images": pictures.channels_first(_photograph(folder, 320, 320) / 255)}


def _ppocr(folder: Path, batch: int, height: int, width: int) -> Feeds:
    page = np.asarray(pictures.page(width, height), np.float32)
    image = pictures.channels_first(pictures.normalised(page))
    return {"x": np.concatenate([image, image[:, :, ::-1]][:batch])}


def _sentences(folder: Path, batch: int, seq: int) -> Feeds:
    text = (ROOT / "LICENSE").read_text("utf-8")
    vocabulary = folder / "minilm-l6-v2" / "vocab.txt"
    parts = [text[4000 * i : 4000 * i + 4 * seq - 40 * i] for i in range(batch)]
    ids = np.stack([texts.tokens(part, vocabulary, seq) for part in parts])
    return {
        "input_ids": ids,
        "attention_mask": (ids != 0).astype(np.int64),
        "token_type_ids": np.zeros_like(ids),
    }


def _magika(folder: Path, batch: int) -> Feeds:
    files = (ROOT / "LICENSE", folder / "inputs" / "dog.jpg", ROOT / "Makefile")
    return {"bytes": np.stack([texts.file_ends(file.read_bytes()) for file in files[:batch]])}


def _oww(folder: Path, batch: int) -> Feeds:
    heard = [sounds.voice(folder, 16000, start=second, seconds=1) for second in (1, 3)]
    mels = [sounds.log_mel(part, 16000, 76, 32) / 10 + 2 for part in heard]
    return {"input_1": np.stack(mels[:batch])[..., None]}


def _bodypix(folder: Path, height: int, width: int) -> Feeds:
    image = pictures.pixels(pictures.faces(PORTRAIT), height, width)
    return {"input": pictures.channels_last(image / 127.5 - 1)}


def _go1(folder: Path) -> Feeds:
    return {"obs": np.random.default_rng(0).standard_normal((1, 48), np.float32)}


def _basic_pitch(folder: Path) -> Feeds:
    heard = sounds.voice(folder, 22050, start=1, seconds=2)[:43844]
    return {"serving_default_input_2:0": heard[None, :, None]}


def yunet(batch: int, height: int, width: int) -> Real:
    """YuNet on pictures of this size, which must be a multiple of 32."""
    return Real(
        "yunet-n-dynamic/yunet_n_dynamic.onnx",
        partial(_yunet, batch=batch, height=height, width=width),
        agreement.detections(partial(detectors.yunet, height=height, width=width)),
        {"batch": batch, "height": height, "width": width},
    )


def ppocr(batch: int, height: int, width: int) -> Real:
    """The text detector of PP-OCR on pages of this size, which must be a multiple of 32."""
    return Real(
        "ppocrv3-det/ch_PP-OCRv3_det_infer.onnx",
        partial(_ppocr, batch=batch, height=height, width=width),
        agreement.detections(detectors.text_regions),
        {f"p2o.DynamicDimension.{i}": size for i, size in enumerate((batch, height, width))},
    )


def minilm(batch: int, seq: int) -> Real:
    """The sentence model on running text."""
    return Real(
        "minilm-l6-v2/minilm-l6-v2.f16weights.onnx",
        partial(_sentences, batch=batch, seq=seq),
        dims={"batch": batch, "seq": seq},
    )


def bodypix(height: int, width: int) -> Real:
    """Person segmentation on a picture of any size."""
    return Real(
        "bodypix-mobilenetv1-050/MobileNetV1-x050-stride16.onnx",
        partial(_bodypix, height=height, width=width),
        agreement.mask("segments"),
        {"input.1": height, "input.2": width},
    )


def resnet56(batch: int) -> Real:
    """CIFAR-10 classes."""
    file = "resnet56-cifar10/resnet56.converted.onnx"
    return Real(file, partial(_resnet56, batch=batch), agreement.top1, {"batch": batch})


def magika(batch: int) -> Real:
    """Kinds of files."""
    file = "magika-v3.3/model.onnx"
    return Real(file, partial(_magika, batch=batch), agreement.top1, {"bytes.0": batch})


def oww(batch: int) -> Real:
    """Features of speech."""
    file = "oww-embedding/embedding_model.onnx"
    return Real(file, partial(_oww, batch=batch), dims={"input_1.0": batch})


MNIST = Real("mnist-cnn/model.onnx", lambda folder: _stored_digit(folder, 0)[0], agreement.top1)
SUPERRES = Real("superres-subpixel/model.onnx", _superres, dims={"batch_size": 1})

CATALOGUE = (
    MNIST,
    SUPERRES,
    Real("squeezenet-fp16/SqueezeNet_fp16.onnx", _squeezenet, agreement.top1),
    Real("style-candy/candy.onnx", _candy, dims={"inputImage.0": 1}),
    Real("yolox-nano/yolox_nano.onnx", _yolox, agreement.detections(detectors.yolox)),
    Real(
        "ultraface-rfb320/version-RFB-320.onnx",
        _ultraface,
        agreement.detections(detectors.ultraface),
    ),
    yunet(1, 256, 320),
    Real(
        "blazeface-back/face_detection_back_256x256_barracuda.onnx",
        _blazeface,
        agreement.detections(detectors.blazeface),
    ),
    Real("deeplabv3-mnv2/deeplab_v3_1_default_1.onnx", _deeplab, agreement.labels),
    resnet56(1),
    Real("mlperf-tiny-resnet8/resnet8.converted.onnx", _resnet8, agreement.top1),
    Real(
        "yolo-fastest-xl/yolo-fastest-1.1-xl.converted.onnx",
        _yolo_fastest,
        agreement.detections(detectors.yolo_fastest),
    ),
    ppocr(1, 320, 320),
    minilm(1, 128),
    magika(1),
    oww(1),
    bodypix(225, 225),
    Real("go1-policy/go1_policy.onnx", _go1),
    Real(
        "basic-pitch/nmp.onnx",
        _basic_pitch,
        agreement.detections(detectors.notes),
        {"serving_default_input_2:0.0": 1},
    ),
)
"""Each model once."""

OTHER_SIZES = (
    yunet(2, 384, 416),
    yunet(1, 480, 640),
    ppocr(2, 160, 288),
    minilm(3, 37),
    resnet56(3),
    magika(3),
    oww(2),
    bodypix(353, 257),
)
"""Other batches and sizes of those that leave them open."""


@dataclass(frozen=True)
class Stored:
    """Inputs and outputs that came with a model, and how near ours must be."""

    name: str
    real: Real
    load: Callable[[Path], tuple[Feeds, Feeds]]
    same: Agree = agreement.assert_equal

    def __str__(self) -> str:
        return self.name


STORED = (
    *(Stored(f"mnist {i}", MNIST, partial(_stored_digit, number=i)) for i in range(3)),
    Stored("superres", SUPERRES, _stored_picture),
    Stored("minilm", minilm(2, 10), _stored_sentences, agreement.assert_aligned),
)
"""The outputs of minilm were made before its weights were rounded to f16."""

"""Pictures, and the forms in which models read them: a photograph, drawn faces, a page of text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Array = npt.NDArray[Any]

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_DEVIATION = (58.395, 57.12, 57.375)
"""Of red, green and blue, for pixels from 0 to 255."""

SKIN, SHADE, HAIR, LIPS = (226, 178, 150), (196, 142, 116), (58, 40, 28), (176, 78, 76)
SCALE = 2
"""Drawings are made this much larger, then shrunk, which softens every edge."""
GRAIN = 4
"""Deviation of the noise on a drawing: flat colours, which no camera gives, are a case apart."""


def photograph(folder: Path) -> Image.Image:
    """A dog, a bicycle and a truck in front of a porch; 768 x 576."""
    return Image.open(folder / "inputs" / "dog.jpg").convert("RGB")


def faces(*places: tuple[int, int, int]) -> Image.Image:
    """Drawn faces before a wall, each at (x, y) with half its width; 640 x 480."""
    image = Image.new("RGB", (640 * SCALE, 480 * SCALE), (150, 160, 172))
    pen = ImageDraw.Draw(image)
    for x, y, half in places:
        _face(pen, x * SCALE, y * SCALE, half * SCALE)
    soft = image.filter(ImageFilter.GaussianBlur(2 * SCALE))
    return _grainy(soft.resize((640, 480), Image.Resampling.BOX))


def _grainy(image: Image.Image) -> Image.Image:
    """The image with the same noise each time."""
    exact = np.asarray(image, np.float32)
    noise = np.random.default_rng(0).normal(0, GRAIN, exact.shape)
    return Image.fromarray(np.clip(np.rint(exact + noise), 0, 255).astype(np.uint8))


def _face(pen: ImageDraw.ImageDraw, x: int, y: int, half: int) -> None:
    """A face looking straight ahead, `half` its width, centred at (x, y)."""

    def oval(dx: float, dy: float, rx: float, ry: float, fill: tuple[int, int, int]) -> None:
        left, top = x + (dx - rx) * half, y + (dy - ry) * half
        pen.ellipse((left, top, left + 2 * rx * half, top + 2 * ry * half), fill=fill)

    oval(0, 2.9, 1.9, 1.5, (62, 84, 120))
    oval(0, 1.3, 0.45, 0.6, SHADE)
    oval(0, -0.25, 1.1, 1.3, HAIR)
    oval(0, 0.1, 0.95, 1.22, SKIN)
    for side in (-1, 1):
        oval(0.4 * side, -0.08, 0.24, 0.16, SHADE)
        oval(0.4 * side, -0.34, 0.25, 0.06, HAIR)
        oval(0.4 * side, -0.08, 0.19, 0.09, (245, 243, 240))
        oval(0.4 * side, -0.08, 0.085, 0.085, (42, 30, 26))
        oval(0.1 * side, 0.42, 0.06, 0.045, (120, 76, 62))
    oval(0, 0.3, 0.13, 0.2, SHADE)
    oval(0, 0.26, 0.08, 0.2, (236, 196, 170))
    oval(0, 0.74, 0.36, 0.12, LIPS)
    oval(0, 0.73, 0.3, 0.02, (90, 40, 40))


def page(width: int, height: int) -> Image.Image:
    """Lines of dark text on pale paper."""
    image = Image.new("RGB", (width, height), (238, 232, 220))
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=min(height / 6, width / 13))
    for line, text in enumerate(("MODEL IN", "Bundle out,", "run it there")):
        place = (width * (0.06 + 0.1 * line), height * (0.1 + 0.3 * line))
        pen.text(place, text, fill=(30, 34, 60), font=font)
    return _grainy(image)


def pixels(image: Image.Image, height: int, width: int) -> Array:
    """The whole image at another size: f32[height, width, 3], red green blue, 0 to 255."""
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.float32)


def letterboxed(image: Image.Image, side: int, ground: int = 114) -> Array:
    """The image shrunk into the upper left of a square: f32[side, side, 3], 0 to 255."""
    ratio = side / max(image.size)
    width, height = (round(size * ratio) for size in image.size)
    square = np.full((side, side, 3), ground, np.float32)
    square[:height, :width] = pixels(image, height, width)
    return square


def channels_first(image: Array) -> Array:
    """[height, width, channels] as [1, channels, height, width]."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])


def channels_last(image: Array) -> Array:
    """[height, width, channels] as [1, height, width, channels]."""
    return np.ascontiguousarray(image[None])


def blue_first(image: Array) -> Array:
    """The last axis the other way around."""
    return image[..., ::-1]


def normalised(image: Array) -> Array:
    """Each channel with the mean and deviation that it has over ImageNet taken out."""
    mean, deviation = np.array(IMAGENET_MEAN), np.array(IMAGENET_DEVIATION)
    return np.asarray((image - mean) / deviation, np.float32)


def luminance(image: Array) -> Array:
    """Brightness, 0 to 1: [height, width, 1]."""
    weighed: Array = image @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    return weighed[..., None]

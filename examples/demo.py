"""Compile a trained network with the command line, then run it on images it has never seen."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ncc import load

Array = npt.NDArray[Any]

EXAMPLES = Path(__file__).resolve().parent
MODEL = EXAMPLES / "digits.onnx"
IMAGES = EXAMPLES / "digits_test.npz"
BUNDLE = EXAMPLES.parent / "build" / "digits.neff"

INK = " .:-=+*#%@"
WHITE = 16
SHOWN = 6
WARM_UP_RUNS = 50


def compile_model() -> None:
    """Run `ncc compile` as a user would, showing what it prints."""
    BUNDLE.parent.mkdir(exist_ok=True)
    model, bundle = (str(path.relative_to(EXAMPLES.parent)) for path in (MODEL, BUNDLE))
    arguments = ["compile", model, "-o", bundle, "--dim", "batch=1"]
    print("$ ncc", *arguments, flush=True)
    command = str(Path(sys.executable).parent / "ncc")
    failed = subprocess.run([command, *arguments], cwd=EXAMPLES.parent, check=False).returncode
    if failed:
        sys.exit(failed)


def picture(image: Array) -> list[str]:
    """An image of 0..16 as lines of text, two characters per pixel."""
    levels = (image / WHITE * (len(INK) - 1)).round().astype(int)
    return ["".join(INK[level] * 2 for level in row) for row in levels]


def show(images: Array, guesses: Array, labels: Array) -> None:
    """The first images side by side, with what the model says and what they are."""
    chosen = range(SHOWN)
    for lines in zip(*(picture(images[index][0]) for index in chosen), strict=True):
        print("  ".join(lines))
    captions = (f"says {guesses[index]}, is {labels[index]}" for index in chosen)
    print("  ".join(f"{caption:16}" for caption in captions))


def main() -> None:
    compile_model()
    start = time.perf_counter()
    model = load(BUNDLE)
    loaded = time.perf_counter() - start
    with np.load(IMAGES) as stored:
        images, labels = stored["image"], stored["label"]
    for _ in range(WARM_UP_RUNS):
        model(images[:1])
    times, guesses = [], np.zeros_like(labels)
    for index in range(len(images)):
        start = time.perf_counter()
        probability = model(images[index : index + 1])
        times.append(time.perf_counter() - start)
        guesses[index] = np.argmax(probability)
    print()
    show(images, guesses, labels)
    right = int((guesses == labels).sum())
    print(f"\nright on {right} of {len(labels)} images: {right / len(labels):.2%}")
    print(
        f"loaded in {loaded * 1e3:.1f} ms; one image takes {statistics.median(times) * 1e6:.0f} us"
    )


if __name__ == "__main__":
    main()

"""Train a small convolutional network on handwritten digits: `python examples/train_digits.py`.

Writes digits.onnx, as PyTorch exports it (batch norms as nodes of their own, symbolic batch), and
digits_test.npz, the images it was not trained on, beside this file. Needs torch, scikit-learn and
onnx. The data is scikit-learn's copy of "Optical Recognition of Handwritten Digits" by E. Alpaydin
and C. Kaynak, UCI Machine Learning Repository, CC BY 4.0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

FOLDER = Path(__file__).resolve().parent
SEED = 0
TEST_IMAGES = 360
EPOCHS = 40
BATCH = 32
WHITE = 16.0
"""Of an image's pixels, which count from 0."""


class Digits(nn.Module):
    """Images f32[batch, 1, 8, 8] of 0..16 to the probability of each digit, f32[batch, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *convolution(1, 32),
            *convolution(32, 32),
            nn.MaxPool2d(2),
            *convolution(32, 64),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.classifier = nn.Linear(64 * 2 * 2, 10)

    def logits(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image / WHITE))

    def forward(self, image: Tensor) -> Tensor:
        return torch.softmax(self.logits(image), dim=1)


def convolution(inner: int, outer: int) -> list[nn.Module]:
    conv = nn.Conv2d(inner, outer, kernel_size=3, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(outer), nn.ReLU()]


def train(model: Digits, images: Tensor, labels: Tensor) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(images))
        for chosen in order[: len(images) // BATCH * BATCH].split(BATCH):
            loss = nn.functional.cross_entropy(model.logits(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def export(model: Digits, path: Path) -> None:
    """Write ONNX with batch norms kept as nodes."""
    torch.onnx.export(
        model,
        (torch.zeros(1, 1, 8, 8),),
        str(path),
        input_names=["image"],
        output_names=["probability"],
        dynamic_axes={"image": {0: "batch"}, "probability": {0: "batch"}},
        opset_version=17,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        dynamo=False,
    )


def main() -> None:
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    data = load_digits()
    images = data.images.astype(np.float32)[:, None]
    split = train_test_split(
        images, data.target, test_size=TEST_IMAGES, random_state=SEED, stratify=data.target
    )
    train_images, test_images, train_labels, test_labels = split
    model = Digits()
    train(model, torch.tensor(train_images), torch.tensor(train_labels))
    model.eval()
    with torch.no_grad():
        guesses = model(torch.tensor(test_images)).argmax(dim=1).numpy()
    print(f"right on {np.mean(guesses == test_labels):.2%} of {len(test_labels)} test images")
    export(model, FOLDER / "digits.onnx")
    np.savez_compressed(FOLDER / "digits_test.npz", image=test_images, label=test_labels)


if __name__ == "__main__":
    main()

"""Write the benchmark networks as ONNX files: `python bench/networks.py FOLDER [NAME ...]`.

Published architectures at opset 17 with seeded weights: what they compute is noise, how they
compute it is real. The same call writes the same bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from nets.bert import bert_base, minilm
from nets.mobilenet import mobilenetv2
from nets.net import Net
from nets.resnet import resnet50
from nets.vit import vit_b16
from nets.yolo import yolov4

NETWORKS: dict[str, Callable[[], Net]] = {
    "resnet50": resnet50,
    "mobilenetv2": mobilenetv2,
    "bert-base": bert_base,
    "minilm": minilm,
    "vit-b16": vit_b16,
    "yolov4": yolov4,
}


def write(name: str, folder: Path) -> Path:
    """Write one network to `folder`/`name`.onnx."""
    path = folder / f"{name}.onnx"
    path.write_bytes(NETWORKS[name]().model().SerializeToString(deterministic=True))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the benchmark networks as ONNX files.")
    parser.add_argument("folder", type=Path, help="where to write; made if absent")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NETWORKS)}")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in NETWORKS]
    if unknown:
        parser.error(f"no network named {', '.join(unknown)}; there are {', '.join(NETWORKS)}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or NETWORKS:
        path = write(name, arguments.folder)
        print(f"{path}  {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()

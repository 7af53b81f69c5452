"""ONNX models in, graphs out: `import_onnx`, or `read_onnx` for several sizes of one model."""

from ncc.frontends.onnx.load import OnnxModel, import_onnx, read_onnx

__all__ = ["OnnxModel", "import_onnx", "read_onnx"]

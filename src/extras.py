"""The optional parts of the installation, and what is said where a command needs one that is not installed.

`pip install aifashion` brings what recognising garments needs. Everything else is an extra: `pip install
'aifashion[train]'`.
"""

from collections.abc import Mapping

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "train": ("grain", "h5py", "keras", "matplotlib", "skimage", "scipy", "tensorboard", "tensorflow"),
    "export": ("ai_edge_litert", "nncf", "onnx", "onnxruntime", "tf2onnx"),
    "heic": ("pillow_heif",),
    "hub": ("huggingface_hub",),
    "score": ("pycocotools",),
    "serve": ("fastapi", "prometheus_client", "python_multipart", "uvicorn"),
}
"""Extra -> the modules that it brings, in pyproject.toml by the names of their packages."""


class MissingExtraError(ImportError):
    """A package of an extra is not installed; the message names the extra."""


def explained(error: ImportError, wanted: str = "this") -> ImportError:
    """The error with the extra that brings the module; the error itself where it is about another module.

    wanted: what needs the module.
    """
    module = (error.name or "").partition(".")[0]
    extra = next((name for name, modules in EXTRAS.items() if module in modules), None)
    if extra is None:
        return error
    return MissingExtraError(
        f"{wanted} needs the package {module}, which is not installed: pip install 'aifashion[{extra}]'",
        name=error.name,
    )

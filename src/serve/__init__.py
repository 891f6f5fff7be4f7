"""The fast road: a run becomes an artifact, and artifacts run without TensorFlow.

export.py (run -> ONNX, OpenVINO, LiteRT, SavedModel), runtime.py (artifact -> the `predict` functions of the
evaluation), artifact.py (what both know of the folder between them).
"""

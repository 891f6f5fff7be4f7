import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from aifashion.recognition.cameras import read_camera

MATRIX = np.array([[800.0, 0, 499.5], [0, 810, 299.5], [0, 0, 1]])
DISTORTION = np.array([[-0.2, 0.05, 0.001, 0, 0.01]])


@pytest.mark.parametrize("name", ["camera.yml", "camera.yaml", "camera.xml", "camera.json"])
def test_files_of_opencv(tmp_path: Path, name: str):
    storage = cv2.FileStorage(str(tmp_path / name), cv2.FILE_STORAGE_WRITE)
    for key, value in (("image_width", 1000), ("image_height", 600), ("camera_matrix", MATRIX)):
        storage.write(key, value)
    storage.write("distortion_coefficients", DISTORTION)
    storage.release()
    camera = read_camera(tmp_path / name)
    np.testing.assert_array_equal(camera.matrix, MATRIX)
    np.testing.assert_array_equal(camera.distortion, DISTORTION[0])
    assert camera.size == (1000, 600)


def test_files_of_older_versions_of_opencv(tmp_path: Path):
    path = tmp_path / "camera.yml"
    path.write_text(
        '%YAML:1.0\n---\ncalibration_time: "Mon 30 Nov 2026"\nimage_width: 1000\nimage_height: 600\nflags: 0\n'
        "Camera_Matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n"
        "   data: [ 8.0000000000000000e+02, 0., 4.9950000000000000e+02, 0.,\n       810., 299.5, 0., 0., 1. ]\n"
        "Distortion_Coefficients: !!opencv-matrix\n   rows: 5\n   cols: 1\n   dt: d\n"
        "   data: [ -2.0000000000000001e-01, 5.0000000000000003e-02, 1e-3, 0., 0.01 ]\n"
        'Image_points: !!opencv-matrix\n   rows: 1\n   cols: 1\n   dt: "2f"\n   data: [ 1., 2. ]\n'
    )
    camera = read_camera(path)
    np.testing.assert_array_equal(camera.matrix, MATRIX)
    np.testing.assert_array_equal(camera.distortion, DISTORTION[0])
    assert camera.size == (1000, 600)


def test_json_with_plain_lists(tmp_path: Path):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({"camera_matrix": MATRIX.tolist(), "dist_coeff": DISTORTION.tolist()}))
    camera = read_camera(path)
    assert camera.size is None and camera.distortion.tolist() == DISTORTION[0].tolist()
    rows = {"rows": 3, "cols": 3, "data": MATRIX.ravel().tolist()}
    path.write_text(json.dumps({"camera_matrix": rows, "dist_coeffs": [0, 0, 0, 0], "image_size": [1000, 600]}))
    assert read_camera(path).size == (1000, 600) and read_camera(path).matrix.tolist() == MATRIX.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not yaml: [", "is no calibration of a camera"),
        ("[1, 2]", "is no calibration of a camera"),
        (json.dumps({"dist_coeffs": [0] * 5}), "it has no camera_matrix"),
        (json.dumps({"camera_matrix": [[1, 2], [3, 4]], "dist_coeffs": [0] * 5}), "expected finite numbers, 3 x 3"),
        (
            json.dumps({"camera_matrix": MATRIX.tolist(), "dist_coeffs": [0] * 3}),
            "3 distortion coefficients; expected 4",
        ),
        (json.dumps({"camera_matrix": (-MATRIX).tolist(), "dist_coeffs": [0] * 5}), "focal lengths above 0"),
        (
            json.dumps({"camera_matrix": MATRIX.tolist(), "dist_coeffs": [0] * 5, "image_width": "x"}),
            "the size of its images",
        ),
    ],
)
@pytest.mark.parametrize("name", ["camera.json", "camera.yml"])
def test_what_is_no_calibration(tmp_path: Path, name: str, text: str, message: str):
    path = tmp_path / name
    path.write_text(text if name.endswith("json") else "%YAML:1.0\n" + ("nothing: 1\n"))
    expected = message if name.endswith("json") else "it has no camera_matrix"
    with pytest.raises(ValueError, match="is no calibration of a camera") as caught:
        read_camera(path)
    assert str(path) in str(caught.value) and expected in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("camera.yml", b"", "empty"),
        ("camera.xml", b"", "empty"),
        ("camera.json", b'{"": 640, "camera_matrix": {"type_id": "opencv-matrix"}}', "expected numbers"),
        ("camera.yml", b"\xff\xfe%YAML:1.0", "utf-8"),
        ("camera.yml", b"%YAML:1.0\n---\na: &a [1]\ncamera_matrix: [*a, *a, *a]\n", "an alias"),
        ("camera.yml", b"%YAML:1.0\n---\ncamera_matrix: !!python/name:os.system\n", "not YAML"),
        ("camera.xml", b'<!DOCTYPE a [<!ENTITY b "1">]><opencv_storage/>', "a document type"),
        ("camera.xml", b"<opencv_storage><camera_matrix>", "not XML"),
        ("camera.xml", b"<opencv_storage><camera_matrix>x</camera_matrix></opencv_storage>", "'x'"),
        (
            "camera.json",
            json.dumps({"camera_matrix": MATRIX.tolist(), "dist": [0] * 5}).encode()[:-1]
            + b', "image_width": 1e400, "image_height": 600}',
            "the size of its images is [inf, 600]",
        ),
    ],
)
def test_what_cannot_be_read_names_the_file_and_the_reason(tmp_path: Path, name: str, data: bytes, reason: str):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is no calibration of a camera") as caught:
        read_camera(path)
    assert str(path) in str(caught.value) and reason in str(caught.value)

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from aifashion.config import DetectionConfig, KeypointConfig
from aifashion.eval.detection_calibration import BoxCalibration
from aifashion.files import sealed
from aifashion.recognition.detection_model import load_detection_model
from aifashion.serve.shipped import SHIPPED
from aifashion.vocabulary import load_vocabulary


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of a detector with random weights."""
    from aifashion.run_files import CALIBRATION
    from aifashion.unet.predictors import detection_net
    from aifashion.unet.runs import calibrated, new_run, save_model

    config = DetectionConfig(vocabulary=load_vocabulary().restricted("dress", "skirt"), size=64)
    run = new_run(tmp_path_factory.mktemp("runs"), "detection", config)
    save_model(run, detection_net(config), 1, 0.5, 2)
    with calibrated(run):
        facts = sealed({"slope": 1.5, "offset": -0.25, "threshold": 0.4})
        (run / CALIBRATION).write_text(json.dumps(facts) + "\n")
    return run


def test_a_run_is_a_detector(run: Path, caplog):
    with caplog.at_level(logging.INFO, "aifashion"):
        model = load_detection_model(run)
    assert (model.run, model.codec.size) == (run, (64, 64))
    assert model.vocabulary.categories == load_vocabulary().restricted("dress", "skirt").categories
    assert model.calibration == BoxCalibration(1.5, -0.25, 0.4)
    detector = model.detector(3)
    heat, distances = detector.detect(np.zeros((3, 64, 64, 3), np.uint8))
    assert heat.shape == (3, 8, 8, 2) and distances.shape == (3, 8, 8, 2, 4) and ((heat >= 0) & (heat <= 1)).all()
    assert detector.batch_size == 3 and detector.calibration == model.calibration


@pytest.mark.parametrize("name", [None, Path("shipped")])
def test_the_shipped_detector(name: Path | None, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = load_detection_model(name)
    assert model.run == SHIPPED / "detection" and model.calibration is not None
    assert model.vocabulary.categories == load_vocabulary().categories


def test_what_is_no_detector(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no run in .*nowhere, which is not a folder"):
        load_detection_model(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="expected a detection artifact, got a keypoint artifact"):
        load_detection_model(SHIPPED / "keypoints")
    (tmp_path / "config.json").write_text(KeypointConfig().to_json())
    with pytest.raises(ValueError):  # of its models, or of its configuration
        load_detection_model(tmp_path)

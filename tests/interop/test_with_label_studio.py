"""Label Studio's package accepts our configuration and tasks, and we recognise its other exports."""

import json
from pathlib import Path

import pytest

pytest.importorskip("label_studio_sdk", reason="make interop")

from label_studio_sdk.converter import Converter
from label_studio_sdk.label_interface import LabelInterface
from label_studio_sdk.label_interface.objects import TaskValue

from aifashion.data_gen.formats.label_studio import label_studio_coco_reason, read_label_studio
from aifashion.data_gen.formats.label_studio_tasks import labelling_config, write_label_studio
from aifashion.data_gen.formats.problems import FormatError
from labelled import VOCABULARY, check_same, labels, present

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def interface() -> LabelInterface:
    made = LabelInterface(labelling_config(VOCABULARY))
    made.validate()
    return made


def exported(tmp_path: Path, scored: bool = False) -> Path:
    """Our tasks with what Label Studio adds to them."""
    path = tmp_path / "tasks.json"
    write_label_studio(labels(tmp_path, scored), path, VOCABULARY)
    tasks = json.loads(path.read_text(encoding="utf-8"))
    for number, task in enumerate(tasks, start=1):
        task["id"] = number
        for annotation in task.get("annotations", []):
            annotation |= {"id": 100 + number, "completed_by": 1, "was_cancelled": False, "created_at": "2026-01-01"}
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def test_the_configuration_and_all_regions_are_valid(tmp_path, interface):
    for scored, key in ((False, "annotations"), (True, "predictions")):
        tasks = json.loads(exported(tmp_path, scored).read_text(encoding="utf-8"))
        for task in tasks:
            for entry in task[key]:
                assert all(interface.validate_region(region) for region in entry["result"])
                if scored:
                    assert not interface.validate_prediction(entry, return_errors=True)
            TaskValue(data=task["data"], annotations=task.get("annotations", []), predictions=[])
        garments = [garment for photo in labels(tmp_path).photos for garment in photo.garments]
        states = [state for garment in garments for state in garment.keypoints.state.tolist()]
        regions = len(garments) + sum(state >= 0 for state in states) + states.count(0)
        assert sum(len(task[key][0]["result"]) for task in tasks) == regions


def test_its_export_json_is_read(tmp_path):
    converter = Converter(labelling_config(VOCABULARY), str(tmp_path))
    converter.convert_to_json(str(exported(tmp_path)), str(tmp_path / "json"), is_dir=False)
    found = read_label_studio(tmp_path / "json" / "result.json")
    check_same(found, labels(tmp_path))
    assert found.photos[0].garments[0].id == "annotation 101, region garment1"


def test_its_export_json_min_is_refused_with_the_reason(tmp_path):
    converter = Converter(labelling_config(VOCABULARY), str(tmp_path))
    converter.convert_to_json_min(str(exported(tmp_path)), str(tmp_path / "min"), is_dir=False)
    with pytest.raises(FormatError, match="JSON-MIN"):
        read_label_studio(tmp_path / "min" / "result.json")


def test_its_coco_export_merges_garments_and_is_known(tmp_path):
    converter = Converter(labelling_config(VOCABULARY), str(tmp_path))
    converter.convert_to_coco(str(exported(tmp_path)), str(tmp_path / "coco"), is_dir=False)
    content = json.loads((tmp_path / "coco" / "result.json").read_text(encoding="utf-8"))
    with_points = [entry for entry in content["annotations"] if "keypoints" in entry]
    assert len(with_points) == 2  # of 4 garments in 2 photos: the reason for refusing it
    assert "exported by Label Studio" in str(label_studio_coco_reason(content))


def test_its_coco_export_keeps_names_in_the_order_of_our_configuration(tmp_path):
    """A single garment keeps its names: our `model_index` is the order of the labels."""
    converter = Converter(labelling_config(VOCABULARY), str(tmp_path))
    converter.convert_to_coco(str(exported(tmp_path)), str(tmp_path / "coco"), is_dir=False)
    content = json.loads((tmp_path / "coco" / "result.json").read_text(encoding="utf-8"))
    names = next(category["keypoints"] for category in content["categories"] if category.get("keypoints"))
    trousers = [entry for entry in content["annotations"] if "keypoints" in entry][1]["keypoints"]
    found = {name: trousers[3 * i : 3 * i + 2] for i, name in enumerate(names) if trousers[3 * i + 2]}
    expected = present(labels(tmp_path).photos[1].garments[0])
    assert found.keys() == expected.keys()
    for name, (x, y, _) in expected.items():
        assert found[name] == pytest.approx([x + 0.5, y + 0.5], abs=0.5)  # it rounds edges to whole numbers

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
from onnx import helper

import small_onnx
from aifashion.boxes import Detections, suppressed
from aifashion.data_gen.preprocess import PADDING, boxed, letterboxed
from aifashion.files import unsealed
from aifashion.geometry import letterbox
from aifashion.records import Box
from aifashion.serve import combined_graph, combined_measure
from aifashion.serve.artifact import ArtifactError, Manifest
from aifashion.serve.combined import write_combined
from aifashion.serve.combined_measure import CombinedNet, own_answers
from aifashion.serve.combined_parts import Parts
from aifashion.serve.onnx_graph import Graph, described
from aifashion.vocabulary import load_vocabulary
from small_onnx import DETECTION, KEYPOINTS, SKIRT, TROUSERS, VOCABULARY, Patch, painted

SKIRTS, TROUSERS_INDEX = (VOCABULARY.category_index(name) for name in ("skirt", "trousers"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("single")
    return small_onnx.detector(folder / "detector"), small_onnx.keypoints(folder / "keypoints")


@pytest.fixture(scope="module")
def parts(folders) -> Parts:
    return Parts.read(folders[0], folders[1], 20)


@pytest.fixture(scope="module")
def net(parts, tmp_path_factory) -> CombinedNet:
    return made(parts, tmp_path_factory.mktemp("combined"))


def made(parts: Parts, folder: Path) -> CombinedNet:
    path = folder / "combined.onnx"
    path.write_bytes(combined_graph.combined_model(parts.plan).SerializeToString())
    return CombinedNet.load(path)


def box_of(size: tuple[int, int], patch: Patch) -> np.ndarray:
    """Its box in px of the photo, worked out without the network."""
    frame, (_, column, row, half) = letterbox(size, DETECTION.codec.size), patch
    middle = (np.array([column, row]) + 0.5) * 8
    corners = frame.back(np.stack([middle - half, middle + half]) - 0.5) + 0.5
    return np.clip(corners, 0, size).ravel()


@pytest.mark.parametrize("size", [(128, 128), (512, 256), (128, 64), (300, 600), (96, 72), (1100, 700), (90, 411)])
def test_garments_are_where_they_were_painted(net, parts, size):
    first, second = (SKIRT, 7, 6, 16), (TROUSERS, 8, 9, 12)
    photo = painted(size, first, second, cells=3)
    (own,) = own_answers(parts, [photo])
    garments, keypoints = net.answer(photo)
    assert sorted(garments.category) == sorted([SKIRTS, TROUSERS_INDEX])
    for patch, category in ((first, SKIRTS), (second, TROUSERS_INDEX)):
        (found,) = garments.boxes[garments.category == category]
        np.testing.assert_allclose(found, box_of(size, patch), atol=0.02 * max(size))  # colours mix at the edges
    np.testing.assert_allclose(garments.boxes, own.garments.boxes, atol=1e-3)
    np.testing.assert_allclose(garments.score, own.garments.score, atol=1e-5)
    np.testing.assert_allclose(keypoints, own.keypoints, atol=1e-3)
    there = VOCABULARY.mask("skirt")
    points = keypoints[garments.category == SKIRTS][0]
    assert (points[~there] == [-1, -1, 0]).all() and (points[there, 2] > 0).all()
    assert (points[there, :2] >= 0).all() and (points[there, :2] <= np.array(size) - 1).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 500, 3), (64, 64, 3), (900, 40, 3)])
def test_a_photo_without_a_garment_has_none(net, shape):
    boxes, category, score, keypoints = net.run(np.full(shape, 90, np.uint8))
    assert boxes.shape == (0, 4) and category.shape == (0,) and score.shape == (0,)
    assert keypoints.shape == (0, len(VOCABULARY.keypoints), 3)
    assert (boxes.dtype, category.dtype, score.dtype) == (np.float32, np.int64, np.float32)


def test_of_more_garments_than_the_limit_the_likeliest_are_told(parts, net, tmp_path):
    photo = painted((320, 320), (SKIRT, 3, 3, 14), (TROUSERS, 11, 3, 14), (SKIRT, 3, 11, 14), (SKIRT, 11, 11, 14))
    photo[:120, :40] = PADDING  # the first garment is a strip narrower, and so less likely
    every, _ = net.answer(photo)
    few, keypoints = made(replace(parts, limit=3), tmp_path).answer(photo)
    assert len(every) == 4 and len(few) == len(keypoints) == 3
    assert np.array_equal(few.boxes, every.boxes[:3]) and (np.diff(every.score) <= 0).all()
    assert every.score[3] < every.score[0] and (every.boxes[3] < 130).all()


def test_a_box_at_the_edge_ends_there_and_its_square_goes_on(net, parts):
    size = (256, 192)
    photo = painted(size, (SKIRT, 1, 7, 30), (TROUSERS, 15, 3, 25), cells=7)
    garments, keypoints = net.answer(photo)
    (own,) = own_answers(parts, [photo])
    assert {tuple(box[[0, 2]] == [0, 256]) for box in garments.boxes} == {(True, False), (False, True)}
    np.testing.assert_allclose(garments.boxes, own.garments.boxes, atol=1e-4)
    np.testing.assert_allclose(keypoints, own.keypoints, atol=1e-3)
    there = keypoints[..., 2] > 0
    assert (keypoints[there][:, :2] >= 0).all() and (keypoints[there][:, :2] <= np.array(size) - 1).all()


def test_many_overlapping_garments_are_those_of_the_package(net, parts):
    rng, photos = np.random.default_rng(0), []
    for _ in range(8):
        size = rng.integers(60, 500, 2)
        columns, rows, halves = rng.integers(0, 16, 9), rng.integers(0, 16, 9), rng.integers(8, 40, 9)
        colours = [(SKIRT, TROUSERS)[n] for n in rng.integers(0, 2, 9)]
        photos.append(painted(tuple(size.tolist()), *zip(colours, columns, rows, halves, strict=True)))
    count = 0
    for photo, own in zip(photos, own_answers(parts, photos), strict=True):
        garments, keypoints = net.answer(photo)
        assert garments.category.tolist() == own.garments.category.tolist()
        np.testing.assert_allclose(garments.boxes, own.garments.boxes, atol=1e-3)
        assert np.percentile(np.abs(keypoints - own.keypoints), 95) < 0.01
        count += len(garments)
    assert count > 20


def session(build, inputs: dict[str, tuple[type, tuple]], made: tuple[type, tuple]):
    """A function that runs a small graph."""
    import onnxruntime

    graph = Graph()
    value = build(*(graph.named(name, dtype) for name, (dtype, _) in inputs.items()))
    graph.nodes.append(helper.make_node("Identity", [value.name], ["made"]))
    told = [described(name, dtype, shape) for name, (dtype, shape) in inputs.items()]
    whole = helper.make_graph(graph.nodes, "small", told, [described("made", *made)], [*graph.constants.values()])
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    running = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda *arrays: running.run(None, dict(zip(inputs, arrays, strict=True)))[0]


def test_the_networks_see_the_pixels_that_the_package_shows_them():
    side, image = 64, {"image": (np.uint8, ("H", "W", 3))}

    def whole(pixels):
        photo = combined_graph.Photo(pixels, pixels.side(0), pixels.side(1))
        part, frame = combined_graph.letterbox(photo, (side, side))
        return combined_graph.sampled(photo, part, frame, (side, side))

    def square(pixels, box):
        return combined_graph.crop(combined_graph.Photo(pixels, pixels.side(0), pixels.side(1)), box, side)

    pixels = np.uint8, (side, side, 3)
    see_whole, see_square = session(whole, image, pixels), session(square, image | {"box": (np.int64, (3,))}, pixels)
    rng, apart = np.random.default_rng(1), []
    for _ in range(40):
        height, width = rng.integers(3, 400, 2)
        photo = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        length = int(rng.integers(1, 500))
        left, top = (int(rng.integers(1 - length, end)) for end in (width, height))
        box = Box(left, top, left + length, top + length)
        expected = letterboxed(photo, (side, side))[0], boxed(photo, box, (side, side))[0]
        seen = see_whole(photo), see_square(photo, np.array([left, top, length]))
        apart += [np.abs(one.astype(int) - other) for one, other in zip(seen, expected, strict=True)]
    assert np.max(apart) <= 1 and np.mean(apart) < 1e-3


@pytest.mark.parametrize("count", [0, 1, 2, 40, 150])
def test_suppression_is_that_of_the_package(count):
    def kept(boxes, category, score):
        return combined_graph.suppressed(combined_graph.Found(boxes, category, score)).boxes

    inputs = {"boxes": (np.float64, ("N", 4)), "category": (np.int64, ("N",)), "score": (np.float32, ("N",))}
    run = session(kept, inputs, (np.float64, ("M", 4)))
    rng = np.random.default_rng(count)
    corners = rng.integers(0, 20, (count, 2)).astype(float)
    boxes = np.concatenate([corners, corners + rng.integers(20, 50, (count, 2))], axis=1)
    # Some scores are equal, and some boxes nearly so.
    boxes[count // 2 :] = boxes[: count - count // 2] + rng.integers(0, 2, (count - count // 2, 4))
    found = Detections(boxes, rng.integers(0, 3, count), rng.integers(1, 30, count) / 30)
    expected = suppressed(found)
    assert count < 40 or len(expected) < count
    assert np.array_equal(run(found.boxes, found.category, found.score), expected.boxes)


def test_the_folder_says_what_the_file_is_and_how_far_it_differs(parts, net, tmp_path):
    photos = [painted((200, 150), (SKIRT, 7, 7, 16)), painted((64, 200), (TROUSERS, 7, 7, 12))]
    out = tmp_path / "exports" / "combined"
    told = write_combined(out, parts, photos)
    assert sorted(path.name for path in out.iterdir()) == ["combined.onnx", "manifest.json"]
    facts = unsealed(json.loads((out / "manifest.json").read_text()))
    assert facts == told and facts["limit"] == 20 and facts["files"].keys() == {"combined.onnx"}
    assert facts["categories"] == list(VOCABULARY.categories) and facts["keypoints"] == list(VOCABULARY.keypoints)
    assert facts["outputs"].keys() == {"boxes", "category", "score", "keypoints"}
    assert facts["thresholds"]["score"] == small_onnx.CALIBRATION["threshold"]
    assert (facts["differences"]["garments"], facts["differences"]["alike"]) == (2, 1.0)
    assert facts["differences"]["points_percent_of_box_95"] < 0.1
    before = (out / "combined.onnx").read_bytes()
    write_combined(out, replace(parts, limit=1), photos)  # takes its place
    assert (out / "combined.onnx").read_bytes() != before
    with pytest.raises(ArtifactError, match="is of a combined file, which ONNX Runtime runs without this package"):
        Manifest.read(out)


def test_what_differs_too_much_is_not_written(parts, tmp_path, monkeypatch):
    photos = [painted((200, 150), (SKIRT, 3, 3, 14), (SKIRT, 11, 11, 14))]
    write_combined(tmp_path / "own", parts, photos)
    before = (tmp_path / "own" / "manifest.json").read_bytes()
    (own,) = own_answers(parts, photos)
    there = own.keypoints[..., 2:] > 0
    shifted = own._replace(keypoints=own.keypoints + there * [0.7, 0, 0])
    fewer = own._replace(garments=own.garments.select(np.arange(0)), keypoints=own.keypoints[:0])
    for answer, reason in ((shifted, "points percent of box median"), (fewer, "garments 2, alike 0,")):
        monkeypatch.setattr(combined_measure, "own_answers", lambda parts, photos, answer=answer: [answer])
        with pytest.raises(ArtifactError, match=rf"differs too much from the package's own way.*{reason}"):
            write_combined(tmp_path / "own", parts, photos)
    monkeypatch.undo()
    with pytest.raises(ArtifactError, match=r"no garment is found in the 1 photos.*--data"):
        write_combined(tmp_path / "own", parts, [np.zeros((50, 50, 3), np.uint8)])
    assert (tmp_path / "own" / "manifest.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == ["own"]


def test_networks_that_do_not_fit_each_other_are_refused(folders, tmp_path):
    detector, keypoints = folders
    skirts = replace(KEYPOINTS, vocabulary=load_vocabulary().restricted("skirt"))
    other = small_onnx.keypoints(tmp_path / "skirts", skirts)
    with pytest.raises(ValueError, match=r"finds trousers, of which the keypoint network.* has skirt\. Choose"):
        Parts.read(detector, other, 20)
    with pytest.raises(ArtifactError, match="expected a detection artifact, got a keypoint artifact"):
        Parts.read(keypoints, keypoints, 20)
    with pytest.raises(ArtifactError, match="is an artifact for openvino; expected one for onnx"):
        Parts(replace(Manifest.read(detector), format="openvino"), Manifest.read(keypoints), 20)
    for limit in (0, 301):
        with pytest.raises(ValueError, match=f"a limit of {limit} garments; expected 1 to 300"):
            Parts.read(detector, keypoints, limit)

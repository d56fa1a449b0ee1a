# `make` alone prints the list of targets.
# make bench BENCH="--configs M --runs 1"    the large shape beside PyTorch; bench/compare.py --help
# make check ROOM="Plans Costs"    several rooms; make check ROOM=Property runs Tests/PropertyTests
# TRAINYARD_PORTABLE=1 make build    for any x86-64 with AVX2 rather than for this machine alone

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Clang's target also sets the one Swift code is compiled for; without it neither AVX nor fused multiply-add is used.
ifeq ($(shell uname -m),x86_64)
    ifdef TRAINYARD_PORTABLE
        TARGET_CPU := -Xcc -march=x86-64-v3
    else
        TARGET_CPU := -Xcc -march=native
    endif
else ifndef TRAINYARD_PORTABLE
    TARGET_CPU := -Xcc -mcpu=native
endif

# Tests run optimised too: they train whole models and time nothing. No test uses `@testable`, so that they share one build
# with `build`.
RELEASE := -c release $(TARGET_CPU)
SOURCES := Package.swift Plugins Sources Tests bench
TEST := swift test $(RELEASE) --disable-testable-imports --disable-xctest --explicit-target-dependency-import-check error

# What `make check` looks at.
FOLDERS := $(wildcard $(addprefix Sources/,$(ROOM)) $(addsuffix Tests,$(addprefix Tests/,$(ROOM))))
SUITES := $(patsubst Tests/%,%,$(filter Tests/%,$(FOLDERS)))

.DEFAULT_GOAL := help
.PHONY: help setup build test check fuzz lint format demo ladder slurm-demo drill docs bench interop clean

help:
	@echo "make demo     price a 100-billion-parameter run, then train a small model on two MPI processes"
	@echo "make ladder   train 18 tiny models, fit their law of loss, predict the next size, then train that (20 minutes at most)"
	@echo "make slurm-demo    train by a real Slurm on four emulated hosts of this machine, one of which dies (as root)"
	@echo "make drill    kill ranks, turn bits, spoil checkpoints, and compare what is left with undisturbed runs"
	@echo "make build    build .build/release/trainyard and trainyard-train for this machine"
	@echo "make test     lint, build and run every test"
	@echo "make check ROOM=Costs    lint, build and test one room and what it needs, nothing else"
	@echo "make fuzz     read a million mutated inputs and run ten thousand mutated command lines"
	@echo "make bench    speed of the simulator and the search, and of training beside PyTorch's where that is installed"
	@echo "make interop  export fifty plans and let the owners' own readers judge the files, value by value"
	@echo "make docs     write what the commands print today into the documents, and draw their pictures again"
	@echo "make lint     check the format of the sources"
	@echo "make format   format the sources"
	@echo "make clean    remove what was built"
	@echo "make setup    install Open MPI and oneDNN if missing (the others do it too)"

setup:
	@scripts/setup.sh

build: setup
	@swift build $(RELEASE)

lint:
	@swift format lint --strict --parallel --recursive $(SOURCES)

test: setup lint
	@$(TEST)

# Planning rooms need neither MPI nor oneDNN, so nothing is set up for them. Rooms without tests of their own (MPI, Version and
# the programs) are only built: the tests of the programs are ROOM=EndToEnd, which builds everything.
check:
	@for room in $(or $(ROOM),none); do \
	    [ -d Sources/$$room ] || [ -d Tests/$${room}Tests ] || { echo "make check ROOM=Costs: a folder of Sources" >&2; exit 2; }; \
	done
	@$(if $(filter MPI Tensors Training trainyard-train EndToEnd,$(ROOM)),scripts/setup.sh)
	@swift format lint --strict --parallel --recursive $(FOLDERS)
	@$(if $(filter EndToEnd,$(ROOM)),,TRAINYARD_ROOMS="$(ROOM) $(SUITES)") \
	    $(if $(SUITES),$(TEST) $(addprefix --filter ,$(SUITES)),swift build $(RELEASE))

# FUZZ="--inputs 100000 --seed 7" for another run; --replay SEED for an input that was found.
fuzz: setup
	@swift build $(RELEASE)
	@.build/release/fuzz $(FUZZ)

docs: setup
	@TRAINYARD_REFRESH_DOCS=1 swift test $(RELEASE) --disable-testable-imports --disable-xctest --filter DocumentationTests/refresh
	@git status --short README.md docs Examples

demo: setup
	@scripts/fetch-shakespeare.sh
	@swift build $(RELEASE)
	@scripts/demo.sh

# LADDER="--out runs/other" for another folder; what is finished is not trained again.
ladder: setup
	@swift build $(RELEASE)
	@.build/release/trainyard ladder plans/campaigns/ladder.yaml $(LADDER)

# INSTALL=--install also installs Slurm and munge (apt-get) where they are missing.
slurm-demo: setup
	@swift build $(RELEASE)
	@scripts/slurm-demo.sh $(INSTALL)

# DRILL="5 40" for five kills a layout and forty spoilt checkpoints.
drill: build
	@scripts/drill.sh $(DRILL)

bench: build
	@bench/schedules.py
	@.build/release/search-bench
	@bench/checkpoints.py
	@bench/reading.py
	@bench/generate.py
	@bench/tokens.py
	@bench/compare.py $(BENCH)

# INTEROP="--targets deepspeed,slurm" for some; MEGATRON_LM=FOLDER names a checkout of Megatron-LM, without which it is not judged.
interop: build
	@scripts/interop/setup.sh
	@scripts/interop/run.py $(INTEROP)

format:
	@swift format format --in-place --parallel --recursive $(SOURCES)

clean:
	@swift package clean

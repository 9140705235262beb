# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The commands people type; `make help` lists them. Meson and Ninja do the work.
#
#   BUILD=DIR           build directory (build)
#   CC=clang            compiler, looked at when BUILD is made: use another BUILD with it
#   NO_INSTALL=1        install no packages, name the missing ones and stop
#   MESON_OPTIONS=...   more options for Meson, as NAME=VALUE
#   SUITE="unit api"    only these suites of tests
#   TIMES=20            boots of each kind in linux-long
#   ARGS=...            arguments for the script behind diff, blocks, smc-long, fuzz, bench, linux-log, a64-coverage, fresh-check

BUILD ?= build
MESON_OPTIONS ?=
SUITE ?=
ARGS ?=
TIMES ?= 20
PREFIX ?= /usr/local
DESTDIR ?=

# CC is exported only where the caller gave one: make's own default is no choice.
ifneq ($(origin CC),default)
export CC
endif
export BUILD NO_INSTALL

SETUP := tools/dev/setup
# A build directory that was configured before the libraries of the board were there does not have it yet.
WITH_BOARD = @grep -q applevisor/boot.c $(BUILD)/build.ninja || meson setup --reconfigure $(BUILD)
CONFIGURE := tools/dev/configure
suites = $(foreach s,$(SUITE),--suite $(s))

# Test programs are no part of `ninja all`: meson builds those of the chosen suites by itself.
MESON_TEST := meson test --print-errorlogs

# call need,FILE: first line of what depends on another area of the tree.
need = @test -e $(1) || { echo "make $@: $(1) is not in the tree yet" >&2; exit 1; }

.PHONY: help all run test install asan tsan coverage bench diff blocks smc-long fuzz a64-coverage linux linux-debian linux-long linux-log warnings check fresh-check clean
.DEFAULT_GOAL := all

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

all: ## build the libraries and the programs
	@$(SETUP) run board
	@$(CONFIGURE) $(BUILD) $(if $(wildcard $(BUILD)/build.ninja),,tests=false) $(MESON_OPTIONS)
	$(WITH_BOARD)
	@ninja -C $(BUILD)

run: ## build, then run the example program
	$(call need,examples/hello.c)
	@$(SETUP) run
	@$(CONFIGURE) $(BUILD) $(if $(wildcard $(BUILD)/build.ninja),,tests=false) $(MESON_OPTIONS)
	@ninja -C $(BUILD) examples/hello
	@$(BUILD)/examples/hello

test: ## build and run all tests (SUITE="unit api": only these)
	@$(SETUP) run test board linux
	@$(CONFIGURE) $(BUILD) tests=true $(MESON_OPTIONS)
	$(WITH_BOARD)
	@ninja -C $(BUILD)
	@$(MESON_TEST) -C $(BUILD) $(suites)

install: ## install under PREFIX (/usr/local); DESTDIR is put in front
	@$(SETUP) run board
	@$(CONFIGURE) $(BUILD) prefix=$(PREFIX) $(if $(wildcard $(BUILD)/build.ninja),,tests=false) $(MESON_OPTIONS)
	$(WITH_BOARD)
	@ninja -C $(BUILD)
	@tools/dev/install $(BUILD) $(DESTDIR)

asan: ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(SETUP) run test board linux
	@$(CONFIGURE) $(BUILD)-asan tests=true b_sanitize=address,undefined b_lundef=false optimization=1 \
	    c_args=-fno-omit-frame-pointer $(MESON_OPTIONS)
	@ninja -C $(BUILD)-asan
	@. tools/dev/sanitizers.env && $(MESON_TEST) -C $(BUILD)-asan --timeout-multiplier 5 $(suites)

# The sanitizer's fixed address ranges collide with a kernel that randomizes more bits than gcc 12 knows of.
tsan: ## the tests under ThreadSanitizer
	@$(SETUP) run test board linux
	@$(CONFIGURE) $(BUILD)-tsan tests=true b_sanitize=thread b_lundef=false optimization=1 \
	    c_args=-fno-omit-frame-pointer $(MESON_OPTIONS)
	@ninja -C $(BUILD)-tsan
	@. tools/dev/sanitizers.env && \
	    if setarch -R true 2>/dev/null; then fixed="setarch -R"; else fixed=; fi && \
	    $$fixed $(MESON_TEST) -C $(BUILD)-tsan --timeout-multiplier 10 $(suites)

coverage: ## the tests with gcov: a summary, and HTML in build-coverage/coverage
	@$(SETUP) run test board linux coverage
	@$(CONFIGURE) $(BUILD)-coverage tests=true b_coverage=true optimization=0 $(MESON_OPTIONS)
	@ninja -C $(BUILD)-coverage
	@find $(BUILD)-coverage -name '*.gcda' -delete
	@status=0; $(MESON_TEST) -C $(BUILD)-coverage --timeout-multiplier 5 $(suites) || status=$$?; \
	    tools/dev/coverage $(BUILD)-coverage && exit $$status

# The tests of libapplevisor, built for one macOS version and run on it.
.PHONY: test-all-versions mac-check deb
AV_VERSIONS := 11-0 12-1 13-0 15-0 15-2 26-0

test-macos-%: ## libapplevisor's tests built for one macOS version: test-macos-11-0 to test-macos-26-0
	@$(SETUP) run test
	@$(CONFIGURE) $(BUILD)-macos-$* tests=true macos=$(subst -,.,$*) $(MESON_OPTIONS)
	@$(MESON_TEST) -C $(BUILD)-macos-$* --suite av

test-all-versions: $(addprefix test-macos-,$(AV_VERSIONS)) ## the same for every macOS version

coverage-macos-%: ## their coverage: a summary, and HTML in build-coverage-macos-26-0/coverage
	@$(SETUP) run test coverage
	@$(CONFIGURE) $(BUILD)-coverage-macos-$* tests=true macos=$(subst -,.,$*) b_coverage=true optimization=0 $(MESON_OPTIONS)
	@find $(BUILD)-coverage-macos-$* -name '*.gcda' -delete
	@status=0; $(MESON_TEST) -C $(BUILD)-coverage-macos-$* --timeout-multiplier 5 --suite av || status=$$?; \
	    tools/dev/coverage $(BUILD)-coverage-macos-$* && exit $$status

mac-check: ## compile and link libapplevisor, the command and the examples for arm64-apple-macos; nothing is run
	@$(SETUP) run test ci
	@$(CONFIGURE) $(BUILD) tests=true $(MESON_OPTIONS)
	@$(MESON_TEST) -C $(BUILD) mac

deb: ## build the Debian packages into build-deb (dpkg-buildpackage)
	@$(SETUP) run board deb
	@tools/package/deb $(BUILD)-deb

bench: ## measure speed (bench/run)
	$(call need,bench/run)
	@$(SETUP) run test board linux bench
	@$(CONFIGURE) $(BUILD) tests=true $(MESON_OPTIONS)
	@ninja -C $(BUILD)
	@bench/run $(ARGS)

diff: ## compare the engine with QEMU, more than `make test` does (tests/diff/run)
	$(call need,tests/diff/run)
	@$(SETUP) run test
	@$(CONFIGURE) $(BUILD) tests=true $(MESON_OPTIONS)
	@ninja -C $(BUILD)
	@tests/diff/run $(ARGS)

blocks: ## random programs on the translator and the interpreter: 10 million (tests/blocks/blocks)
	@$(SETUP) run test
	@$(CONFIGURE) $(BUILD) tests=true $(MESON_OPTIONS)
	@ninja -C $(BUILD) tests/blocks/blocks
	@$(BUILD)/tests/blocks/blocks --count 10000000 --jobs $$(nproc) $(ARGS)

smc-long: ## four vCPUs rewrite and remap each other's code for an hour (tests/blocks/smc)
	@$(SETUP) run test
	@$(CONFIGURE) $(BUILD) tests=true $(MESON_OPTIONS)
	@ninja -C $(BUILD) tests/blocks/smc/smc tests/blocks/smc/guest.bin
	@$(BUILD)/tests/blocks/smc/smc $(BUILD)/tests/blocks/smc/guest.bin --seconds 3600 $(ARGS)

fuzz: ## fuzz the engine and the API (tests/fuzz/run)
	$(call need,tests/fuzz/run)
	@$(SETUP) run test fuzz
	@tests/fuzz/run $(ARGS)

a64-coverage: ## which A64 encodings are implemented (tools/gen/a64_coverage.py)
	$(call need,tools/gen/a64_coverage.py)
	@$(SETUP) run
	@tools/gen/a64_coverage.py $(ARGS)

linux: ## fetch Debian's arm64 kernel and boot it to a shell (ARGS="--cpus 4" go to `applevisor boot`)
	@$(SETUP) run board linux
	@$(CONFIGURE) $(BUILD) $(if $(wildcard $(BUILD)/build.ninja),,tests=false) $(MESON_OPTIONS)
	$(WITH_BOARD)
	@ninja -C $(BUILD) tools/applevisor/applevisor
	@tools/dev/linux $(ARGS)

linux-debian: ## the same with a Debian root file system on a virtio disk, and a network
	@$(SETUP) run board linux
	@$(CONFIGURE) $(BUILD) $(if $(wildcard $(BUILD)/build.ninja),,tests=false) $(MESON_OPTIONS)
	$(WITH_BOARD)
	@ninja -C $(BUILD) tools/applevisor/applevisor
	@tools/dev/linux --debian $(ARGS)

linux-long: ## boot Debian 20 times with 1, 2, 4 and 8 vCPUs, and work in it (TIMES=20)
	@$(SETUP) run test board linux
	@$(CONFIGURE) $(BUILD) tests=true $(MESON_OPTIONS)
	$(WITH_BOARD)
	@ninja -C $(BUILD) tools/applevisor/applevisor
	@tests/linux/boot.py --applevisor $(BUILD)/tools/applevisor/applevisor --build $(BUILD) --times $(TIMES) \
	    --cpus 1 --cpus 2 --cpus 4 --cpus 8 --panic --debian $(ARGS)

linux-log: ## boot the Debian arm64 kernel and show its log (tests/linux/log)
	$(call need,tests/linux/log)
	@$(SETUP) run test board linux
	@$(CONFIGURE) $(BUILD) tests=true $(MESON_OPTIONS)
	@ninja -C $(BUILD)
	@tests/linux/log $(ARGS)

warnings: ## everything compiled in a build directory of its own, where a warning is an error (CC=clang)
	@$(SETUP) run test
	@$(CONFIGURE) $(BUILD)-warnings-$(notdir $(CC)) tests=true werror=true $(MESON_OPTIONS)
	@ninja -C $(BUILD)-warnings-$(notdir $(CC)) all meson-test-prereq

check: ## format of the code, licence lines, nothing left behind; without building
	@$(SETUP) ci run
	@tools/dev/check-tree
	@tools/dev/check-format

fresh-check: ## try `make run` and `make test` on a Debian made for it (tools/dev/fresh-check); needs root
	@$(SETUP) fresh
	@tools/dev/fresh-check $(ARGS)

clean: ## remove the build directories
	@rm -rf $(BUILD) $(BUILD)-macos-* $(BUILD)-coverage-macos-* $(BUILD)-asan $(BUILD)-tsan $(BUILD)-coverage $(BUILD)-warnings-*

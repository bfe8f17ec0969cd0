# The front door. Meson and Ninja do the building; this file says what a person may ask for.

.DEFAULT_GOAL := help
.PHONY: help run check demo build bench fmt lint tidy clean
.NOTPARALLEL:

BUILD ?= build

help: ## what can be asked for
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 20

run: ## install what is missing, build, start Docker if needed, serve
	@scripts/install.sh run
	@$(MAKE) --no-print-directory build
	@BUILD=$(BUILD) scripts/run.sh

build: ## the program, in build/
	@BUILD=$(BUILD) scripts/build.sh release

demo: ## a workload from registration to an answering URL and back, in under 30 s
	@scripts/install.sh run
	@$(MAKE) --no-print-directory build
	@BUILD=$(BUILD) scripts/demo.sh

check: ## every test: unit, simulator, API, Docker, crash, fuzz, tidy, lint
	@scripts/install.sh check
	@scripts/check.sh

bench: ## the benchmarks, side by side with what they are measured against
	@scripts/install.sh bench
	@BUILD=build-bench scripts/build.sh bench
	@DURE_BUILD=build-bench tests/bench/run

fmt: ## let clang-format lay out the C
	@clang-format -i $$(git ls-files '*.c' '*.h')

lint: ## clang-tidy, cppcheck, gcc -fanalyzer, all warnings as errors
	@scripts/install.sh check
	@python3 scripts/lint.py

tidy: ## the rules of the house: lengths, banned functions, room order
	@python3 tests/tidy/tidy.py

clean: ## remove what was built
	@rm -rf build build-check build-tsan build-fuzz build-crash build-bench build-lint

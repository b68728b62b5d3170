# The two commands: `make demo` runs a complete study on simulated cells, `make test` every test.
PYTHON ?= python3.11
CORES ?= $(shell nproc)
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)
DEMO := results/demo/report.zip

.PHONY: demo test check lock clean-demo

demo: .venv/run.stamp
	@$(SNAKEMAKE) --config cohort=config/cohorts/demo.yaml
	@$(MAKE) --no-print-directory $(DEMO)
	@echo
	@echo "Report:   $(DEMO)  (unpack it and open report/report.html)"
	@echo "Figures:  results/demo/figures/"
	@echo "Tables:   results/demo/  (what each one holds: README.md)"

# Made again only when the study is newer, so that a second `make demo` does nothing.
$(DEMO): results/demo/cohort.json
	@$(SNAKEMAKE) --config cohort=config/cohorts/demo.yaml --report $@

test: .venv/dev.stamp
	$(BIN)/pytest

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint

# Each list of pins is installed once; a changed list is installed again.
.venv/%.stamp: requirements/%.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement $<
	@touch $@

# Local builds of torch carry a suffix that the package index does not know.
lock: .venv/dev.stamp
	for part in run dev; do \
		$(BIN)/pip-compile --quiet --strip-extras --no-header --no-emit-index-url \
			--no-emit-find-links --no-emit-trusted-host --no-emit-options \
			--output-file requirements/$$part.txt requirements/$$part.in \
		&& sed -i 's/+cpu$$//' requirements/$$part.txt || exit 1; \
	done

clean-demo:
	rm -rf results/demo logs/demo

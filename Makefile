# The two commands: `make demo` runs a complete study on simulated cells, `make test` every test.
PYTHON ?= python3.11
CORES ?= $(shell nproc)
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)
DEMO := $(SNAKEMAKE) --config cohort=config/cohorts/demo.yaml

.PHONY: demo pictures test check docs generate conda-check lock clean-demo cytoscape

demo: .venv/run.stamp
	@$(DEMO) --quiet host reason
	@echo
	@echo "Report:   $(CURDIR)/results/demo/report.html  (open it in a browser)"
	@echo "Figures:  $(CURDIR)/results/demo/figures/"
	@echo "Tables:   $(CURDIR)/results/demo/  (README.md says what each one holds)"

# The pictures of the README, with the tables that they show, and of the gallery, from the demo.
pictures: demo
	@for name in map centrality; do \
		cp results/demo/figures/progenitor/efficiency/$$name.png docs/$$name.png && \
		cp results/demo/figures/progenitor/efficiency/$$name.tsv docs/$$name.tsv || exit 1; \
	done
	@$(BIN)/python docs/pictures.py

# Two files at a time, the long ones first; one thread each, as they share the cores.
test: .venv/dev.stamp .venv/comparisons.stamp
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint

# The site, in docs/_build/html. The pages of the library are made anew, or those of deleted modules stay.
docs: .venv/run.stamp .venv/docs.stamp
	rm -rf docs/api
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

# What follows from the typed models of config and sheet, and the page of all columns.
generate: .venv/run.stamp
	PYTHONPATH=src $(BIN)/python -m popnet.study.generate
	PYTHONPATH=src $(BIN)/python -m popnet.report.columns

# Needs conda and its channels. Runs the demo anew with its comparisons, every rule in its environment,
# then creates the one environment that is left: training on a GPU, which the override lets a machine
# without one do.
conda-check: .venv/run.stamp clean-demo
	$(DEMO) 'training={device: cpu}' --sdm conda
	$(SNAKEMAKE) comparisons --config cohort=config/cohorts/demo.yaml 'training={device: cpu}' \
		--sdm conda
	CONDA_OVERRIDE_CUDA=12.9 $(DEMO) 'training={device: cuda}' --sdm conda \
		--conda-create-envs-only --forcerun train_sivae

# Each list of pins is installed once; a changed list is installed again.
.venv/%.stamp: requirements/%.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement $<
	@touch $@

# scETM declares louvain, which it does not import and which would have to be compiled.
.venv/comparisons.stamp: requirements/comparisons.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement $<
	$(BIN)/python -m pip install --quiet --no-deps scETM==0.5.0
	@touch $@

# Local builds of torch carry a suffix that the package index does not know.
lock: .venv/dev.stamp
	for part in run comparisons dev docs; do \
		$(BIN)/pip-compile --quiet --strip-extras --no-header --no-emit-index-url \
			--no-emit-find-links --no-emit-trusted-host --no-emit-options \
			--output-file requirements/$$part.txt requirements/$$part.in \
		&& sed -i 's/+cpu$$//' requirements/$$part.txt || exit 1; \
	done

clean-demo:
	rm -rf results/demo logs/demo

# The library that draws networks in the page, with its licence, from its npm package.
CYTOSCAPE := 3.35.0
cytoscape:
	folder=$$(mktemp -d) && npm pack --silent --pack-destination $$folder cytoscape@$(CYTOSCAPE) && \
		tar -xzf $$folder/*.tgz -C $$folder && \
		cp $$folder/package/dist/cytoscape.min.js resources/ && \
		cp $$folder/package/LICENSE resources/cytoscape.LICENSE && rm -r $$folder

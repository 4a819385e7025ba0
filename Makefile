# make lab      set up, then open JupyterLab on notebooks/
# make test     set up, then run every test: lint, layers, units, every notebook, the browser
# make check    the quick part of it, without notebooks
# make run      execute the course headless, HTML below build/ (make run ONLY="08 09" for some of it)
# make sync     text sources -> notebooks, outputs kept     make notebooks   the same, executed
# make exercises  solutions -> exercises and the lecturers' page      make mutants   what the checks would let through
# make present  JupyterLab for a projector                  make demos      the live demos alone, as pages
# make explorables  js/ of the live demos -> built/, and their key frames
# make slides   every notebook as offline slides, below build/slides      make site   the course as pages, below build/site
# make test-class   nbgrader, nbgitpuller, repo2docker on ours  make test-versions   units on the oldest and the newest Python
# make bench    speed beside peers, then as make bench-explorables: the hand to new pixels
# make bench-scaling   cost against data, samples, latent dimensions and batch, as a picture
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
COURSE  = $(BIN)/python -m lvmteach
READY   = $(VENV)/.ready
ONLY   ?=
TEXT    = $(wildcard notebooks/text/*.py solutions/text/*.py)

.PHONY: lab present demos slides site explorables test check notebook-tests test-digits test-class test-versions run sync notebooks exercises mutants bench bench-scaling bench-explorables clean
.DEFAULT_GOAL := lab

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v <= (3, 13) else \
	  f"lvmteach needs Python 3.10 to 3.13, {sys.executable} is {v[0]}.{v[1]}; say make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

lab: $(READY)
	$(COURSE) lab

# What only some need is installed when it is first asked for.
$(VENV)/.slides $(VENV)/.bench $(VENV)/.versions: $(VENV)/.%: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

present: $(READY)
	$(COURSE) present

demos: $(READY)
	$(COURSE) demos

site: $(READY)
	$(COURSE) site

slides: $(VENV)/.slides
	$(COURSE) slides $(ONLY)

UNITS = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(UNITS) -m "not browser and not notebooks and not exercises and not slow"

# Two notebooks at a time, a core each: so much of a notebook is Python that this is faster than two cores for one.
# Strict: every live demo is moved to its ends.
NBVAL = LVMTEACH_STRICT=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --nbval-lax --nbval-current-env --nbval-cell-timeout=300 --timeout=600

notebook-tests: $(READY)
	$(NBVAL) $(wildcard notebooks/*.ipynb solutions/*.ipynb)

test: check notebook-tests $(VENV)/.slides
	$(UNITS) --dist load -m "exercises or slow"
	$(UNITS) -m "browser or notebooks"

# What reads images, where MNIST cannot be had.
test-digits: $(READY)
	env -u LVMTEACH_DATA LVMTEACH_IMAGES=digits $(BIN)/python -m pytest -q -m "not slow" tests/test_data*.py
	env -u LVMTEACH_DATA LVMTEACH_IMAGES=digits $(NBVAL) $(shell grep -l load_images notebooks/*.ipynb solutions/*.ipynb 2>/dev/null)

# In an environment of its own: nbgrader brings a server and a database along.
$(VENV)-class/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)-class
	$(VENV)-class/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,class]'
	@touch $@

test-class: $(VENV)-class/.ready
	$(VENV)-class/bin/python -m pytest -q --timeout=1200 tests/nbgrader_route.py tests/deploy_route.py

# The unit tests at both ends of what pyproject.toml allows; OLDEST and NEWEST may also be the paths of two Pythons, and
# the variable UV_TORCH_BACKEND=cpu saves some gigabytes.
UNITS_ONLY = -m "not browser and not notebooks and not exercises and not slow" --ignore=tests/test_packaging.py
OLDEST ?= 3.10
NEWEST ?= 3.13
UV      = $(BIN)/python -m uv
test-versions: $(VENV)/.versions
	$(UV) venv --quiet --clear --python $(OLDEST) $(VENV)-oldest
	$(UV) pip install --quiet --python $(VENV)-oldest --resolution lowest-direct --editable '.[dev]'
	$(UV) venv --quiet --clear --python $(NEWEST) $(VENV)-newest
	$(UV) pip install --quiet --python $(VENV)-newest --upgrade --editable '.[dev]'
	for end in oldest newest; do \
	  OMP_NUM_THREADS=1 $(VENV)-$$end/bin/python -m pytest -q -n 2 --dist loadfile $(UNITS_ONLY) || exit 1; done

run: $(READY)
	$(COURSE) run $(ONLY)

sync: $(READY)
	$(BIN)/python -m lvmteach.classroom.publish.notebooks sync $(TEXT)

notebooks: $(READY)
	$(BIN)/python -m lvmteach.classroom.publish.notebooks execute $(TEXT)

exercises: $(READY)
	$(COURSE) release solutions exercises
	$(BIN)/python -m lvmteach.classroom.exercises.overview solutions

# The demos' JavaScript, minified, and their key frames. Needs Node and Chromium; users need neither.
explorables: $(READY)
	$(BIN)/python -m lvmteach.classroom.explorables.bundle $(ONLY)

mutants: $(READY)
	$(BIN)/python -m benchmarks.mutants

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks $(ONLY)

bench-scaling: $(VENV)/.bench
	$(BIN)/python -m benchmarks.scaling

bench-explorables: $(READY)
	$(BIN)/python -m benchmarks.explorables $(ONLY)
	$(BIN)/python -m benchmarks.pages $(ONLY)

clean:
	find build -mindepth 1 -maxdepth 1 -not -name long -exec rm -rf {} +  # build/long: hours of training
	rm -rf $(VENV) $(VENV)-class $(VENV)-oldest $(VENV)-newest .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info

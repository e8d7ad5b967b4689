PYTHON := $(shell python3.11 -c 'print("python3.11")' 2>/dev/null || echo python3)
INSTALLED := .venv/.installed
WAITING := e2e pages test_ends.py test_guard.py test_jobs.py test_late.py test_pictures.py \
	test_served.py test_server.py test_speed.py test_sweep.py test_visits.py
NUMERICAL := estimators evaluation objectives sphere clustering strategies distance_shares

.PHONY: run test numerics lint bench models samples three

# Open the app in the browser.
run: $(INSTALLED)
	.venv/bin/streamlit run app.py

# Run every test: most of those of servers, engines and times, which wait more than they compute, and
# beside them all others.
test: $(INSTALLED)
	.venv/bin/pytest -p no:cacheprovider tests $(WAITING:%=--ignore=tests/%) & others=$$!; \
	.venv/bin/pytest -p no:cacheprovider $(WAITING:%=tests/%); waiting=$$?; \
	wait $$others && exit $$waiting

# Run the tests of what is computed by BLAS under two of its kernels, with one and two threads.
numerics: $(INSTALLED)
	for threads in 1 2; do echo "Haswell and Nehalem, threads: $$threads"; runs=; \
	for kernel in Haswell Nehalem; do \
	OPENBLAS_CORETYPE=$$kernel OPENBLAS_NUM_THREADS=$$threads OMP_NUM_THREADS=$$threads \
	.venv/bin/pytest -p no:cacheprovider $(NUMERICAL:%=tests/test_%.py) & runs="$$runs $$!"; \
	done; for run in $$runs; do wait $$run || exit 1; done; done

# Check style and formatting.
lint: $(INSTALLED)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

# Time the training loops.
bench: $(INSTALLED)
	.venv/bin/python -m deepsvdd_core.benchmark.speed

# Train the ready-made models in assets/models.
models: $(INSTALLED)
	.venv/bin/python -m deepsvdd_core.ready_made

# Draw the bundled samples in assets/samples from their sources.
samples: $(INSTALLED)
	.venv/bin/python assets/make_samples.py

# Bundle what the map needs of three.js from npm; needs Node.js.
three:
	cd assets/components && npm install --no-save --prefix /tmp/three three@0.187.0 esbuild@0.28.2 \
	&& NODE_PATH=/tmp/three/node_modules /tmp/three/node_modules/.bin/esbuild three_parts.js \
	--bundle --minify --format=esm --legal-comments=inline --outfile=three.js

# The environment is made on first use and anew only when requirements.txt changes.
$(INSTALLED): requirements.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

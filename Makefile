# Every target first creates .venv from the lock; nothing is installed outside this folder.
# UV_VERSION is installed in .uv/ if the machine has no uv.
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
# The tests of `make test` and `make test-integration`. Those that need more than Python and
# a package index, or many minutes, have separate targets.
QUICK := not (slow or movielens or browser or flink or kubeflow or kubernetes or reliability \
  or sources or kafka or mlflow or otel)
# tests/conftest.py puts the files that take longest first. Without the last option, those
# with the fewest tests would come last: whole runs, while one core has nothing left to do.
# Tests of processes wait for a third of their time: a third worker uses it.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder
PYTEST := $(BIN)/pytest -q $(PARALLEL)
PYTHON := $(or $(shell command -v python3.11 2>/dev/null),python3)
PYTHON_MISSING := Python 3.11 is missing and could not be downloaded: run "apt-get install \
  python3.11-dev python3.11-venv", "pyenv install 3.11" or "uv python install 3.11", then make

.DEFAULT_GOAL := help
.PHONY: help install licences defaults run test test-integration coverage test-slow test-movielens test-browser test-flink test-kafka test-kubeflow \
  test-kubernetes test-mlflow test-otel test-reliability test-sources minio hdfs kafka kafka-to-spans check docs format lock clean flink image \
  bench-pipeline bench-batch bench-cores bench-ncf bench-ctr bench-rmse bench-seq bench-seq-full bench-seq-temporal bench-general bench-retrain \
  bench-optimizers bench-fingerprint bench-deepctr bench-implicit bench-lightfm bench-recbole bench-sequence \
  bench-serve bench-events bench-skew bench-warm-start bench-tune bench-sources \
  bench-flink bench-gate bench-trials demo-loop bench-store bench-new-items bench-index bench-evaluation bench-two-stages bench-scale \
  bench-run bench-run-quick bench-jobs bench-plan bench-training-memory bench-large-tables bench-gpu bench-obp bench-off-policy

help: ## Show the targets
	@grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 43

run: $(READY) ## Train three models on the generated sample and deploy the best
	@$(BIN)/marquee run

test: $(READY) ## Tests that take seconds each, 12 minutes on two cores
	@$(PYTEST) -m "not integration and $(QUICK)"

test-integration: $(READY) ## Trainings, servers and whole runs, 20 to 30 minutes on two cores
	@$(PYTEST) -m "integration and $(QUICK)"

# A job of its own in CI. The floors are one point below a complete run.
FLOORS := components=97 kubeflow=92 pipeline=95 trainer_modules=91
coverage: $(READY) ## Measure the coverage of make test and test-integration; too little is an error
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q $(PARALLEL) -m "$(QUICK)"
	@$(BIN)/coverage combine --quiet
	@for floor in $(FLOORS); do \
	  $(BIN)/coverage report --include="$${floor%=*}/*" --fail-under="$${floor#*=}" || exit; \
	done

test-slow: $(READY) ## End-to-end tests of the gate, retraining and the README
	@$(PYTEST) -m "slow and not movielens"

test-movielens: $(READY) ## Tests on MovieLens 100K and 1M (MARQUEE_DATA_DIR)
	@$(PYTEST) -m movielens

test-browser: $(READY) ## Test the report in Debian's Chromium (apt-get install chromium)
	@$(BIN)/pytest -q -m browser tests/browser

test-flink: $(READY) flink ## Test the data steps on a local Flink (openjdk-17-jdk, maven)
	@$(BIN)/pytest -q -m flink tests/flink

test-kafka: $(READY) flink kafka kafka-to-spans ## Test Kafka to spans on a local Flink (openjdk-17-jdk, maven)
	@$(BIN)/pytest -q -m kafka tests/pipeline/retraining/kafka

test-kubeflow: $(READY) ## Test workflows, studies on databases, and alerts (apt-get install mariadb-server postgresql prometheus)
	@$(BIN)/pytest -q -m kubeflow tests/kubeflow tests/trainer_modules/tuning

test-sources: $(READY) ## Test data in databases, and in stores after make minio hdfs (apt-get install mariadb-server postgresql)
	@$(BIN)/pytest -q -m sources tests/pipeline/datasets tests/components/ratings_example_gen/stores

test-mlflow: $(READY) build/mlflow/.ready ## Test the copy of runs on MLflow, installed in build/ (600 MB)
	@$(BIN)/pytest -q -m mlflow tests/pipeline/mlflow_mirror

# Not in the lock: it is only used for these tests.
build/mlflow/.ready: tests/mlflow/requirements.txt | $(READY) $(UV)
	@$(UV) venv --quiet --clear --python $(BIN)/python build/mlflow
	@$(UV) pip install --quiet --python build/mlflow/bin/python --requirement $<
	@touch $@

test-otel: $(READY) build/otel/collector ## Test traces with OpenTelemetry's collector, built in build/otel (Go)
	@$(BIN)/pytest -q -m otel tests/pipeline/test_collector.py

build/otel/collector: tests/otel/main.go tests/otel/go.mod tests/otel/go.sum
	@echo "Building OpenTelemetry's collector (about two minutes the first time)"
	@mkdir -p build/otel && cp $^ build/otel
	@cd build/otel && CGO_ENABLED=0 go build -mod=mod -trimpath -ldflags "-s -w" -o collector .

minio: build/minio/minio ## Build MinIO, the object store of make test-sources, in build/minio (Go)

build/minio/minio: tests/minio/go.mod tests/minio/go.sum
	@echo "Building MinIO (1 GB of modules, some minutes the first time)"
	@mkdir -p build/minio && cp $^ build/minio
	@cd build/minio && CGO_ENABLED=0 go build -mod=mod -trimpath -ldflags "-s -w" -o minio \
	  github.com/minio/minio

hdfs: build/hdfs ## Fetch Hadoop's jars, the HDFS of make test-sources, into build/hdfs (openjdk-17-jdk, maven)

build/hdfs: tests/hdfs/pom.xml
	@echo "Fetching Hadoop's jars (90 MB)"
	@rm -rf $@
	@mvn --quiet --batch-mode --file $< dependency:copy-dependencies || { rm -rf $@; exit 1; }

kafka: build/kafka/broker ## Fetch Kafka's jars, the broker of make test-kafka, into build/kafka/broker

build/kafka/broker: tests/kafka/pom.xml
	@echo "Fetching Kafka's jars (50 MB)"
	@rm -rf $@
	@mvn --quiet --batch-mode --file $< dependency:copy-dependencies || { rm -rf $@; exit 1; }

# Flink unpacks the jars in lib/ of a job's jar.
KAFKA_TO_SPANS := pipeline/retraining/kafka
kafka-to-spans: build/kafka/kafka-to-spans.jar ## Build the Flink job from Kafka to spans (openjdk-17-jdk, maven)

build/kafka/kafka-to-spans.jar: $(KAFKA_TO_SPANS)/pom.xml $(KAFKA_TO_SPANS)/KafkaToSpans.java
	@echo "Fetching Flink's libraries and connectors (80 MB)"
	@rm -rf build/kafka/job
	@for scope in provided runtime; do mvn --quiet --batch-mode --file $< \
	  dependency:copy-dependencies -DincludeScope=$$scope \
	  -DoutputDirectory=$(CURDIR)/build/kafka/job/$$scope/lib || exit; done
	@javac --release 11 -cp "build/kafka/job/provided/lib/*:build/kafka/job/runtime/lib/*" \
	  -d build/kafka/job/runtime $(KAFKA_TO_SPANS)/KafkaToSpans.java
	@jar --create --file $@ --main-class KafkaToSpans -C build/kafka/job/runtime .

# Each can be set on the command line: the command that builds an image, and the one that
# loads it into the nodes of KUBECONFIG's cluster (LOAD_ARCHIVE takes buildah's file).
VARIANT := cpu
IMAGE := docker.io/library/marquee:$(VARIANT)
ARCHIVE := build/marquee-$(VARIANT).tar
LOAD_ARCHIVE := ctr --namespace k8s.io images import
ifneq ($(shell command -v buildah 2>/dev/null),)
  BUILD_IMAGE := buildah bud --isolation chroot --network host --layers
  LOAD_IMAGE := mkdir -p build && rm -f $(ARCHIVE) && \
    buildah push -q $(IMAGE) docker-archive:$(ARCHIVE):$(IMAGE) && \
    $(LOAD_ARCHIVE) $(ARCHIVE)
else
  BUILD_IMAGE := docker build
  LOAD_IMAGE := kind load docker-image $(IMAGE)
endif

image: ## Build the image for Kubeflow's steps; VARIANT=gpu for GPUs
	@$(BUILD_IMAGE) --build-arg VARIANT=$(VARIANT) -f kubeflow/Dockerfile -t $(IMAGE) .

test-kubernetes: $(READY) image ## Test real runs on the cluster of KUBECONFIG, half an hour (docs/kubeflow.md)
	@$(LOAD_IMAGE)
	@MARQUEE_IMAGE=$(IMAGE) $(BIN)/pytest -q -m kubernetes tests/kubernetes

test-reliability: $(READY) ## Test kills, faults, hostile input and 30 days of a closed loop, more than an hour (apt-get install faketime)
	@$(BIN)/pytest -q -m reliability

check: $(READY) ## Formatting, lint, types, imports and prose, as CI checks them
	@$(BIN)/ruff format --check --quiet --diff .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/hadolint kubeflow/Dockerfile
	@imports=$$($(BIN)/lint-imports --no-cache --no-logo) || { echo "$$imports"; exit 1; }
	@git ls-files | xargs $(BIN)/codespell
	@$(BIN)/python docs/contributing/prose.py
	@$(BIN)/pytest -q tests/test_light_imports.py

# No --quiet, which would hide the warnings that --strict turns into errors.
docs: $(READY) ## Build the site of docs/ in build/docs; broken links are errors
	@NO_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict --clean

defaults: $(READY) ## Write configs/default.yaml from the declared settings
	@$(BIN)/python -m pipeline.config.default_yaml

licences: $(READY) ## List the licences of the locked packages in docs/licences.md
	@$(BIN)/python docs/licences.py

format: $(READY) ## Format the code and fix what the linter can fix
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format .

install: $(READY) ## Create .venv from the lock; every target does this
	@:

lock: $(UV) ## Resolve requirements.in into requirements.txt
	@$(UV) pip compile --quiet --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate requirements.in -o requirements.txt
	@for variant in cpu gpu; do $(UV) pip compile --quiet --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --constraint requirements.txt \
	  kubeflow/requirements-$$variant.in -o kubeflow/requirements-$$variant.txt || exit; \
	done

# DATA=ml-100k is quick; PARTS="stock training" measures only those (docs/benchmarks.md).
bench-pipeline: DATA := ml-1m
bench-pipeline: $(READY) ## Compare this pipeline with TFX's own components on the same ratings
	@$(BIN)/python -m benchmarks.pipeline --data $(DATA) $(PARTS)

# Figures of docs/results.md; ROWS="gmf mlp" measures only those rows of the table. DATA
# may also be beauty or steam, from files of your own in MARQUEE_DATA_DIR.
bench-ncf bench-ctr bench-rmse bench-seq bench-seq-full bench-seq-temporal bench-general: DATA := ml-1m
bench-ncf bench-ctr bench-rmse bench-seq bench-seq-full bench-seq-temporal bench-general: $(READY) ## Compare models with published figures
	@$(BIN)/python -m benchmarks.quality $(@:bench-%=%) --data $(DATA) $(ROWS)

bench-gpu: ARGUMENTS :=
bench-gpu: $(READY) ## Measure the training of every model on the GPUs of this machine
	@$(BIN)/python -m benchmarks.gpu $(ARGUMENTS)

bench-batch: $(READY) ## Measure seconds and memory of lists for all users of MovieLens 1M
	@$(BIN)/python -m benchmarks.pipeline batch --write

bench-retrain: $(READY) ## Replay MovieLens 1M month by month, beside a model never retrained
	@$(BIN)/python -m benchmarks.retraining

bench-cores: $(READY) ## Measure the data steps on 10 and 25 million generated ratings
	@$(BIN)/python -m benchmarks.pipeline cores --write

bench-serve: $(READY) ## Measure the server's requests per second, across a version switch
	@$(BIN)/python -m benchmarks.serving --write

bench-events: $(READY) ## Measure the events that the server writes, and the cost of logging lists
	@$(BIN)/python -m benchmarks.events --write

bench-fingerprint: DATA := ml-1m
bench-fingerprint: $(READY) ## Compare hashing the bytes of the input with reading them
	@$(BIN)/python -m benchmarks.fingerprint --data $(DATA)

# ROWS="--rows 100000" is quick. Needs what make test-sources needs, and make minio.
bench-sources: ROWS :=
bench-sources: $(READY) ## Compare rows of databases and of S3 with the same rows as Parquet
	@$(BIN)/python -m benchmarks.sources $(ROWS)

# ARGUMENTS="--movielens --write" adds MovieLens and writes docs/benchmarks.md. The quick
# one compares with the last release, whose record in benchmarks/ --record writes.
bench-run: ARGUMENTS :=
bench-run-quick: ARGUMENTS := --quick
bench-run bench-run-quick: $(READY) ## Compare the seconds of commands with an earlier commit
	@$(BIN)/python -m benchmarks.run $(ARGUMENTS)

# ARGUMENTS="--data ml-100k --models deepfm,ncf --jobs 1 --jobs 4" measures another run.
bench-jobs: ARGUMENTS :=
bench-jobs: $(READY) ## Compare a run whose steps run at once with one without
	@$(BIN)/python -m benchmarks.side_by_side measure $(ARGUMENTS)

bench-training-memory: $(READY) ## Measure the bytes that a training takes for each rating
	@$(BIN)/python -m benchmarks.training_memory --write

# ARGUMENTS="--rows 2000000 --ratings 500000" takes a minute, and 1 GB.
bench-large-tables: ARGUMENTS := --write
bench-large-tables: $(READY) ## Train a table of 50 million rows by two processes with half of it each
	@$(BIN)/python -m benchmarks.large_tables $(ARGUMENTS)

bench-plan: $(READY) ## Measure the reference runs that `marquee run --plan` estimates from
	@$(BIN)/python -m benchmarks.plan --write

bench-store: $(READY) ## Measure a cached run with 1,000 runs in the metadata store
	@$(BIN)/python -m benchmarks.store

bench-gate: $(READY) ## Measure (false) promotions by the gate over seasons of nights
	@$(BIN)/python -m benchmarks.gate --write

bench-trials: $(READY) ## Measure how soon versions on trial are decided, and how often wrongly
	@$(BIN)/python -m benchmarks.trials --write

bench-skew: $(READY) ## Count alerts of `marquee skew` in hours without skew
	@$(BIN)/python -m benchmarks.served_skew

demo-loop: $(READY) ## Show 30 days of people from whom the server learns, bots and a bad model (apt-get install faketime)
	@$(BIN)/python -m benchmarks.loop

bench-optimizers: $(READY) ## Compare Adam and LazyAdam on tables with many rows
	@$(BIN)/python -m benchmarks.optimizers

# Table of docs/results/warm-start.md; MODELS=gmf measures only that model.
bench-warm-start: $(READY) ## Measure the epochs that a start from the live model saves
	@$(BIN)/python -m benchmarks.warm_start $(MODELS)

# Table of docs/results/tuning.md; MODELS=ease measures only that model.
# MODELS="--alone gmf" has no random search beside it.
bench-tune: DATA := ml-100k
bench-tune: BUDGET := 5m
bench-tune: $(READY) ## Compare settings of the Tuner with defaults and a random search's
	@$(BIN)/python -m benchmarks.tune --data $(DATA) --budget $(BUDGET) $(MODELS)

# Not in the lock: it is only used for this comparison.
bench-deepctr: $(READY) | $(UV) ## Compare training speed with DeepCTR, installed in build/
	@$(UV) pip install --quiet --target build/deepctr --no-deps \
	  --python $(BIN)/python deepctr==0.9.4
	@PYTHONPATH=build/deepctr $(BIN)/python -m benchmarks.deepctr --write

bench-implicit: $(READY) | $(UV) ## Compare alternations of mf_als with implicit's, installed in build/
	@$(UV) pip install --quiet --target build/implicit --no-deps \
	  --python $(BIN)/python implicit==0.7.3 threadpoolctl==3.8.0
	@PYTHONPATH=build/implicit $(BIN)/python -m benchmarks.implicit_als --write

# Not in the lock: it is only used for this comparison. It writes the numbers of a test.
bench-obp: $(READY) | $(UV) ## Write the estimates of Open Bandit Pipeline, installed in build/
	@$(UV) pip install --quiet --target build/obp --no-deps --python $(BIN)/python \
	  obp==0.5.5 scikit-learn==1.1.3 threadpoolctl==3.8.0 seaborn==0.13.2
	@PYTHONPATH=build/obp $(BIN)/python -m benchmarks.open_bandit_pipeline

bench-off-policy: $(READY) ## Compare off-policy estimates with nDCG on clicks, in known worlds
	@$(BIN)/python -m benchmarks.off_policy_ranking

bench-recbole: $(READY) build/torch/.ready ## Compare training speed with RecBole, installed in build/ (5 GB)
	@$(BIN)/python -m benchmarks.recbole --write

# ARGUMENTS="--rounds 1 sasrec" measures less, and does not write docs/benchmarks.md.
bench-sequence: ARGUMENTS := --write
bench-sequence: $(READY) build/torch/.ready ## Compare tokens per second with RecTools and RecBole, installed in build/ (5 GB)
	@$(BIN)/python -m benchmarks.sequence $(ARGUMENTS)

build/torch/.ready: benchmarks/torch.txt | $(READY) $(UV)
	@$(UV) venv --quiet --clear --python $(BIN)/python build/torch
	@$(UV) pip install --quiet --python build/torch/bin/python --requirement $<
	@touch $@

# Not in the lock: they are only used for this comparison. hnswlib takes a C++ compiler.
bench-index: $(READY) | $(UV) ## Compare the index of items with hnswlib and ScaNN, in build/
	@$(UV) pip install --quiet --target build/index --no-deps \
	  --python $(BIN)/python hnswlib==0.8.0 scann==1.3.0
	@PYTHONPATH=build/index $(BIN)/python -m benchmarks.item_index --write

bench-two-stages: $(READY) ## Compare a list of two_stage with one of its ranking model
	@$(BIN)/python -m benchmarks.two_stages --write

bench-evaluation: $(READY) ## Measure exact ranks among a million items
	@$(BIN)/python -m benchmarks.evaluation --write

bench-new-items: DATA := ml-1m
bench-new-items: $(READY) ## Measure two_tower on items that training never saw
	@$(BIN)/python -m benchmarks.new_items --data $(DATA) --write

# RecTools' release of LightFM 1.17: LightFM's own has no wheel, and its setup.py fails in
# an isolated build. It is compiled here, which takes a C compiler.
bench-lightfm: DATA := ml-1m
bench-lightfm: $(READY) | $(UV) ## Compare warp_mf with LightFM, compiled in build/ (gcc)
	@$(UV) pip install --quiet --target build/lightfm --no-deps \
	  --python $(BIN)/python rectools-lightfm==1.17.3
	@PYTHONPATH=build/lightfm $(BIN)/python -m benchmarks.lightfm --data $(DATA) --write

bench-flink: $(READY) flink ## Compare the data steps on Flink and in this process, on ten times the data
	@$(BIN)/python -m benchmarks.flink --write

# RUNNER=flink needs make flink. WRITE=--write replaces a table of docs/benchmarks.md.
bench-scale: EVENTS := 1000000
bench-scale: ITEMS := 20000
bench-scale: USERS := 100000
bench-scale: RUNNER := direct
bench-scale: $(READY) ## Measure every step on generated events: seconds, and memory
	@$(BIN)/python -m benchmarks.scale --events $(EVENTS) --items $(ITEMS) --users $(USERS) \
	  --runner $(RUNNER) $(WRITE)

flink: build/flink/quiet.jar ## Install a standalone Flink with Beam's job server in build/flink

build/flink/quiet.jar: benchmarks/flink/pom.xml benchmarks/flink/QuietClassLoader.java
	@echo "Fetching Flink's jars (190 MB, some minutes the first time)"
	@rm -rf build/flink
	@mvn --quiet --batch-mode --file benchmarks/flink/pom.xml dependency:copy-dependencies
	@javac -d build/flink/classes benchmarks/flink/QuietClassLoader.java
	@jar --create --file $@ -C build/flink/classes .

clean: ## Remove .venv, .uv, caches and builds; runs stay
	@rm -rf $(VENV) .uv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache \
	  .hypothesis .coverage*

$(READY): requirements.txt setup.py pyproject.toml | $(UV)
	@echo "Setting up $(VENV) from requirements.txt (some minutes the first time)"
	@# A .venv of another Python is replaced. uv downloads Python if it is missing.
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
	  $(UV) venv -qq --clear --python 3.11 $(VENV) || { echo '$(PYTHON_MISSING)'; exit 1; }
	@# Compiled to bytecode now, so that TFX imports in half the time from the first run on.
	@$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python \
	  --require-hashes requirements.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.uv/bin/uv:
	@echo "Installing uv $(UV_VERSION) in .uv/"
	@$(PYTHON) -m venv .uv
	@.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

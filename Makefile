# Every target installs what it needs, asks nothing, and exits non-zero on failure.

.DEFAULT_GOAL := demo
.PHONY: demo test oracle clients durability soak check lint deb bench appliance build-packages disk-packages fault-packages manual-packages proxy-packages speech-packages

# The main job, from an empty folder to a transcript; see packaging/demo/run.
demo: build-packages speech-packages
	cargo build --release --locked
	packaging/demo/run target/release

# Every test.
test: check fault-packages manual-packages proxy-packages speech-packages
	$(MAKE) oracle
	cargo test --locked --test e2e
	$(MAKE) clients
	$(MAKE) durability
	$(MAKE) appliance

# Recordings of every kind are compared with what ffmpeg hears in them, in a few
# minutes; ROWS=mkv has only those with "mkv" in their names.
oracle: build-packages speech-packages
	$(if $(ROWS),ORACLE='$(ROWS)') cargo test --locked --bin scribed-transcriber media::oracle

# Clients of others upload over connections that break; SCENES="curl lan" runs these alone.
clients: build-packages speech-packages
	@packaging/install-packages chromium curl iproute2 python3-venv $(if $(shell command -v npm),,nodejs npm)
	cargo build --locked
	tests/clients/run target/debug $(SCENES)

# Power cuts, failing disks and full ones, and daemons that are broken on purpose,
# which must be caught; as root. SEED=N repeats a run, POWERCUT_STATES=N is how
# many power cuts are made on each file system.
durability: build-packages speech-packages disk-packages
	cargo test --locked --features sabotage --test durability broken -- --test-threads=1 --nocapture
	cargo test --locked --test durability -- --test-threads=1 --nocapture

# Hostile bytes for SECONDS_EACH seconds (60) on each fuzz target, see tests/fuzz;
# then mixed abuse for SECONDS_EACH seconds (1200), and power cuts with ever new
# seeds, for SECONDS_EACH seconds (600) on each file system and a thousand times at
# least.
soak: build-packages speech-packages disk-packages
	tests/fuzz/run
	cargo test --locked --test e2e neighbours::abuse::soak -- --ignored --nocapture
	cargo test --locked --test durability soak -- --ignored --test-threads=1 --nocapture

# The package on Debian 12 and 13, each booted with a systemd of its own; see tests/appliance.
appliance: deb speech-packages
	@packaging/install-packages curl debootstrap iproute2 jq squashfs-tools systemd-container
	tests/appliance/roots target/roots bookworm trixie
	for release in bookworm trixie; do \
	    tests/appliance/run target/roots/$$release.squashfs target/debian/*.deb target/deb-build/release/scribed || exit 1; \
	done

# The quick part, for daily work.
check: lint speech-packages
	cargo test --locked --lib --bins --test structure -- --skip media::oracle

lint: build-packages
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	packaging/check-units

# The Debian package, into target/debian/.
deb: build-packages
	@packaging/install-packages debhelper jq lintian
	packaging/build-deb

# How fast uploads are taken in, beside other servers, and become text, in one
# table. To choose:
# make bench ROUNDS=3 ONLY=A,C SERVERS=scribed,rustus SCRIBED=old=PATH,new=PATH
ROUNDS ?= 5
bench: build-packages speech-packages
	benches/peers/install target/bench
	cargo bench --locked --bench uploads -- --rounds $(ROUNDS) \
	    $(if $(ONLY),--only $(ONLY)) $(if $(SERVERS),--servers $(SERVERS)) $(if $(SCRIBED),--scribed $(SCRIBED))

# whisper.cpp and libopus are compiled from source; libsystemd is linked.
build-packages:
	@packaging/install-packages cmake clang g++ libclang-dev libsystemd-dev pkg-config

# Recordings for the demo and the tests are synthesised, never shipped.
speech-packages:
	@packaging/install-packages espeak-ng ffmpeg sox

# The file systems that the durability tests run on.
disk-packages:
	@packaging/install-packages e2fsprogs mount util-linux xfsprogs

# A wall clock that tests can set.
fault-packages:
	@packaging/install-packages libfaketime

# What shows manual pages, and warns about mistakes in them.
manual-packages:
	@packaging/install-packages groff-base

# The proxy that tests put in front of scribed, and a client that speaks TLS.
proxy-packages:
	@packaging/install-packages curl nginx openssl

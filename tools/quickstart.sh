#!/usr/bin/env bash
# Install, train, test and draw on the embedded data set: bash tools/quickstart.sh
# Trains a small R2-VOS for a few minutes, from the backbone weights in configs/checkpoints, and
# shows that its masks follow the sentences; then tests the shipped checkpoint and draws its masks.
# Every step adapts to the speed of the machine, so that the whole takes about QUICKSTART_MINUTES.
#
# Environment variables:
#   QUICKSTART_MINUTES  minutes for everything, 10 by default
#   QUICKSTART_WORK     folder for the results, work_dirs/quickstart by default
#   PYTHON              the Python to make .venv with
set -euo pipefail
cd "$(dirname "$0")/.."

MINUTES=${QUICKSTART_MINUTES:-10}
WORK=${QUICKSTART_WORK:-work_dirs/quickstart}
QUICK=configs/r2vos/r2vos_tiny_2xb4-quick_refshapes.py
CONFIG=configs/r2vos_tiny_refshapes.py
SHIPPED=configs/checkpoints/r2vos_tiny_refshapes.pth
PY=.venv/bin/python
# Seconds that each step may take; training gets what is left.
DATA_SECONDS=40 COMPARE_SECONDS=55 TEST_SECONDS=75
STARTUP_SECONDS=75 # starting Python, loading models and drawing curves, all steps together
STEP=0

step() { # step TITLE COMMAND...: announce a step, run it and print its duration
    local title=$1 begin=$SECONDS
    shift
    STEP=$((STEP + 1))
    printf '\n== %d/6  %s\n' "$STEP" "$title"
    "$@"
    printf -- '-- step %d took %d s; %d s since the start\n' "$STEP" "$((SECONDS - begin))" "$SECONDS"
}

logged() { # logged LOG COMMAND...: write all output to LOG and show progress on the screen
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    if ! "$@" 2>&1 | tee "$log" | sed -unE "$PROGRESS"; then
        tail -n 20 "$log" >&2
        echo "error: this step failed; its log is $log" >&2
        return 1
    fi
}
PROGRESS='/ Iter\(|Time limit|fit into|Precision on/{s/^[^ ]+ ([0-9:]+) - [^ ]+ - [A-Z]+ - /\1 /;s/^(.{110}).+/\1.../;p}'

announce() {
    cat <<TEXT
This takes about $MINUTES minutes on two CPU cores:
  1. install the pinned versions into .venv             about 3 min, once
  2. make the synthetic data set RefShapes              up to $DATA_SECONDS s
  3. train a small R2-VOS                               1.5 to 5 min, the time that is left
  4. compare right and shuffled sentences               about $COMPARE_SECONDS s
  5. test and draw the shipped checkpoint               about $TEST_SECONDS s
  6. print the results
Results go to $WORK.
TEXT
}

make_data() { # a complete data/refshapes is used; otherwise a set of the size that time allows
    DATA=data/refshapes
    if [ ! -f "$DATA/pairs/valid.json" ] || [ ! -f "$DATA/pairs/train.json" ]; then
        DATA=data/refshapes_quick
    fi
    if [ -f "$DATA/pairs/valid.json" ] && [ -f "$DATA/pairs/train.json" ]; then
        echo "reusing $DATA"
        return
    fi
    local make=(tools/dataset_converters/make_refshapes.py) count
    count=$("$PY" - "$DATA_SECONDS" "${make[@]}" <<'PYTHON'
import subprocess, sys, tempfile, time

seconds, probe = float(sys.argv[1]), 40
start = time.monotonic()
with tempfile.TemporaryDirectory() as folder:
    command = [sys.executable, *sys.argv[2:], folder]
    command += ['--train', str(probe), '--valid', '0', '--quiet']
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
elapsed = time.monotonic() - start
print(max(200, min(1500, int((seconds - elapsed) * probe / elapsed) - 50)))
PYTHON
    )
    "$PY" "${make[@]}" "$DATA" --train "$count" --valid 50 --overwrite
}

data_options() {
    local part
    for part in train test; do
        echo "${part}_dataloader.dataset.data_root=$DATA"
    done
}

remove_training() { # only a folder that a training of this config wrote, or an empty one
    rmdir "$1" 2>/dev/null || true
    if [ -e "$1" ] && [ ! -f "$1/$(basename "$QUICK")" ]; then
        echo "error: $1 is not from an earlier quick start; move it, or set QUICKSTART_WORK" >&2
        return 1
    fi
    rm -rf "$1"
}

train() {
    local minutes log=$WORK/train.log
    minutes=$("$PY" -c "
left = 60 * $MINUTES - $SECONDS - $COMPARE_SECONDS - $TEST_SECONDS - $STARTUP_SECONDS
print(round(min(300, max(90, left)) / 60, 2))")
    echo "training for at most $minutes min; the log is $log"
    remove_training "$WORK/train"
    # shellcheck disable=SC2046
    logged "$log" env "PYTHON=$PY" tools/dist_train.sh "$QUICK" "$(processes)" \
        --work-dir "$WORK/train" --cfg-options custom_hooks.0.max_minutes="$minutes" \
        val_cfg=None val_dataloader=None val_evaluator=None $(data_options)
    "$PY" tools/analysis_tools/plot_losses.py "$WORK/train" --out "$WORK/pictures/losses.png"
}

processes() { # one for a GPU; on a CPU two processes of one thread beat one process of two
    "$PY" -c 'import os, torch; print(1 if torch.cuda.is_available() else min(2, os.cpu_count()))'
}

compare() {
    # shellcheck disable=SC2046
    "$PY" tools/analysis_tools/sanity_baselines.py "$QUICK" "$(cat "$WORK/train/last_checkpoint")" \
        --max-seconds "$COMPARE_SECONDS" --out "$WORK/sanity.json" --cfg-options $(data_options)
}

test_and_draw() {
    local videos
    # A test has about twice the sentences per video and draws; two processes share the work.
    videos=$("$PY" - "$WORK/sanity.json" "$TEST_SECONDS" "$(processes)" <<'PYTHON'
import json, sys

speed = json.load(open(sys.argv[1]))['seconds_per_video']
print(max(4, min(50, int(float(sys.argv[2]) * int(sys.argv[3]) / (3.0 * speed)))))
PYTHON
    )
    echo "testing $videos videos; the log is $WORK/test.log"
    # shellcheck disable=SC2046
    logged "$WORK/test.log" env "PYTHON=$PY" tools/dist_test.sh "$CONFIG" "$SHIPPED" "$(processes)" \
        --work-dir "$WORK/test" --out "$WORK/metrics.json" --show-dir "$WORK/pictures" \
        --cfg-options model.test_cfg.return_attention=True test_dataloader.dataset.indices="$videos" \
        $(data_options)
}

summarize() {
    "$PY" - "$WORK" <<'PYTHON'
import json
import sys
from pathlib import Path

work = Path(sys.argv[1])
sanity = json.loads((work / 'sanity.json').read_text())
metrics = json.loads((work / 'metrics.json').read_text())
print(f'trained here, {sanity["num_videos"]} videos: J {sanity["right"]:.1f} with the right sentences,',
      f'{sanity["shuffled"]:.1f} with shuffled ones, {sanity["blob"]:.1f} for a centre blob')
print('shipped checkpoint:')
keys = ('J', 'F', 'J&F', 'R', 'J&F&R', 'AUROC')
print('  '.join(f'{key:>8}' for key in keys))
print('  '.join(f'{metrics[key]:8.3f}' if key in metrics else f'{"-":>8}' for key in keys))
print('\nnumbers   ', work / 'metrics.json')
print('training  ', work / 'train')
for pattern in ('losses.png', 'test/contact_sheet.png', 'test/*.mp4'):
    for path in sorted((work / 'pictures').glob(pattern)):
        print('picture   ', path)
maps = sorted((work / 'pictures').glob('test/*_grounding_*.png'))
if maps:
    print('picture   ', maps[0], f'and {len(maps) - 1} more of the grounding of the words')
PYTHON
}

announce
step 'Environment .venv' bash tools/setup_env.sh
step 'Synthetic data' make_data
step 'Training, from the shipped backbone weights' train
step 'Right sentences, shuffled sentences and a centre blob' compare
step "Test and pictures of $SHIPPED" test_and_draw
step 'Results' summarize
printf '\nfinished in %d min %d s\n' "$((SECONDS / 60))" "$((SECONDS % 60))"

#!/bin/sh
# All stages: tokenizer, encoder, joint training, export, scores. Usage: ./run.sh OUT_DIR
set -e
out=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")"
py=${PYTHON:-python3}
# keep freed memory: the tensors of a step are large and short-lived
export MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_TOP_PAD_=200000000
$py tokenizer.py "$out/tok"
$py encoder.py --out "$out/enc" --minutes 40
$py train.py --out "$out/joint" --tok "$out/tok.model" --encoder "$out/enc/enc.pt" --minutes 70
$py export.py "$out/joint/final.pt" "$out/tok.model" "$out/step3-mini"
$py check_template.py "$out/step3-mini"
$py evaluate.py --model "$out/step3-mini" --fresh 400

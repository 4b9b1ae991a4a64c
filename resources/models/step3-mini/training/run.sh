#!/bin/sh
# All stages: tokenizer, encoder, joint training, MTP module, export, checks, scores, curves. An interrupted run
# continues where it was. Usage: ./run.sh OUT_DIR [QUESTION_SET_DIR]
# MACHINE says where it runs, "--device cuda --workers 15" for a GPU and 16 cores; without it one CPU core does all.
# Minutes of each stage are wall clock; set ENC, JOINT and MTP to "--steps N" for a run that is determined by its seed.
set -e
out=$(mkdir -p "$1" && cd "$1" && pwd)
dev=${2:+$(cd "$2" && pwd)}
cd "$(dirname "$0")"
py=${PYTHON:-python3}
# keep freed memory: the tensors of a step are large and short-lived
export MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_TOP_PAD_=200000000
[ -e "$out/tok.model" ] || $py tokenizer.py "$out/tok"
[ -e "$out/enc/done" ] || $py encoder.py --out "$out/enc" $MACHINE ${ENC:---minutes 1.9}
touch "$out/enc/done"
[ -e "$out/joint/final.pt" ] || $py train.py --out "$out/joint" --tok "$out/tok.model" --encoder "$out/enc/enc.pt" \
    $MACHINE ${dev:+--dev "$dev"} ${JOINT:---minutes 6.8}
[ -e "$out/mtp.pt" ] || $py mtp.py --init "$out/joint/final.pt" --tok "$out/tok.model" --out "$out/mtp.pt" \
    $MACHINE ${MTP:---minutes 0.85}
$py export.py "$out/mtp.pt" "$out/tok.model" "$out/step3-mini"
$py export.py "$out/mtp.pt" "$out/tok.model" "$out/step3-mini-fp8" --fp8
$py check_template.py "$out/step3-mini"
$py curves.py "$out" "$out/curves"
$py evaluate.py --model "$out/step3-mini" --fresh 400 ${dev:+--dev "$dev"}

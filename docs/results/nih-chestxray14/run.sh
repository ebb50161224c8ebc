#!/usr/bin/env bash
# The chain on the real chest X-rays: import, audit, finetune four arms, evaluate each on the same test items, compare.
#   bash run.sh FOLDER_OF_NIH_CHESTXRAY14 WORK_FOLDER
set -euo pipefail
root=$(realpath "$1"); here=$(realpath "$(dirname "$0")"); mkdir -p "$2"; cd "$2"
matched='{arm: pair, references: {strategy: demographic, columns: [sex, view], caliper: {age: 5}, unmatched: relax}}'
arms=(single pair-random pair-demographic duplicate)
setting() { case $1 in
  single) echo '{arm: single}' ;;
  pair-random) echo '{arm: pair, references: {strategy: random}}' ;;
  pair-demographic) echo "$matched" ;;
  duplicate) echo '{arm: duplicate}' ;;
esac; }

see-in-pairs cohort import --kind nih --root "$root" --out cohort --only-present
see-in-pairs cohort audit cohort | tee audit.txt
for arm in "${arms[@]}"; do
  see-in-pairs finetune "$here/finetune.yaml" --out "$arm" --set "arm=$(setting "$arm")"
  see-in-pairs evaluate "$here/evaluate.yaml" --out "$arm-test" --set "model.name=$arm/model" --set "arms=[$(setting "$arm")]"
done
for arm in "${arms[@]:1}"; do
  see-in-pairs compare "$arm-test" single-test --cluster patient_id --json "$arm-against-single.json" | tee "$arm-against-single.txt"
done

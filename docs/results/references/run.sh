#!/usr/bin/env bash
# Every strategy on two public sets: the balance of the test queries and their references, before matching and after.
#   bash run.sh FOLDER_OF_NIH_CHESTXRAY14 FOLDER_OF_HAM10000 WORK_FOLDER
# Tables go beside this script, one text for each set and the numbers of each strategy as CSV; pictures (Love plots, sheets of pairs) stay in the work folder.
set -euo pipefail
nih=$(realpath "$1"); ham=$(realpath "$2"); here=$(realpath "$(dirname "$0")"); mkdir -p "$3"; cd "$3"
tower='model={name: pocket-random}' # random weights: it sees gray levels and coarse shape, not disease

strategy() { # COHORT NAME SETTING...
  cohort=$1; name=$2; shift 2
  sets=(); for setting in "$@"; do sets+=(--set "$setting"); done
  columns=(age sex view original_spacing); if [ "$cohort" = ham10000 ]; then columns=(age sex site localization); fi
  for column in "${columns[@]}"; do sets+=(--column "$column"); done
  echo; echo "== $name: $*"
  see-in-pairs cohort references "$cohort" --out "$cohort-$name" "${sets[@]}" 2>&1 | grep -v '^choose references\|^written:'
  cp "$cohort-$name/balance.csv" "$here/$cohort-$name.csv"
}

see-in-pairs cohort import --kind nih --priors --only-present --root "$nih" --out nih
see-in-pairs cohort import --kind ham10000 --root "$ham" --out ham10000

{
  strategy nih random strategy=random
  strategy nih demographic strategy=demographic unmatched=relax
  strategy nih scanner strategy=demographic 'caliper={age: 5, original_spacing: 0.005}' unmatched=leave_out
  strategy nih demographic-once strategy=demographic reuse=1 unmatched=leave_out
  strategy nih demographic-three strategy=demographic m=3 unmatched=relax
  strategy nih embedding strategy=embedding "$tower"
  strategy nih embedding-middle strategy=embedding "$tower" 'band=[0.45, 0.55]'
  strategy nih prior strategy=prior unmatched=leave_out
} > "$here/nih.txt"

skin='columns=[sex, site, localization]'
{
  strategy ham10000 random strategy=random
  strategy ham10000 demographic strategy=demographic "$skin" unmatched=relax
  strategy ham10000 demographic-once strategy=demographic "$skin" reuse=1 unmatched=leave_out
  strategy ham10000 embedding strategy=embedding "$tower"
  strategy ham10000 embedding-middle strategy=embedding "$tower" 'band=[0.45, 0.55]'
  strategy ham10000 other-site strategy=cross_center site=other
  strategy ham10000 same-site strategy=cross_center site=same
} > "$here/ham10000.txt"

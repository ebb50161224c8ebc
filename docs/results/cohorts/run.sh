#!/usr/bin/env bash
# Import, audit and look at both real sets; the text reports beside this file come from here. The pages with pictures stay in the work folder.
#   bash run.sh FOLDER_WITH_nih-chestxray14_AND_ham10000 WORK_FOLDER
set -euo pipefail
data=$(realpath "$1"); here=$(realpath "$(dirname "$0")"); mkdir -p "$2"; cd "$2"

see-in-pairs cohort import --kind nih --root "$data/nih-chestxray14" --out nih --only-present --priors
see-in-pairs cohort import --kind nih --root "$data/nih-chestxray14" --out nih-adults-pa --only-present --where 'age>=18' --where view=PA
see-in-pairs cohort import --kind ham10000 --root "$data/ham10000" --out ham10000 --stratify site

for set in nih nih-adults-pa ham10000; do
  see-in-pairs cohort audit "$set" --model pocket-random --out "$set-audit" --quiet > /dev/null   # stops here when something is leaking
  cp "$set-audit/audit.txt" "$here/$set-audit.txt"
  see-in-pairs cohort show "$set" --out "$set-overview" --quiet > "$here/$set-summary.txt"
done

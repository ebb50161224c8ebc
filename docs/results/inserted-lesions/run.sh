#!/usr/bin/env bash
# Lesions in the healthy images of three public sets, and what the references of each strategy give there. Tables go beside this script.
#   bash run.sh FOLDER_OF_NIH_CHESTXRAY14 FOLDER_OF_HAM10000 FOLDER_OF_FUNDUS WORK_FOLDER
set -euo pipefail
nih=$(realpath "$1"); ham=$(realpath "$2"); fundus=$(realpath "$3"); here=$(realpath "$(dirname "$0")"); mkdir -p "$4"; cd "$4"

see-in-pairs cohort import --kind table --root "$nih/images" --table "$nih/Data_Entry_2017_v2020.csv" --only-present \
  --column 'image=Image Index' --column 'label=Finding Labels' --column 'patient_id=Patient ID' --column 'age=Patient Age' \
  --column 'sex=Patient Gender' --column 'view=View Position' --label-list '|' --healthy 'No Finding' --positive Pneumonia \
  --positive-name Pneumonia --name 'NIH ChestX-ray14' --modality 'chest X-ray' --out nih
see-in-pairs cohort import --kind ham10000 --root "$ham" --out ham10000
see-in-pairs cohort import --kind folder --root "$fundus" --healthy '1 - No DR' --patient-pattern 'Patient([0-9]+)' \
  --name 'Fundus photographs' --modality 'fundus photograph' --finding 'diabetic retinopathy' --out fundus

see-in-pairs cohort insert nih --config insert-chest --out nih-lesions
see-in-pairs cohort insert ham10000 --config insert-colour --set 'tint=[1, 1, 1]' --set lesions_per_image=2 --out ham10000-lesions
see-in-pairs cohort insert fundus --config insert-colour --set lesions_per_image=8 --set 'fractions=[0.4, 0, 0.4, 0.2]' --out fundus-lesions

keep() { for kind in png csv; do cp "$1/figures/strategies.$kind" "$here/$2.$kind"; done; } # without notes, which name images
for set in nih ham10000 fundus; do
  see-in-pairs observers "$set-lesions" --config inserted-lesions --out "$set-strategies"; keep "$set-strategies" "$set"
done
aligned='strategies={random affine: {strategy: random, align: affine}, prior affine: {strategy: prior, order: film, unmatched: leave_out, align: affine}}'
for set in nih fundus; do
  see-in-pairs observers "$set-lesions" --config inserted-lesions --set "$aligned" --set control_rho=0 --out "$set-aligned"
  cp "$set-aligned/figures/strategies.csv" "$here/$set-aligned.csv"
done
python - "$here" <<'END'
import json, sys
import pandas as pd
rows = []
for name in ("nih", "ham10000", "fundus"):
    info = json.load(open(f"{name}-lesions/cohort.json"))
    made = {key: value for key, value in info["parameters"].items() if key.startswith(("contrast", "detectability", "auroc", "lesions_per"))}
    rows.append({"set": name, **made, **info["counts"]})
pd.DataFrame(rows).to_csv(f"{sys.argv[1]}/lesions.csv", index=False)
END

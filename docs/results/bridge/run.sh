#!/usr/bin/env bash
# The bridge on real anatomy: lesions into the healthy images of three public sets, the pocket model with every strategy, and its gains
# beside those that observers and theory predict. Tables and figure go beside this script.
#   bash run.sh FOLDER_OF_NIH_CHESTXRAY14 FOLDER_OF_HAM10000 FOLDER_OF_FUNDUS WORK_FOLDER [PART]
# With a PART (chest, moles, fundus, chest-more, moles-more, fundus-more) only that part of the study is run. Run again to go on.
set -euo pipefail
nih=$(realpath "$1"); ham=$(realpath "$2"); fundus=$(realpath "$3"); here=$(realpath "$(dirname "$0")"); mkdir -p "$4"; cd "$4"
parts=${5:-chest moles fundus chest-more moles-more fundus-more}

[ -f nih/cohort.parquet ] || see-in-pairs cohort import --kind table --root "$nih/images" --table "$nih/Data_Entry_2017_v2020.csv" --only-present \
  --column 'image=Image Index' --column 'label=Finding Labels' --column 'patient_id=Patient ID' --column 'age=Patient Age' \
  --column 'sex=Patient Gender' --column 'view=View Position' --label-list '|' --healthy 'No Finding' --positive Pneumonia \
  --positive-name Pneumonia --name 'NIH ChestX-ray14' --modality 'chest X-ray' --out nih
[ -f ham10000/cohort.parquet ] || see-in-pairs cohort import --kind ham10000 --root "$ham" --out ham10000
[ -f fundus/cohort.parquet ] || see-in-pairs cohort import --kind folder --root "$fundus" --healthy '1 - No DR' \
  --patient-pattern 'Patient([0-9]+)' --name 'Fundus photographs' --modality 'fundus photograph' --finding 'diabetic retinopathy' --out fundus

all="--set size=64 --set lesions_per_image=2 --set made.rho=0.8 --set made.each=4 --seed 20261202"
[ -f lesions/chest/cohort.parquet ] || see-in-pairs cohort insert nih --config insert-chest $all --set detectability=2 --set width=3 \
  --set 'region=[0.38, 0.29, 0.42, 0.33]' --set 'fractions=[0.45, 0, 0.35, 0.2]' --out lesions/chest
[ -f lesions/moles/cohort.parquet ] || see-in-pairs cohort insert ham10000 --config insert-colour $all --set detectability=2 --set width=3 --set 'tint=[1, 1, 1]' \
  --set darker=false --set margin=0 --set 'region=[0.48, 0.48, 0.52, 0.52]' --set only_last=true --set 'fractions=[0.5, 0, 0.4, 0.1]' \
  --out lesions/moles
[ -f lesions/fundus/cohort.parquet ] || see-in-pairs cohort insert fundus --config insert-colour $all --set detectability=1.5 --set width=4 --set 'tint=[1, 1, 1]' \
  --set darker=false --set margin=0 --set 'region=[0.46, 0.48, 0.52, 0.52]' --set 'fractions=[0.5, 0, 0.35, 0.15]' --out lesions/fundus

for part in $parts; do see-in-pairs study bridge --part "$part" --out study --workers 2; done
see-in-pairs bridge study --out bridge

for kind in png csv; do cp "bridge/figures/bridge.$kind" "$here/bridge.$kind"; done # without notes, which name images
for name in study comparisons trainings parts leak; do cp "study/$name.csv" "$here/$name.csv"; done
python - "$here" <<'END'
import json, sys
import pandas as pd
rows = []
for name in ("chest", "moles", "fundus"):
    info = json.load(open(f"lesions/{name}/cohort.json"))
    keys = ("contrast", "detectability", "auroc", "width", "made_")
    rows.append({"set": name, **{key: value for key, value in info["parameters"].items() if key.startswith(keys)}, **info["counts"]})
pd.DataFrame(rows).to_csv(f"{sys.argv[1]}/lesions.csv", index=False)
END

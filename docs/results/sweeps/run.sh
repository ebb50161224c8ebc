#!/usr/bin/env bash
# The packaged studies at their default size, and the tables that docs/explanation/ready_simulation_studies.md draws: about a minute on one core.
#   bash docs/results/sweeps/run.sh [WORK_FOLDER]     from the root of the repository; run again to resume
set -euo pipefail
work=${1:-out/sweeps}
study() {
  see-in-pairs sweep "$1" --out "$work/$1"
  see-in-pairs sweep performance "$work/$1" --measure bias --measure coverage "${@:2}" --out "docs/results/sweeps/$1" > /dev/null
}
study gain --measure relative_precision
study site_shift --measure relative_se_error
study faulty --measure power
study overmatching
study misspecified_rho
study sequential --measure power --measure type_1_error --measure mean:patients
study heavy_tails --measure relative_se_error

"""Makes the small data sets that the R scripts and our tests both read: `python make_data.py`, in this folder."""

import csv
import math
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def write(name: str, head: list[str], rows: list[tuple[object, ...]]) -> None:
    with open(HERE / name, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def scores(rng: np.random.Generator) -> None:
    """Ninety items of thirty patients, two arms, scores with one decimal so that many are tied."""
    rows: list[tuple[object, ...]] = []
    for patient in range(30):
        own = rng.normal(size=2)
        for image in range(3):
            label = int((patient + image) % 5 < 2)
            a, b = (round(float(1.2 * label * gain + 1.2 * own[arm] + rng.normal()), 1) for arm, gain in enumerate((1.3, 0.7)))
            rows.append((f"p{patient:02d}-{image}", f"p{patient:02d}", label, a, b, int((a > 0.6) == label), int((b > 0.6) == label)))
    write("scores.csv", ["item", "patient", "label", "a", "b", "correct_a", "correct_b"], rows)


def crossed(rng: np.random.Generator) -> None:
    """Six trainings by forty patients: right in A less right in B."""
    hard, trained = rng.normal(size=(2, 40)), rng.normal(size=6)
    rows: list[tuple[object, ...]] = []
    for seed in range(6):
        for patient in range(40):
            latent = math.sqrt(0.5) * hard[:, patient] + math.sqrt(0.5) * rng.normal(size=2)
            rows.append((seed, f"p{patient:02d}", int(latent[0] + 0.6 * trained[seed] < 0.9), int(latent[1] < 0.5)))
    write("crossed.csv", ["seed", "patient", "correct_a", "correct_b"], rows)


if __name__ == "__main__":
    scores(np.random.default_rng(11))
    crossed(np.random.default_rng(12))

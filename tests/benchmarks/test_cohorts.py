"""How long imports and audits take, what memory they need, and how sure the search for near duplicates is on real images.

``make bench`` times them; in the test run each is done once, smaller.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance
from pytest_benchmark.fixture import BenchmarkFixture

from empirical.audit import audit
from empirical.audit.near_duplicates import LEAST_COSINE
from empirical.audit.similarity_clusters import similarity_clusters
from empirical.cohorts.perceptual_hash import load_signatures, signature
from empirical.cohorts.readers.ham10000 import import_ham10000
from empirical.cohorts.readers.nih import import_nih

ROWS, IMAGES = 112_000, 700  # as plain tests a tenth of them
needs_data = pytest.mark.skipif("SEE_IN_PAIRS_DATA" not in os.environ, reason="SEE_IN_PAIRS_DATA does not name a folder with real images")


@pytest.fixture(scope="module")
def partial_download(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The public table's size, with the images of a partial download: 256 pixels wide, as PNG."""
    root, rng = tmp_path_factory.mktemp("nih"), np.random.default_rng(0)
    share = 1 if request.config.getoption("benchmark_enable") else 10
    rows = ROWS // share
    patients = np.sort(rng.integers(0, 30_000 // share, rows))
    ill = rng.random(30_000 // share) < 0.5
    findings = np.where(ill[patients], rng.choice(["Pneumonia", "Effusion|Edema", "No Finding"], rows), "No Finding")
    table = pd.DataFrame({"Image Index": [f"{k:08d}.png" for k in range(rows)], "Finding Labels": findings, "Patient ID": patients})
    table["Follow-up #"] = table.groupby("Patient ID").cumcount()
    table = table.assign(**{"Patient Age": rng.integers(1, 95, rows), "Patient Gender": rng.choice(["M", "F"], rows)})
    table["View Position"] = rng.choice(["PA", "AP"], rows)
    table.to_csv(root / "Data_Entry_2017_v2020.csv", index=False)
    (root / "images").mkdir()
    noise = Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).resize((256, 256))
    for name in table["Image Index"][: IMAGES // share]:
        noise.rotate(int(rng.integers(360))).save(root / "images" / name)
    return root


def test_import_of_112_000_rows_with_700_images(benchmark: BenchmarkFixture, partial_download: Path, tmp_path: Path) -> None:
    began = time.process_time()
    cohort = benchmark.pedantic(import_nih, (partial_download, tmp_path), {"only_present": True, "quiet": True}, rounds=1)
    share = 1 if benchmark.enabled else 10
    assert cohort.info.counts["rows_in_table"] == ROWS // share
    assert len(cohort.table) > IMAGES // share / 2
    assert not benchmark.enabled or time.process_time() - began < 10


def test_audit_of_such_a_cohort(benchmark: BenchmarkFixture, partial_download: Path, tmp_path: Path) -> None:
    cohort = import_nih(partial_download, tmp_path, only_present=True, quiet=True)
    benchmark.pedantic(audit, (cohort,), rounds=1)


SCRIPT = """
import resource, sys
import numpy as np
from empirical.audit.similarity_clusters import similarity_clusters
n = int(sys.argv[1])
vectors = np.random.default_rng(0).normal(size=(n, 128)).astype(np.float16)
vectors[-3:] = vectors[:3] + np.float16(0.01)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
groups = similarity_clusters(vectors, 0.95)
print(len(np.unique(groups)), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.parametrize("n", [20_000])
def test_near_duplicates_need_memory_for_the_images_not_for_their_pairs(benchmark: BenchmarkFixture, n: int) -> None:
    """All pairs as float32 would be 1.6 GB here and 50 GB for 112,000 images."""

    def grown() -> tuple[int, int]:
        done = subprocess.run([sys.executable, "-c", SCRIPT, str(n)], capture_output=True, text=True, check=True)
        found, used = done.stdout.split()
        return int(found), int(used)

    found, used = benchmark.pedantic(grown, rounds=1)
    assert found == n - 3
    assert used < 12 * n * 128 * 4 + 150e6  # a dozen copies of the vectors and a few tiles; the pairs would be n * n * 4
    assert 12 * n * 128 * 4 + 150e6 < n * n * 4 / 4
    benchmark.extra_info["bytes"] = used


def recompressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(buffer).convert("RGB")


CHANGES = {
    "JPEG quality 30": recompressed,
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "224 x 224": lambda image: image.resize((224, 224)),
    "20 % brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "20 % more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "cropped by 2 %": lambda image: image.crop((image.width // 50, image.height // 50, image.width * 49 // 50, image.height * 49 // 50)),
}


@needs_data
@pytest.mark.parametrize("name", ["nih-chestxray14", "ham10000"])
def test_near_duplicates_on_real_images(name: str, benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Count copies found and strangers confused; ``make bench ARGS=-s`` prints the table."""
    root = Path(os.environ["SEE_IN_PAIRS_DATA"]) / name
    reader = import_nih if name.startswith("nih") else import_ham10000
    cohort = reader(root, tmp_path, only_present=True, quiet=True)
    values, problems = load_signatures(cohort)
    assert problems == []
    groups = pd.Series(benchmark.pedantic(similarity_clusters, (values.astype(np.float32), LEAST_COSINE), rounds=1))
    strangers = cohort.table["patient_id"].groupby(groups).nunique()
    assert (strangers > 1).sum() == 0, "images of different patients were taken for copies"
    n = 100
    for change, alter in CHANGES.items():
        copies = np.array([signature(alter(cohort.image(item))) for item in cohort.table["item_id"][:n]])
        together = similarity_clusters(np.vstack([values, copies]).astype(np.float32), LEAST_COSINE)
        found = (together[:n] == together[len(values) :]).mean()
        print(f"{name}: {change}: {found:.0%} of {n} copies found")
        assert found >= (0.95 if "cropped" not in change else 0)

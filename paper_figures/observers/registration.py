"""What aligning a reference wins back on the phantom, whose references are warped by a known field, and what it does to a lesion.

Run as ``python -m paper_figures.observers.registration --out DIR``; tables and figure are kept in docs/results/registration.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage, stats

from empirical.analysis.channels import patch_outputs
from empirical.cohorts.phantom import PhantomConfig, PhantomTruth
from empirical.cohorts.phantom.draws import FamilySampler
from empirical.cohorts.phantom.model import build_model
from empirical.references.registration import align
from paper_figures.plotting import style
from see_in_pairs.console import progress
from see_in_pairs.files import atomic_path, write_text
from theory.models.channelized import channel_profiles, detectability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

DETAIL = 7.0  # pixels: the full width at half maximum of the phantom's lesion, whose standard deviation is 3
SMOOTHNESS = 0.25  # width of the kernel of the warps, in sides of the image
SIDE, CHANNELS, WIDTH = 41, 6, 12.0  # the observer's
TEST = 2  # the sampler's number of the test split
RESAMPLES = 200


@dataclass(frozen=True)
class WarpedFamilies:
    """Queries with and without their lesion, and references, (n, h, w), in whole gray levels."""

    truth: PhantomTruth
    healthy: Floats
    references: Floats
    diseased: NDArray[np.bool_]
    warps: Floats  # (n, 2, h, w): the same fields for every size, with a longest displacement of one pixel

    @classmethod
    def draw(cls, n: int, seed: int) -> WarpedFamilies:
        """Draw families of the default phantom: a query and one relative each."""
        truth = build_model(PhantomConfig(n_train=0, n_val=0, n_test=n))
        sampler = FamilySampler(truth, seed)
        images = np.rint(np.stack([sampler.sample(TEST, number, 1).images for number in range(n)]))
        warps = np.stack([smooth_warp(np.random.default_rng([seed, number]), truth.shape) for number in range(n)])
        return cls(truth, images[:, 0], images[:, 1], np.arange(n) % 2 == 1, warps)

    @property
    def lesion(self) -> Floats:
        """The lesion at its place, (h, w)."""
        return self.truth.signal.reshape(self.truth.shape)

    def queries(self) -> Floats:
        """Queries as they are shown: every second one is diseased."""
        return self.healthy + self.diseased[:, None, None] * np.rint(self.lesion)

    def warped(self, peak: float) -> Floats:
        """References whose farthest displacement is `peak` pixels."""
        if peak == 0:
            return self.references
        return np.stack([np.rint(displaced(image, peak * warp)) for image, warp in zip(self.references, self.warps, strict=True)])


def smooth_warp(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw a smooth displacement field, (2, h, w), whose longest displacement is one pixel."""
    width = SMOOTHNESS * min(shape)
    field = np.stack([ndimage.gaussian_filter(rng.standard_normal(shape), width, mode="wrap") for _ in range(2)])
    return np.asarray(field / np.hypot(*field).max())


def displaced(image: Floats, field: Floats) -> Floats:
    """Look an image up at displaced places; its edge is repeated."""
    rows, columns = np.indices(image.shape)
    return np.asarray(ndimage.map_coordinates(image, [rows + field[0], columns + field[1]], order=3, mode="nearest"))


def aligned(query: Floats, reference: Floats, kind: str, leave_out: bool = True) -> tuple[Floats, str]:
    """Align arrays of gray levels; the reference, and what was reached."""
    from PIL import Image

    shown, beside = (Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)) for pixels in (query, reference))
    found = align(shown, beside, kind, DETAIL, leave_out=leave_out)
    return np.asarray(found.image, dtype=np.float64), found.reached


def recovery(pairs: WarpedFamilies, peak: float, kind: str, quiet: bool) -> dict[str, Any]:
    """The share of the gain, lost by a warp, that an alignment wins back; with a percentile interval of resampled families."""
    queries, warped = pairs.queries(), pairs.warped(peak)
    started, found, reached = time.process_time(), [], []
    for query, reference in progress(zip(queries, warped, strict=True), len(queries), f"{kind}, {peak:g} pixels", quiet):
        pixels, last = aligned(query, reference, kind)
        found.append(pixels)
        reached.append(last)
    seconds = (time.process_time() - started) / len(queries)
    query, *others = (_outputs(pairs, images) for images in (queries, pairs.references, warped, np.stack(found)))

    def gains(chosen: NDArray[np.intp]) -> list[float]:
        labels = pairs.diseased[chosen]
        alone = detectability(query[chosen], labels).auroc
        return [detectability(query[chosen], labels, other[chosen], "joint").auroc - alone for other in others]

    unwarped, lost, after = gains(np.arange(len(queries)))
    rng = np.random.default_rng(0)
    sides = [np.flatnonzero(pairs.diseased == side) for side in (False, True)]
    draws = np.array([gains(np.concatenate([rng.choice(side, len(side)) for side in sides])) for _ in range(RESAMPLES)])
    shares = (draws[:, 2] - draws[:, 1]) / (draws[:, 0] - draws[:, 1])
    drawn = {"warped": draws[:, 1], "gain": draws[:, 2], "recovered": shares}
    row: dict[str, Any] = {"peak": peak, "align": kind, "families": len(queries), "gain_unwarped": unwarped}
    for name, value in (("warped", lost), ("gain", after), ("recovered", (after - lost) / (unwarped - lost))):
        low, high = np.quantile(drawn[name], [0.025, 0.975])
        row |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return row | {"as_asked": float(np.mean([one == kind for one in reached])), "cpu_ms": 1000 * seconds}


def contrast(pairs: WarpedFamilies, peak: float, leave_out: bool, kind: str, n: int, quiet: bool) -> dict[str, Any]:
    """The share of the lesion's contrast in query minus reference that is left, with the interval of its mean over families.

    It is measured within the mask and a ring around it: the change of the aligned reference by the query's lesion, against the lesion.
    """
    rows, columns = np.indices(pairs.truth.shape)
    radius = np.hypot(rows - pairs.truth.centre[0], columns - pairs.truth.centre[1])
    mask, ring = radius <= 1.5 * pairs.truth.width, (radius > 3 * pairs.truth.width) & (radius <= 4.5 * pairs.truth.width)

    def above(image: Floats) -> float:
        return float(image[mask].mean() - image[ring].mean())

    lesion, warped, shares = np.rint(pairs.lesion), pairs.warped(peak)[:n], []
    for healthy, reference in progress(zip(pairs.healthy[:n], warped, strict=True), n, f"contrast, {peak:g} pixels", quiet):
        with_lesion, without = (aligned(query, reference, kind, leave_out)[0] for query in (healthy + lesion, healthy))
        shares.append(1 - (above(with_lesion) - above(without)) / above(lesion))
    reach = stats.t.ppf(0.975, n - 1) * np.std(shares, ddof=1) / np.sqrt(n)
    kept = float(np.mean(shares))
    return {"peak": peak, "align": kind, "leave_out": leave_out, "families": n, "kept": kept, "low": kept - reach, "high": kept + reach}


def _outputs(pairs: WarpedFamilies, images: Floats) -> Floats:
    profiles = channel_profiles((SIDE, SIDE), "laguerre_gauss", width=WIDTH, number=CHANNELS).reshape(-1, SIDE, SIDE)
    place = np.round(pairs.truth.centre).astype(int)[None]
    return np.stack([patch_outputs(image, profiles, place)[0] for image in images])


def draw_curve(recovered: pd.DataFrame, kept: pd.DataFrame) -> Figure:
    """Draw the recovered share by size of the warp, and the contrast that is kept."""
    from matplotlib.figure import Figure

    colours = {"deformable": style.COLOURS["pair"], "affine": style.COLOURS["single"]}
    with style.house_style():
        figure = Figure(figsize=style.WIDE)
        left, right = figure.subplots(1, 2)
        for kind, rows in recovered.groupby("align"):
            _points(left, rows.sort_values("peak"), "recovered", str(kind), colours[str(kind)])
        left.axhline(0.8, color=style.INK, lw=1, ls=":")
        left.axvline(5, color=style.INK, lw=1, ls=":")
        left.set(xlabel="largest displacement, pixels", ylabel="share of the lost gain won back", ylim=(min(0, left.get_ylim()[0]), 1.05))
        left.legend()
        for leave_out, rows in kept.groupby("leave_out"):
            words = "predicted from the surroundings" if leave_out else "fitted to the whole image"
            _points(right, rows.sort_values("peak"), "kept", words, style.COLOURS["pair" if leave_out else "difference"])
        right.axhline(0.95, color=style.INK, lw=1, ls=":")
        right.set(xlabel="largest displacement, pixels", ylabel="share of the lesion's contrast kept")
        right.legend()
    return figure


def _points(axes: Any, rows: pd.DataFrame, name: str, label: str, colour: str) -> None:
    value = rows[name].to_numpy(float)
    low, high = (rows[f"{name}_{end}" if f"{name}_{end}" in rows else end].to_numpy(float) for end in ("low", "high"))
    axes.errorbar(rows["peak"], value, [value - low, high - value], fmt="o-", color=colour, label=label, capsize=3)


def main() -> None:
    """Measure recovery and contrast; tables are written after every row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--families", type=int, default=240)
    parser.add_argument("--peaks", type=float, nargs="+", default=[5, 2, 8, 3, 10, 1])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args()
    pairs, n = WarpedFamilies.draw(options.families, options.seed), options.families // 5
    tables: dict[str, list[dict[str, Any]]] = {"recovery": [], "contrast": []}

    def keep(name: str, row: dict[str, Any]) -> None:
        tables[name].append(row)
        write_text(options.out / f"{name}.csv", pd.DataFrame(tables[name]).sort_values(["align", "peak"]).to_csv(index=False))

    for peak in options.peaks:
        for kind in ("deformable",):
            keep("recovery", recovery(pairs, peak, kind, options.quiet))
        for leave_out in (True, False) if peak in (0, 5) else ():
            keep("contrast", contrast(pairs, peak, leave_out, "deformable", n, options.quiet))
    figure = draw_curve(*(pd.DataFrame(tables[name]) for name in ("recovery", "contrast")))
    for suffix in (".png", ".pdf"):
        with atomic_path(options.out / f"registration{suffix}") as temporary:
            figure.savefig(temporary, dpi=150)


if __name__ == "__main__":
    main()

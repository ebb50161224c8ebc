r"""The bridge: what observers and theory predict of each arm's reference at inserted lesions, beside what the finetuned model gained.

Three numbers are put side by side for each cohort and arm with a reference:

- *observed*: the finetuned model's AUROC minus that of the single image, as the study's own tables have it;
- *theory*: the correlation rho of query and reference at the lesion, and the leak s of the reference, both measured by linear observers,
  give :math:`\Phi\big(d\sqrt{(1+(\rho-s)^2/(1-\rho^2))/2}\big)-\Phi(d/\sqrt2)` (T1, T13), with d that of the model's single image;
- *observers*: the best linear observer of both images has the separation k times that of the single image; so would the model (T10.5).

Both predictions are at the model's own separation, since an observer who knows the place is better than the model alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import special

from empirical.cohorts.insertion import InsertConfig
from paper_figures.observers.config import ObserversConfig
from paper_figures.observers.strategies import Ranged, compare_strategies
from paper_figures.results.predicted_gain import scaled_gain
from paper_figures.statistics.roc.leak import leak_of
from paper_figures.study.config import SETTINGS, StudyConfig
from paper_figures.study.tables import GAIN
from see_in_pairs.cache import PartCache
from see_in_pairs.configs import load_config, parse_config
from see_in_pairs.console import log
from see_in_pairs.errors import InputError
from see_in_pairs.files import content_hash, read_table

if TYPE_CHECKING:
    from empirical.cohorts import Cohort
    from empirical.references import ReferenceConfig
    from empirical.vlm.config import ModelConfig

OBSERVER_COLUMNS = ("queries", "patients", "single", "gain", "rho", "explained", "leak", "limit")
"""Of the table of strategies; in the bridge's table they begin with ``observer_``."""
TABLES = ("study.csv", "comparisons.csv", "leak.csv")
"""What is read of a study, beside its settings."""


def read_study(folder: Path) -> StudyConfig:
    """Read the settings of a study, and see that its tables are there."""
    for name in (SETTINGS, *TABLES):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: no such file; name the folder of a training study with finished parts")
    return load_config(StudyConfig, folder / SETTINGS)


def study_cohorts(study: StudyConfig, folder: Path, quiet: bool = True) -> dict[str, Cohort]:
    """Load the cohorts of inserted lesions of a study; others cannot be bridged, and are named in the log."""
    from empirical.cohorts import Cohort

    found = {}
    for name, source in study.cohorts.items():
        where = folder / "cohorts" / name if source.folder is None else Path(source.folder)
        if not where.exists() and source.folder is None:
            continue  # a phantom that no finished part needed
        cohort = Cohort.load(where)
        if cohort.info.kind == "inserted":
            found[name] = cohort
        else:
            log(f"{name}: left out, since it has no inserted lesions (cohort insert makes them)", quiet)
    if not found:
        raise InputError(f"{folder}: no cohort of the study has inserted lesions, so observers cannot know the place; see 'cohort insert'")
    return found


def build_bridge(folder: Path, cohorts: dict[str, Cohort], study: StudyConfig, out: Path, seed: int, quiet: bool = True) -> pd.DataFrame:
    """Table of the bridge, a row for each cohort, arm with a reference, and number of training patients.

    What observers measure on a cohort is kept in `out` and read again by a later call, for example when more trainings are finished.
    """
    areas, comparisons, leaks = (_read(folder / name) for name in TABLES)
    single = next((name for name, arm in study.arms.items() if arm.arm == "single" and arm.extra_healthy is None), None)
    duplicate = next((name for name, arm in study.arms.items() if arm.arm == "duplicate"), "")
    if single is None:
        raise InputError(f"{folder}: the study has no arm 'single', over which a gain could be")
    cache, rows = PartCache(out / "observers", quiet), list[dict[str, Any]]()
    for name, cohort in cohorts.items():
        gains = _gains(comparisons, name, single)
        arms = {arm: study.arms[arm].references for arm in gains["a"].drop_duplicates() if study.arms[arm].arm == "pair"}
        strategies: dict[str, ReferenceConfig] = {arm: references for arm, references in arms.items() if references is not None}
        if not strategies:
            log(f"{name}: left out, since no trained arm with a reference can be compared with '{single}' yet", quiet)
            continue
        measured = _observers(cohort, strategies, study.model, cache, name, seed, quiet)
        for gain in gains[gains["a"].isin(strategies)].to_dict("records"):
            arm = str(gain["a"])
            own = areas[(areas["cohort"] == name) & (areas["arm"] == arm) & (areas["n_train"] == gain["n_train"])].iloc[0]
            over = _gains(comparisons, name, duplicate)
            over = over[(over["a"] == arm) & (over["n_train"] == gain["n_train"])]
            alone = [other for other, one in study.arms.items() if one.arm == "reference_only" and one.references == strategies[arm]]
            leak = leaks[(leaks["cohort"] == name) & leaks["arm"].isin(alone) & (leaks["n_train"] == gain["n_train"])]
            rows.append(
                {
                    "cohort": name, "images": cohort.info.modality, "arm": arm, "strategy": strategies[arm].recorded_name,
                    "made_rho": _made(cohort, strategies[arm]), "n_train": int(gain["n_train"]), "trainings": int(gain["seeds"]),
                    "items": int(gain["items"]), "patients": int(gain["patients"]),
                    "single": own["auroc"] - gain["difference"],  # of these trainings, wherever the study took the arm from
                    **_ends("observed", gain, "difference"), "observed_p": gain["p"], "observed_reason": gain["reason"],
                    **_ends("over_duplicate", over.iloc[0] if len(over) else {}, "difference"),
                    **_ends("reference_alone", leak.iloc[0] if len(leak) else {}, "auroc_reference", "reference_low", "reference_high"),
                    **predictions(pd.Series(measured.loc[arm]), own["auroc"] - gain["difference"]),
                }
            )  # fmt: skip
    if not rows:
        raise InputError(f"{folder}: no trained arm with a reference is compared with '{single}'; run more parts of the study")
    table = pd.DataFrame(rows)
    if not table[["theory", "observers"]].notna().any(axis=None):
        raise InputError(f"{folder}: observers could measure none of its references, so nothing is predicted: {rows[0]['observer_note']}")
    return table


def predictions(measured: pd.Series, single: float) -> dict[str, Any]:
    """What theory and observers predict for a model whose single image has a given AUROC, with what they were predicted from.

    An interval of theory maps the ends of that of rho; the observers' one maps the ends of that of their gain. The AUROCs of the single
    image, of the model and of the observers, are taken as measured.
    """
    found = {f"observer_{name}": measured.get(name, np.nan) for name in OBSERVER_COLUMNS}
    found |= {f"observer_{name}_{end}": measured.get(f"{name}_{end}", np.nan) for name in OBSERVER_COLUMNS[2:] for end in ("low", "high")}
    found |= {"observer_difference": measured.get("difference", np.nan), "observer_note": measured.get("note", "")}
    theory, observers, share = Ranged(*[np.nan] * 3), Ranged(*[np.nan] * 3), np.nan
    if np.isfinite(measured.get("gain", np.nan)):
        d = np.array([np.sqrt(2) * special.ndtri(np.clip(single, 0.5, 1 - 1e-9))])
        share = float(leak_of(measured["single"], measured["leak"])) if measured["leak_found"] else 0.0
        rhos = [measured[name] for name in ("rho", "rho_low", "rho_high")]
        value, low, high = (float(scaled_gain(d, rho, share)[0]) for rho in rhos)
        theory = _ordered(value, low, high, spans=rhos[1] < share < rhos[2])
        values = [at_separation(measured["single"], measured[name], single) for name in ("gain", "gain_low", "gain_high")]
        observers = Ranged(*values)
    for name, one in (("theory", theory), ("observers", observers)):
        found |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
    return {"leak_share": share, **found}


def _ordered(value: float, first: float, second: float, spans: bool) -> Ranged:
    """An interval from the ends of rho; the gain is least, 0, where rho equals the leak."""
    return Ranged(value, 0.0 if spans else min(first, second), max(first, second))


def at_separation(observer: float, gain: float, single: float) -> float:
    """Gain of a model whose separation grows by the same factor as an observer's; AUROCs of both on the single image, NaN from .5 down.

    Examples
    --------
    >>> round(at_separation(0.9, 0.05, 0.8), 4)  # the separation grows by 1.28
    0.0599
    """
    if not (0.5 < observer < 1 and 0.5 < single < 1):
        return float("nan")
    grown = special.ndtri(np.clip(observer + gain, 0.0, 1.0)) / special.ndtri(observer)
    return float(special.ndtr(grown * special.ndtri(single)) - single)


def _observers(
    cohort: Cohort, strategies: dict[str, ReferenceConfig], model: ModelConfig, cache: PartCache, name: str, seed: int, quiet: bool
) -> pd.DataFrame:
    """What linear observers measure of each arm's references, by arm; each is a part of its own that a later call reads again."""
    known = cohort.info.parameters
    inserted = {name: known[name] for name in InsertConfig.model_fields if name in known}
    lesion = parse_config(InsertConfig, inserted, str(cohort.folder / "cohort.json"))
    # the channels by which the contrast was calibrated
    channels = {"number": lesion.channels, "width": lesion.channel_width, "side": lesion.channel_side}
    rows = []
    for arm, references in strategies.items():
        content = {"channels": channels, "features": model, "strategies": {arm: references}, "control_rho": 0}
        settings = parse_config(ObserversConfig, content, f"observers of {cohort.folder}")
        key = content_hash([cohort.hash, settings.model_dump(mode="json"), seed])

        def measure(settings: ObserversConfig = settings, arm: str = arm) -> pd.DataFrame:
            log(f"observers: {name}, {arm}", quiet)
            table = compare_strategies(cohort, settings, seed, quiet=True)
            both = table[table["observer"] == "joint"].reset_index(drop=True)
            return both.assign(difference=table.loc[table["observer"] == "difference", "gain"].to_numpy())

        try:
            rows.append(cache.table(f"{name}-{arm}", key, measure))
        except InputError as error:  # not kept: what failed once, a model that could not be loaded for example, is tried again
            log(f"{name}, {arm}: {error}", quiet)
            rows.append(pd.DataFrame({"strategy": [arm], "note": [str(error)]}))
    return pd.concat(rows, ignore_index=True).set_index("strategy")


def _gains(comparisons: pd.DataFrame, cohort: str, over: str) -> pd.DataFrame:
    """Gains of finetuned arms of a cohort over one arm."""
    rows = comparisons[(comparisons["cohort"] == cohort) & (comparisons["b"] == over) & (comparisons["kind"] == GAIN)]
    return rows[(rows["n_train"] > 0) & rows["difference"].notna()]


def _read(path: Path) -> pd.DataFrame:
    try:
        return read_table(path)
    except InputError:
        if path.read_text(encoding="utf-8").strip():
            raise
        return pd.DataFrame(columns=["cohort", "arm", "n_train", "a", "b", "kind", "difference"])


def _ends(name: str, row: Any, value: str, low: str = "low", high: str = "high") -> dict[str, float]:
    return {name: row.get(value, np.nan), f"{name}_low": row.get(low, np.nan), f"{name}_high": row.get(high, np.nan)}


def _made(cohort: Cohort, references: ReferenceConfig) -> float:
    """The correlation that made references were made with; NaN where the arm shows real ones."""
    made = cohort.info.parameters.get("made")
    return float(made["rho"]) if made and references.within_family else float("nan")

"""What goes on inside trained models: how alike images and answers are represented (C6), and where a score comes from (C8)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from paper_figures.claims.analyses import ALIGNMENT, ATTRIBUTION, FOLDER, arms_of
from paper_figures.claims.evidence import Evidence
from paper_figures.claims.ledger import ClaimFinding, Verdict, judge_family, not_tested
from paper_figures.results.estimates import LEVEL, Estimate
from paper_figures.results.patient_bootstrap import RESAMPLES, percentile_estimate
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

METHODS = {"integrated_gradients": "integrated gradients", "occlusion": "occlusion"}
FEWEST_PATIENTS = 10


def from_runs(evidence: Evidence, family: str) -> dict[str, Verdict]:
    """Judge C6 and C8 by the tables in ``analysis/``; their three tests share one correction for multiplicity."""
    shares = lesion_gains(evidence)
    tests: dict[str, ClaimFinding | str] = {"C6": alignment_gain(evidence)}
    tests |= {f"C8 {words}": shares if isinstance(shares, str) else shares[method] for method, words in METHODS.items()}
    judged = judge_family(tests, f"{family}, inside")
    both = {words: judged[f"C8 {words}"] for words in METHODS.values()}
    return {"C6": judged["C6"], "C8": not_tested(shares) if isinstance(shares, str) else _agreed(both)}


def alignment_gain(evidence: Evidence) -> ClaimFinding | str:
    r"""Test C6: whether images and answers are represented more alike in the pair arm (difference in linear CKA after the last layer).

    The interval is the delete-half jackknife's: with the same halves of the :math:`n` patients in both arms, the standard error is the
    standard deviation of the differences over halves of :math:`s` patients times :math:`\sqrt{(n-s)/s}`, and the interval Student's with
    :math:`n-1` degrees of freedom. Several training seeds are averaged.
    """
    arms = arms_of(evidence, ALIGNMENT)
    if isinstance(arms, str):
        return arms
    if len({key for rows in arms for key in rows["drawn_from"]}) > 1:
        raise InputError(f"{FOLDER}/**/{ALIGNMENT.file}: pair and single are not about the same items, or were drawn with another --seed")
    last = {int(rows["layer"].max()) for rows in arms}
    if len(last) > 1:
        raise InputError(f"{FOLDER}/**/{ALIGNMENT.file}: models of {first_few(sorted(last))} layers cannot be compared layer by layer")
    gain, plain = (_alignment_difference(*arms, measure, max(last)) for measure in ("debiased_cka", "cka"))
    pair, single = (_whole(rows, "debiased_cka", max(last)) for rows in arms)
    models = arms[0]["train_seed"].nunique()
    context = f"CKA {single:.3f} single, {pair:.3f} pair after layer {max(last)} ({models} model(s) an arm)"
    return ClaimFinding(gain, context if plain.reason else f"{context}; the difference of the plain CKA is {plain}")


def lesion_gains(evidence: Evidence) -> dict[str, ClaimFinding] | str:
    """Test C8: whether more of the attribution lies on the lesion in the pair arm (difference in the share beyond chance), by method."""
    arms = arms_of(evidence, ATTRIBUTION)
    if isinstance(arms, str):
        return arms
    tables = [_by_item(rows) for rows in arms]
    if not (tables[0].index.equals(tables[1].index) and tables[0].notna().all(axis=None) and tables[1].notna().all(axis=None)):
        raise InputError(f"{FOLDER}/**/{ATTRIBUTION.file}: pair and single are not about the same items, each by {' and '.join(METHODS)}")
    weights = _weights(tables[0].index.get_level_values("patient_id"), evidence.seed)
    return {method: _lesion_gain(tables[0][method], tables[1][method], weights) for method in METHODS}


def _alignment_difference(pair: pd.DataFrame, single: pd.DataFrame, measure: str, layer: int) -> Estimate:
    """Pair minus single, draw by draw, averaged over training seeds."""
    from scipy.stats import t as student

    after, before = (_draws(rows, measure, layer) for rows in (pair, single))
    if len(after) < 3 or after.index[0] != 0 or not after.index.equals(before.index):
        raise InputError(f"{FOLDER}/**/{ALIGNMENT.file}: pair and single lack {measure} of the same draws at layer {layer}")
    patients, items = int(pair["patients"].iloc[0]), int(pair["items"].iloc[0])
    values = (after - before).to_numpy()
    unit, test = "linear CKA", f"halves of the patients ({len(values) - 1}), delete-half jackknife, t"
    if np.isnan(values).any():
        reason = f"CKA is undefined in {int(np.isnan(values).sum())} of {len(values)} draws of patients"
        return Estimate(np.nan, np.nan, np.nan, np.nan, unit, test, items, patients, reason)
    half = patients // 2
    error = float(values[1:].std(ddof=1) * np.sqrt(half / (patients - half)))
    reach = float(student.ppf((1 + LEVEL) / 2, patients - 1)) * error
    p = 2 * float(student.sf(abs(values[0]) / error, patients - 1)) if error > 0 else float(values[0] == 0)
    return Estimate(float(values[0]), float(values[0] - reach), float(values[0] + reach), p, unit, test, items, patients)


def _draws(rows: pd.DataFrame, measure: str, layer: int) -> pd.Series:
    """Values by draw, averaged over training seeds."""
    chosen = rows[(rows["measure"] == measure) & (rows["layer"] == layer)]
    return chosen.pivot(index="draw", columns="train_seed", values="value").mean(axis=1, skipna=False)


def _whole(rows: pd.DataFrame, measure: str, layer: int) -> float:
    return float(_draws(rows, measure, layer).iloc[0])


def _by_item(rows: pd.DataFrame) -> pd.DataFrame:
    """Share beyond chance: a row per item (with its patient), a column per method, averaged over training seeds."""
    import pandas as pd

    excess = rows.assign(excess=rows["share"].fillna(0) - rows["expected"])
    table = excess.pivot(index=["item_id", "patient_id"], columns=["method", "train_seed"], values="excess")
    known = table.columns.get_level_values("method")
    return pd.DataFrame({method: table.loc[:, known == method].mean(axis=1, skipna=False) for method in METHODS})


def _weights(patients: pd.Index, seed: int) -> np.ndarray:
    """Draw patients with replacement: how often each item counts, of shape (1 + resamples, items), the first row all ones."""
    codes = np.unique(patients, return_inverse=True)[1]
    number = int(codes.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=RESAMPLES)
    return np.vstack([np.ones(len(codes)), drawn[:, codes]])


def _lesion_gain(pair: pd.Series, single: pd.Series, weights: np.ndarray) -> ClaimFinding:
    patients = pair.index.get_level_values("patient_id").nunique()

    def mean(values: pd.Series) -> Estimate:
        drawn = weights @ values.to_numpy() / weights.sum(axis=1)
        return percentile_estimate(drawn, "share of the attribution", "the share", len(values), patients)

    gain, after, before = mean(pair - single), mean(pair), mean(single)
    if patients < FEWEST_PATIENTS:
        gain = replace(gain, reason=f"{patients} patients are too few for an interval; analyse at least {FEWEST_PATIENTS}")
    context = f"share on the lesion beyond chance {before} single, {after} pair"
    return ClaimFinding(gain, context, unless_above="" if after.low > 0 else "in the pair arm no more than by chance lies on the lesion")


def _agreed(judged: dict[str, Verdict]) -> Verdict:
    """Join the verdicts by both methods: inconclusive where they differ; the numbers are those of the one with the larger p."""
    found = {verdict.verdict for verdict in judged.values()}
    weakest = max(judged.values(), key=lambda verdict: 1.0 if verdict.p_holm is None else verdict.p_holm)
    reason = "; ".join(f"by {words}: {verdict.verdict}, {verdict.reason}" for words, verdict in judged.items())
    return replace(weakest, verdict=found.pop() if len(found) == 1 else "inconclusive", reason=reason)

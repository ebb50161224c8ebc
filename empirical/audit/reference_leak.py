"""Does the reference alone predict the class? Tested for the references that a strategy chooses, before any model is trained.

A selector never sees the label. But where age, sex or site predict the class, a reference matched on them carries this too (T13). So the
class of the query is predicted from its *reference*: from the covariates, the look of the image and, if available, an embedding.
References drawn at random give an AUROC of .5. The arm ``reference_only`` tests the same with a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from empirical.audit.confounds import FOLDS, Z_95, Z_99, MetadataAuc
from empirical.audit.finding import Finding
from empirical.cohorts import QUERY_SPLITS, Cohort
from empirical.cohorts.perceptual_hash import load_signatures
from see_in_pairs.errors import InputError
from see_in_pairs.roc import placements

if TYPE_CHECKING:
    import pandas as pd

    from empirical.references import Assignment, ReferenceConfig
    from empirical.vlm.config import ModelConfig

Floats = NDArray[np.float64]

COVARIATES = ("age", "sex", "view", "site")
TOGETHER, LOOK, EMBEDDING = "covariates together", "look of the image", "embedding of the image"
TESTED = (TOGETHER, LOOK, EMBEDDING)
NOT_CHOSEN = "cannot be chosen"
COMPONENTS = 16  # principal components of looks and embeddings that predict the class
BINS = 6  # of a numeric covariate, beside its value: the class need not rise with it
LEVELS = 40  # of a categorical covariate; rarer levels are merged into one
PENALTY = 1.0  # of squared coefficients, of columns in standard deviations: a prior of standard deviation 1
FEWEST = 20  # patients of a class
KEPT = 0.8  # share of the pairs of a diseased and a healthy query, within fold and split, that must be usable
REPEATS = 5  # partitions into folds, whose areas are averaged: with 150 queries, the choice of a single partition can move an area by .1
MANY = 5000  # queries, above which one partition is enough
INFLATION = float(np.sqrt(1 + FOLDS / (FOLDS - 1)))
"""Factor on the standard error over patients: folds are not independent replicates, since each is predicted from the others. It is the
factor of Nadeau and Bengio (2003), Machine Learning 52:239, for one partition, which is conservative with several."""
COLUMNS = ("references", "split", "told_by", "auroc", "low", "high", "sure", "queries", "patients", "different_references", "note")


def standard_strategies(cohort: Cohort, embedded: bool = False) -> dict[str, ReferenceConfig]:
    """List the ways to choose references that a cohort allows, by name; with the nearest by embedding where there are embeddings."""
    from empirical.references import ReferenceConfig

    table, queries = cohort.table, cohort.table[cohort.table["split"] != "reference"]
    found = {"random": ReferenceConfig()}
    columns = tuple(column for column in ("sex", "view") if queries[column].nunique() > 1)
    caliper = {"age": 5.0} if queries["age"].notna().any() else {}
    if columns or caliper:
        name = f"demographic ({', '.join((*columns, *caliper))})"
        found[name] = ReferenceConfig(strategy="demographic", columns=columns, caliper=caliper, unmatched="relax")
    if table["site"].nunique() > 1:
        for site in ("same", "other"):
            found[f"cross_center ({site})"] = ReferenceConfig(strategy="cross_center", site=site, unmatched="relax")
    if embedded:
        found["embedding (nearest)"] = ReferenceConfig(strategy="embedding")
    if (table["serves"] == "prior").any():
        found["prior"] = ReferenceConfig(strategy="prior", unmatched="leave_out")
    return found


def audit_strategies(
    cohort: Cohort,
    strategies: Mapping[str, ReferenceConfig],
    seed: int = 0,
    embeddings: NDArray[np.floating[Any]] | None = None,
    model: ModelConfig | None = None,
) -> pd.DataFrame:
    """Choose references by each strategy for the queries of all splits, and compute how well they predict the class; see `reference_table`.

    Strategy ``embedding`` uses the given embeddings, else those of the model in its config, else those of `model`. A strategy that the
    cohort does not allow has one row, with the reason as its note.
    """
    import pandas as pd

    from empirical.references import choose_references

    splits = [split for split in QUERY_SPLITS if (cohort.table["split"] == split).any()]
    row_of = {item: row for row, item in enumerate(cohort.table["item_id"])}
    embed = None if embeddings is None else lambda items: np.asarray(embeddings[[row_of[item] for item in items]], dtype=np.float32)
    tables = []
    for name, config in strategies.items():
        try:
            chosen = {split: choose_references(cohort, split, config, seed, model=model, embed=embed) for split in splits}
        except InputError as error:
            tables.append(_frame([{"references": name, "note": f"{NOT_CHOSEN}: {error}"}]))
        else:
            matched = (*config.columns, *config.caliper) if config.strategy == "demographic" else ()
            tables.append(reference_table(cohort, chosen, name, seed, embeddings, (*COVARIATES, *matched)))
    return pd.concat(tables, ignore_index=True) if tables else _frame([])


def reference_table(
    cohort: Cohort,
    chosen: Mapping[str, Assignment],
    name: str,
    seed: int = 0,
    embeddings: NDArray[np.floating[Any]] | None = None,
    covariates: Sequence[str] = COVARIATES,
) -> pd.DataFrame:
    """Compute how well references, chosen for the queries of each split, predict the class of the query. The query itself is not used.

    A row for each covariate, for all of them together, for the look of the image and, where given, its embedding: the cross-validated
    AUROC with its 95 % interval over patients; ``sure`` where one of the last three kinds is above .5 by a one-sided test at .005. NaN
    and why where nothing could be predicted.

    Notes
    -----
    A ridge logistic regression on the other folds of patients gives each query a score. Scores are compared within a fold and split only;
    the areas are weighted by their pairs, and averaged over several partitions into folds. Where references carry no information, areas a
    little below .5 are common, since chance differences in the other folds are often reversed in the fold itself.

    Given the pool, references drawn at random are independent of each other, even where two queries share one. So the clusters are the
    patients, and the result is for the references of this cohort.
    """
    import pandas as pd

    table = cohort.table.reset_index(drop=True)
    row_of = dict(zip(table["item_id"], table.index, strict=True))
    parts = []
    for split, assignment in chosen.items():
        pairs = assignment.table[["item_id", "reference_id"]]
        pairs = pairs[pairs["reference_id"].isin(row_of)]  # references of another cohort have other columns
        parts.append(pairs.assign(split=split))
    pairs = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["item_id", "reference_id", "split"])
    split_name = ", ".join(chosen)
    if pairs.empty:
        return _frame([{"references": name, "split": split_name, "note": "no references of this cohort"}])
    first = pairs.drop_duplicates("item_id")
    queries = table.loc[[row_of[item] for item in first["item_id"]]].reset_index(drop=True)
    query_of = {item: row for row, item in enumerate(first["item_id"])}
    owner = pairs["item_id"].map(query_of).to_numpy(dtype=np.intp)
    shown = np.array([row_of[item] for item in pairs["reference_id"]], dtype=np.intp)
    diseased = queries["label"].ne(cohort.info.healthy).to_numpy()
    strata, patients = _strata(queries, first["split"].to_numpy(dtype=str), diseased, seed)
    counts = {"queries": len(queries), "patients": len(np.unique(patients)), "different_references": pairs["reference_id"].nunique()}
    rows = []
    features, why = _features(table, shown, embeddings, cohort, dict.fromkeys(covariates))
    for kind, values in features.items():
        row: dict[str, Any] = {"references": name, "split": split_name, "told_by": kind, **counts}
        found = None
        if np.ptp(values, axis=0).max(initial=0) > 0:
            number = np.bincount(owner, minlength=len(queries))
            mean = np.stack([np.bincount(owner, column, len(queries)) / number for column in values.T], axis=1)
            found = _out_of_fold(mean, diseased, strata, patients, kind)
        if found is None:
            rows.append(row | {"note": why.get(kind, "the same for all, or too few patients of a class")})
            continue
        low, high = found.interval(Z_95)
        sure = kind in TESTED and found.interval(Z_99)[0] > 0.5
        rows.append(row | {"auroc": found.auc, "low": low, "high": high, "sure": sure, "note": ""})
    return _frame(rows)


def reference_findings(table: pd.DataFrame) -> Iterator[Finding]:
    """Report a warning ``reference_tells_class`` for each way to choose references that predicts the class, from `reference_table`."""
    for name, rows in table[table["sure"].astype(bool)].groupby("references", sort=False):
        best = rows.iloc[rows["low"].argmax()]
        low, high, numbers = best["low"], best["high"], f"{best['queries']:.0f} queries of {best['patients']:.0f} patients"
        message = (
            f"references by '{name}' alone tell the class of the query, by the {best['told_by']}: AUROC {best['auroc']:.2f} "
            f"(95 % interval {low:.2f} to {high:.2f}, {numbers})"
        )
        advice = (
            "evaluate the arm reference_only beside the pair, report AUROC within site and adjusted for covariates "
            "(compare --cohort --adjust), and plan with the leak (plan --leak-from)"
        )
        yield Finding("reference_tells_class", "warn", message, (), advice)


def references_as_text(table: pd.DataFrame) -> str:
    """Write the table of `audit_strategies` as lines for a person."""
    lines = ["How well the reference alone tells the class of the query (cross-validated; .5: not at all):"]
    for name, rows in table.groupby("references", sort=False):
        lines.append(f"  {name}")
        for row in rows.to_dict("records"):
            if row["auroc"] != row["auroc"]:
                lines.append(f"    {row['told_by'] or ''}{': ' if row['told_by'] else ''}not tested: {row['note']}")
                continue
            sure = ": tells the class" if row["sure"] else ""
            lines.append(f"    {row['told_by']:<22} AUROC {row['auroc']:.2f} [{row['low']:.2f}, {row['high']:.2f}]{sure}")
        counted = rows[rows["queries"].notna()]
        if len(counted):
            one, different = counted.iloc[0], counted.iloc[0]["different_references"]
            lines.append(f"    {one['queries']:.0f} queries of {one['patients']:.0f} patients, {different:.0f} different references")
    return "\n".join(lines)


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(COLUMNS))
    text = {
        column: table[column].astype(object).where(table[column].notna(), "").astype(str)
        for column in ("references", "split", "told_by", "note")
    }
    numbers = {column: table[column].astype(float) for column in ("auroc", "low", "high", "queries", "patients", "different_references")}
    return table.assign(**text, **numbers, sure=[value is True or value is np.True_ for value in table["sure"]])


def _strata(queries: pd.DataFrame, split: NDArray[np.str_], diseased: NDArray[np.bool_], seed: int) -> tuple[NDArray[np.intp], ...]:
    """Fold and split of each query as one number, 5 folds of patients in each split, (partitions, queries); and the query's patient."""
    patients = np.unique(queries["patient_id"].to_numpy(dtype=str), return_inverse=True)[1]
    ill, rng = np.bincount(patients, diseased) > 0, np.random.default_rng(seed)
    repeats = REPEATS if len(queries) <= MANY else 1
    fold = np.empty((repeats, len(ill)), dtype=np.intp)
    for repeat in range(repeats):
        for stratum in (True, False):  # spread the diseased patients evenly over the folds
            members = np.flatnonzero(ill == stratum)
            fold[repeat, rng.permutation(members)] = np.arange(len(members)) % FOLDS
    return FOLDS * np.unique(split, return_inverse=True)[1] + fold[:, patients], patients


def _features(
    table: pd.DataFrame, shown: NDArray[np.intp], embeddings: NDArray[np.floating[Any]] | None, cohort: Cohort, covariates: Iterable[str]
) -> tuple[dict[str, Floats], dict[str, str]]:
    """Columns that describe each reference shown, by kind of description; and the reason where a kind has none."""
    single = {name: _covariate(table[name].iloc[shown]) for name in covariates}
    single = {name: values for name, values in single.items() if values.shape[1]}
    found: dict[str, Floats] = dict(single)
    if single:
        found[TOGETHER] = np.hstack(list(single.values()))
    why = {}
    signatures, _ = load_signatures(cohort)
    looks = np.asarray(signatures, dtype=np.float64)[shown]
    if np.isfinite(looks).all():
        found[LOOK] = _principal(looks)
    else:
        found[LOOK], why[LOOK] = np.zeros((len(shown), 1)), "images that cannot be read"
    if embeddings is not None:
        found[EMBEDDING] = _principal(np.asarray(embeddings, dtype=np.float64)[shown])
    return found, why


def _covariate(values: pd.Series) -> Floats:
    """Columns of one covariate: its value and its bins, or an indicator for each level; missing is a level of its own."""
    import pandas as pd

    if values.dtype.kind not in "fiu":
        frequent = values.value_counts(dropna=False).index[:LEVELS]
        codes, levels = pd.factorize(values.where(values.isin(frequent), "other"), use_na_sentinel=False)
        return np.eye(len(levels))[codes] if len(levels) > 1 else np.empty((len(values), 0))
    numbers = values.to_numpy(dtype=np.float64)
    known = np.isfinite(numbers)
    if not known.any() or np.unique(numbers[known]).size < 2:
        return np.empty((len(values), 0))
    edges = np.unique(np.quantile(numbers[known], np.arange(1, BINS) / BINS))
    bins = np.where(known, np.searchsorted(edges, numbers, side="right"), BINS)
    return np.column_stack([np.where(known, numbers, numbers[known].mean()), bins[:, None] == np.unique(bins)])


def _principal(vectors: Floats) -> Floats:
    """Principal components of the vectors shown, the largest first."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)  # ascending
    return np.asarray(centred @ axes[:, ::-1][:, : min(COMPONENTS, centred.shape[1])])


def _out_of_fold(
    features: Floats, diseased: NDArray[np.bool_], strata: NDArray[np.intp], patients: NDArray[np.intp], kind: str
) -> MetadataAuc | None:
    """AUROC within folds and splits of out-of-fold scores, averaged over partitions, with its standard error; None with too few of a class.

    `strata` (partitions, queries) numbers fold and split of each query.
    """
    groups = [np.unique(patients[diseased == label]) for label in (True, False)]
    if min(map(len, groups)) < FEWEST:
        return None
    spread = features.std(axis=0)
    columns = (features - features.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    areas, moved = [], np.zeros(patients.max() + 1)
    for partition in strata:
        scores = np.empty(len(diseased))
        for fold in range(FOLDS):
            held = partition % FOLDS == fold
            if not 0 < diseased[~held].sum() < (~held).sum():
                return None
            scores[held] = columns[held] @ _ridge_logistic(columns[~held], diseased[~held])
        found = _within(scores.round(12), diseased, partition, patients)
        if found is None:
            return None
        areas.append(found[0])
        moved += found[1] / len(strata)
    error = INFLATION * float(np.sqrt(np.sum(moved**2)))
    return MetadataAuc(kind, float(np.mean(areas)), error, len(groups[0]), len(groups[1]))


def _within(
    scores: Floats, diseased: NDArray[np.bool_], strata: NDArray[np.intp], patients: NDArray[np.intp]
) -> tuple[float, Floats] | None:
    """Area over pairs within a stratum, weighted by pairs, and the influence of each patient; None where too few strata are usable."""
    pairs, useful, area, moved = 0.0, 0.0, 0.0, np.zeros(patients.max() + 1)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        ill, who = diseased[members], patients[members]
        number = float(ill.sum() * (~ill).sum())
        pairs += number
        clusters = [len(np.unique(who[ill == label])) for label in (True, False)]
        if min(clusters) < 2:  # a single patient gives no information about the variation between patients
            continue
        placed = placements(scores[members], ill)
        own = float(placed[ill].mean())
        useful += number
        area += number * own
        for label, count in zip((True, False), clusters, strict=True):
            rows = ill == label
            # DeLong's factor where a patient has one query
            parts = np.sqrt(count / (count - 1)) * (placed[rows] - own) / rows.sum()
            moved += number * np.bincount(who[rows], parts, len(moved))
    return (area / useful, moved / useful) if useful > 0 and useful >= KEPT * pairs else None


def _ridge_logistic(columns: Floats, labels: NDArray[np.bool_]) -> Floats:
    """Coefficients of a logistic regression with a penalty on all but the intercept, which ranks nothing and is left out (Newton steps)."""
    design = np.column_stack([columns, np.ones(len(columns))])
    penalty = np.diag(np.append(np.full(columns.shape[1], PENALTY), 1e-9))
    beta = np.zeros(design.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (labels - p) - penalty @ beta
        step = np.linalg.solve((design * (p * (1 - p))[:, None]).T @ design + penalty, gradient)
        beta = beta + step
        if np.abs(step).max() < 1e-8:
            break
    return beta[:-1]

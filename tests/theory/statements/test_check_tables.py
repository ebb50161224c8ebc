"""The check tables of the theory's specification: closed forms to the printed digits, raw simulation within 4 standard errors."""

from __future__ import annotations

import pytest

from theory.numerics.montecarlo import stream
from theory.statements import statement
from theory.verification import CheckPoint, simulate

SIGMA, CROSS = [[1, 0.3], [0.3, 1.5]], [[0.5, 0.1], [0.2, 0.6]]
T1B = {"Sigma": SIGMA, "C": CROSS, "Sr": SIGMA, "delta": [1, 0.6]}
TWO = {"d": 1, "rho": 0.4}
SITE = {"delta": 2, "tau": 1}
LEARN = {
    "p": 10,
    "n_per_class": 20,
    "Delta2": 2,
    "rho": 0.6,
}  # two quadratures agree to 1e-8 and differ from the printed exact values by up to 3e-5: 4 decimals
SCALAR = {"emb": "scalar", "delta": 1.5, "A": 4, "E": 1, "N": 1}
ISO = {"emb": "iso", "delta": 1.5, "A": 9, "E": 1}
FAULT = {"d": 1.5, "rho": 0.8}

# statement, quantity, parameters, printed closed form, its decimals
TABLE = [
    ("T1", "error", {"d": 1, "rho": 0, "rule": "single"}, 0.30854, 5),
    ("T1", "auc", {"d": 1, "rho": 0, "rule": "single"}, 0.76025, 5),
    ("T1", "error", {"d": 1, "rho": 0.3, "rule": "difference"}, 0.33630, 5),
    ("T1", "auc", {"d": 1, "rho": 0.3, "rule": "difference"}, 0.72495, 5),
    ("T1", "error", {"d": 1, "rho": 0.3, "rule": "optimal"}, 0.30009, 5),
    ("T1", "auc", {"d": 1, "rho": 0.3, "rule": "optimal"}, 0.77073, 5),
    ("T1", "error", {"d": 1, "rho": 0.7, "rule": "difference"}, 0.25930, 5),
    ("T1", "auc", {"d": 1, "rho": 0.7, "rule": "difference"}, 0.81934, 5),
    ("T1", "error", {"d": 1, "rho": 0.7, "rule": "optimal"}, 0.24192, 5),
    ("T1", "auc", {"d": 1, "rho": 0.7, "rule": "optimal"}, 0.83895, 5),
    ("T1", "error", {"d": 1, "rho": 0.7, "rule": "optimal", "pi": 0.1}, 0.09122, 5),
    ("T1", "error", {"d": 1, "rho": 0.7, "rule": "single", "pi": 0.1}, 0.09866, 5),
    ("T1", "error", {"d": 1, "rho": -0.4, "rule": "optimal"}, 0.29269, 5),
    ("T1b", "error", {**T1B, "rule": "single"}, 0.30303, 5),
    ("T1b", "error", {**T1B, "rule": "difference"}, 0.30398, 5),
    ("T1b", "error", {**T1B, "rule": "joint"}, 0.27594, 5),
    ("T2", "auc", {**TWO, "rho_rr": 0.4, "m": 1, "rule": "meandiff"}, 0.74070, 5),
    ("T2", "auc", {**TWO, "rho_rr": 0.4, "m": 4, "rule": "meandiff"}, 0.79289, 5),
    ("T2", "auc", {**TWO, "rho_rr": 0.4, "m": 4, "rule": "optimal"}, 0.79947, 5),
    ("T2", "auc", {**TWO, "rho_rr": 0.8, "m": 4, "rule": "meandiff"}, 0.75492, 5),
    ("T2", "auc", {**TWO, "rho_rr": 0.2, "m": 8, "rule": "optimal"}, 0.84969, 5),
    ("T3", "scaled_var", {"n_per_group": 10, "rho": 0.6, "d": 0.5, "analysis": "ancova"}, 0.68, 5),
    ("T3", "scaled_var", {"n_per_group": 10, "rho": 0.6, "d": 0.5, "analysis": "change"}, 0.8, 5),
    ("T3", "power", {"n_per_group": 30, "rho": 0.7, "d": 0.5, "analysis": "change"}, 0.69093, 5),
    ("T3", "power", {"n_per_group": 30, "rho": 0.7, "d": 0.5, "analysis": "ttest"}, 0.47790, 5),
    ("T5", "error", {**SITE, "rule": "single"}, 0.23975, 5),
    ("T5", "error", {**SITE, "rule": "same_diff", "m": 1}, 0.23975, 5),
    ("T5", "error", {**SITE, "rule": "same_diff", "m": 4}, 0.18555, 5),
    ("T5", "error", {**SITE, "rule": "same_shrink", "m": 4}, 0.18066, 5),
    ("T5", "error", {**SITE, "rule": "cross_diff", "m": 4, "sites": "one"}, 0.28955, 5),
    ("T5", "error", {**SITE, "rule": "cross_diff", "m": 4, "sites": "many"}, 0.26354, 5),
    ("T5", "error", {**SITE, "rule": "single", "train": "one_site"}, 0.28185, 5),
    ("T5", "fixed_shift_error", {"d": 2, "shift": 1.2}, 0.29658, 5),
    ("T5", "pooled_auc", SITE, 0.8413, 4),
    ("T5", "pooled_auc", {"delta": 2, "tau": 0}, 0.92135, 5),
    ("T6", "error", {**FAULT, "w": 1, "fault": "diseased", "rate": 0.2}, 0.18251, 5),
    ("T6", "error", {**FAULT, "w": 0.8, "fault": "diseased", "rate": 0.2}, 0.16191, 5),
    ("T6", "auc", {**FAULT, "w": 1, "fault": "diseased", "rate": 0.2}, 0.88814, 5),
    ("T6", "auc", {**FAULT, "w": 0.8, "fault": "diseased", "rate": 0.2}, 0.91578, 5),
    ("T6", "error", {**FAULT, "w": 1, "fault": "swap", "rate": 0.1}, 0.16194, 5),
    ("T6", "error", {**FAULT, "w": 0.8, "fault": "swap", "rate": 0.1}, 0.15034, 5),
    ("T6", "auc", {**FAULT, "w": 1, "fault": "swap", "rate": 0.1}, 0.86259, 5),
    ("T6", "auc", {**FAULT, "w": 0.8, "fault": "swap", "rate": 0.1}, 0.87317, 5),
    ("T6", "m_refs_error", {"d": 1.5, "rho": 0.6, "m": 4, "rate": 0.2}, 0.18103, 5),
    *(
        ("T6", "break_even", {"d": 1.5, "rho": rho, "w": w, "fault": fault}, printed, 4)
        for rho, w, fault, printed in [
            (0.6, 1, "diseased", 0.1277),
            (0.6, 0.6, "diseased", 0.4268),
            (0.6, 1, "swap", 0.0650),
            (0.6, 0.6, "swap", 0.1299),
            (0.8, 1, "diseased", 0.3365),
            (0.8, 0.8, "diseased", 0.4300),
            (0.8, 1, "swap", 0.2467),
            (0.8, 0.8, "swap", 0.2707),
        ]
    ),
    ("T4", "error", {**LEARN, "rep": "single", "cov": "known"}, 0.2830, 4),
    ("T4", "error", {**LEARN, "rep": "difference", "cov": "known"}, 0.2532, 4),
    ("T4", "error", {**LEARN, "rep": "concat", "cov": "known"}, 0.2473, 4),
    ("T4", "error", {**LEARN, "rep": "residual_known_rho", "cov": "known"}, 0.2222, 4),
    ("T4", "error", {**LEARN, "rep": "single", "cov": "pooled"}, 0.3080, 4),
    ("T4", "error", {**LEARN, "rep": "difference", "cov": "pooled"}, 0.2809, 4),
    ("T4", "error", {**LEARN, "rep": "concat", "cov": "pooled"}, 0.3141, 4),
    ("T4", "raudys_error", {**LEARN, "rep": "single", "cov": "known"}, 0.28185, 5),
    ("T4", "raudys_error", {**LEARN, "rep": "difference", "cov": "known"}, 0.25202, 5),
    ("T4", "raudys_error", {**LEARN, "rep": "concat", "cov": "known"}, 0.24504, 5),
    ("T4", "raudys_error", {**LEARN, "rep": "residual_known_rho", "cov": "known"}, 0.22085, 5),
    ("T4", "raudys_error", {**LEARN, "rep": "single", "cov": "pooled"}, 0.30854, 5),
    ("T4", "raudys_error", {**LEARN, "rep": "difference", "cov": "pooled"}, 0.28142, 5),
    ("T4", "raudys_error", {**LEARN, "rep": "concat", "cov": "pooled"}, 0.31276, 5),
    ("T11", "neg_bank_error", {"d": 1.5, "N0": 2, "m": 0}, 0.27015, 5),
    ("T11", "neg_bank_error", {"d": 1.5, "N0": 2, "m": 4}, 0.24373, 5),
    ("T11", "prior_error", {"d": 1.5, "kappa": 1.5, "m": 0}, 0.33870, 5),
    ("T11", "prior_error", {"d": 1.5, "kappa": 1.5, "m": 2}, 0.26375, 5),
    ("T11", "pair_aug_factor", {"rho": 0, "rho_rr": 0, "R": 4}, 0.62500, 5),
    ("T11", "unbalanced_error", {"p": 10, "n1": 10, "n0": 30, "Delta2": 3, "cls": 1}, 0.2857, 4),
    ("T11", "unbalanced_error", {"p": 10, "n1": 10, "n0": 30, "Delta2": 3, "cls": 0}, 0.1944, 4),
    ("T11", "unlabelled_value", {"pi": 0.3, "delta": 1.5}, 0.6791, 4),
    ("T11", "biased_threshold_error", {"d": 1, "c": 0.5}, 0.32933, 5),
    ("T12", "t_error", {"nu": 3, "d": 1, "rho": 0.7, "w": 1}, 0.28229, 5),
    ("T12", "cauchy_shared_auc", {"delta": 2, "w": 0, "scale": 1}, 0.71594, 5),
    ("T12", "cauchy_shared_auc", {"delta": 2, "w": 0.9, "scale": 1}, 0.83001, 5),
    ("T12", "cauchy_shared_auc", {"delta": 2, "w": 1, "scale": 1}, 0.84134, 5),
    ("T12", "learned_w_var", {"rho": 0.6, "N": 20}, 0.68000, 5),
    ("T12", "hetero_error", {"A": 1, "sigma_e2": 0.5, "s2": [0.25, 1, 4], "delta": 1.5}, 0.17796, 5),
    ("T12", "circle_best_of_k", {"k": 4}, 0.01667, 5),
    ("T12", "max_of_k", {"k": 2}, 0.56419, 5),
    ("T12", "max_of_k", {"k": 3}, 0.84628, 5),
    ("T12", "max_of_k", {"k": 5}, 1.16296, 5),
    ("T12", "dAUC_sd", {"d": 1, "rho": 0.6, "w": 0.6, "n_per_class": 100}, 0.02184, 5),
    ("T12", "pair_right_single_wrong", {"d": 1, "rho": 0.6, "w": 0.6}, 0.10983, 5),
    ("T12", "minimax_ratio_variance", {"l": 0.2, "u": 0.6, "rho": 0.2}, 1.05051, 5),
    ("T12", "minimax_ratio_variance", {"l": 0.2, "u": 0.6, "rho": 0.6}, 1.05051, 5),
    ("T7", "auc", {**SCALAR, "w": 0, "rule": "difference"}, 0.71192, 5),
    ("T7", "auc", {**SCALAR, "w": 1, "rule": "difference"}, 0.55446, 5),
    ("T7", "auc", {**SCALAR, "w": 0.5, "rule": "optimal"}, 0.70499, 5),
    ("T7", "auc", {**ISO, "N": 50, "rule": "difference"}, 0.59895, 5),
    ("T7", "auc", {**ISO, "N": 1.93, "rule": "difference"}, 0.62911, 5),
    ("T7", "auc", {**ISO, "N": 0.2, "rule": "difference"}, 0.5823, 4),
    ("T7", "auc", {**ISO, "N": 1.93, "rule": "optimal"}, 0.65796, 4),
    ("T7", "mean_sq_min_norm", {"k": 3, "M": 1000}, 0.02196, 5),
    ("T7", "mean_sq_min_norm", {"k": 8, "M": 1000}, 0.77570, 5),
    *(("T8", "are", {"Delta": delta}, printed, 5) for delta, printed in ((1, 0.99493), (2, 0.89920), (2.5, 0.78598), (3, 0.64104))),
    ("T10", "icc_cover", {"groups": 30, "k": 3, "rho": 0.4}, 0.95, 5),
    ("T10", "delta_cover", {"n_per_class": 100, "rho": 0.6, "d": 1}, 0.95, 5),
    ("T10", "gain_sd", {"n_per_class": 200, "rho": 0.6, "d": 1}, 0.00717, 5),
    ("T10", "gain_sd", {"n_per_class": 100, "rho": 0.6, "d": 1}, 0.01017, 5),
    ("T10", "gain_sd", {"n_per_class": 500, "rho": 0.6, "d": 1}, 0.00453, 5),
    ("T10", "auc_R_refs", {"beta": 1.5, "R": 4, "S": 2, "var": {"P": 1, "PR": 0.6, "PS": 0.2, "E": 0.4}}, 0.82388, 5),
    (
        "T10",
        "EMS_PR",
        {"beta": 1, "n": 20, "R": 3, "S": 3, "var": {"P": 1, "R": 0.3, "S": 0.2, "PR": 0.5, "PS": 0.2, "RS": 0.1, "E": 0.4}},
        0.5,
        5,
    ),
    ("T4", "crossover", {"p": 10, "Delta2": 2, "rho": 0.3, "against": "single"}, 72.91, 2),
    ("T4", "crossover", {"p": 20, "Delta2": 4, "rho": 0.2, "against": "single"}, 210.8, 1),
    ("T4", "crossover", {"p": 20, "Delta2": 1, "rho": 0.7, "against": "difference"}, 71.2, 1),
    ("T7", "best_tightness", {"A": 9, "E": 1, "rule": "difference"}, 1.9326, 4),
    ("T7", "best_tightness", {"A": 9, "E": 1, "rule": "optimal"}, 1.2025, 4),
    *(
        ("T8", "efficiency", {"Delta": delta, "pi": 0.1}, printed, 5)
        for delta, printed in ((1, 0.97678), (1.5, 0.91142), (2, 0.80064), (2.5, 0.66023), (3, 0.51073), (3.5, 0.37039), (4, 0.25167))
    ),
    *(
        ("T9", "information_nats", {"separation": d}, printed, 6)
        for d, printed in ((0.5, 0.030311), (1, 0.111421), (1.5, 0.221171), (2, 0.336831), (3, 0.526777))
    ),
    ("T6", "aware_error", {**FAULT, "fault": "diseased", "rate": 0.2}, 0.14376, 5),
    ("T6", "aware_error", {**FAULT, "fault": "diseased", "rate": 0.5}, 0.16146, 5),
    ("T6", "aware_error", {**FAULT, "fault": "diseased", "rate": 0.0}, 0.10565, 5),
    ("T3", "ancova_m_var", {"n_per_group": 10, "rho": 0.6, "rho_rr": 0.6, "m": 1}, 0.68, 5),
    ("T5", "pooled_rule_auc", {**SITE, "rule": "single"}, 0.8413, 4),
    ("T5", "within_site_auc", {**SITE, "rule": "single"}, 0.92135, 5),
    ("T12", "minimax_risk", {"l": 0.2, "u": 0.6, "criterion": "ratio"}, 1.05051, 5),
    ("T12", "minimax_risk", {"l": 0.2, "u": 0.6, "criterion": "regret"}, 0.04, 5),
    ("T12", "best_of_k_inflation", {"k": 5, "s_R": 1}, 1.16296, 5),
    ("T12", "single_right_pair_wrong", {"d": 1, "rho": 0.6, "w": 0.6}, 0.06727, 5),
    ("T12", "n_for_auc", {"d": 1, "rho": 0.6, "w": 0.6}, 141.87, 2),
    ("T12", "n_for_accuracy", {"d": 1, "rho": 0.6, "w": 0.6}, 765, 0),
    ("T9", "mi_gain_nats", {"d": 1, "rho": 0.5}, 0.03203, 5),
    ("T10", "auc_gain", {"d": 1, "rho": 0.6}, 0.05137, 5),
    ("T10", "auc_gain", {"d": 1, "rho": 0.3}, 0.01048, 5),
    ("T7", "distance_moment", {"k": 3, "M": 1000}, 0.02183, 5),
    ("T7", "distance_moment", {"k": 8, "M": 1000}, 0.71352, 5),
    ("T4", "crossover", {"p": 10, "Delta2": 2, "rho": 0.4, "against": "single"}, 25.70, 2),
    ("T4", "crossover", {"p": 10, "Delta2": 2, "rho": 0.8, "against": "difference"}, 24.8, 1),
    ("T12", "minimax_weight", {"l": 0.2, "u": 0.6, "criterion": "ratio"}, 0.42020, 5),
    ("T12", "minimax_weight", {"l": 0, "u": 0.8, "criterion": "ratio"}, 0.5, 5),
    ("T12", "variance_regret", {"rho": 0.3, "w": 1}, 0.49, 5),
    ("T12", "score_correlation", {"rho": 0.6, "w": 0.6}, 0.8, 5),
    ("T5", "shrink_weight", {"tau": 1, "m": 4}, 0.8, 5),
    ("T2", "variance", {"rho": 0.4, "rho_rr": 0.4, "m": 4, "rule": "meandiff"}, 0.75, 5),
    ("T9", "mi_gain_nats", {"d": 1, "rho": 0.8}, 0.14863, 5),
    ("T9", "fixed_error", {"d": 1, "rho": 0.8, "x_fixed": 0.7}, 0.30854, 5),
]

rows = pytest.mark.parametrize(
    ("identifier", "name", "params", "printed", "decimals"), TABLE, ids=[f"{row[0]}-{row[1]}-{i}" for i, row in enumerate(TABLE)]
)


@rows
def test_closed_form_to_the_printed_digits(identifier, name, params, printed, decimals):
    assert statement(identifier).quantity(name).value(**params) == pytest.approx(printed, abs=0.5000001 * 10**-decimals)


@rows
def test_raw_simulation_agrees(identifier, name, params, printed, decimals):
    quantity = statement(identifier).quantity(name)
    bound = quantity.bind(params)
    size = max(2, 400_000 // quantity.draws(bound))
    estimate = simulate(CheckPoint(identifier, quantity, bound), seed=0, replicates=size)
    closed = quantity.value(**params)
    assert abs(estimate.z_against(closed, quantity.stated_error(bound, closed))) < 4


@pytest.mark.parametrize(
    ("identifier", "name", "params", "printed", "decimals"), [row for row in TABLE if statement(row[0]).quantity(row[1]).fast]
)
def test_fast_sampler_agrees(identifier, name, params, printed, decimals):
    quantity = statement(identifier).quantity(name)
    bound, tally = quantity.bind(params), quantity.tally()
    tally.add(quantity.fast(bound, 50_000, stream(0, "fast", identifier, name)))
    closed = quantity.value(**params)
    assert abs(tally.estimate().z_against(closed, quantity.stated_error(bound, closed))) < 4

"""The command takes exactly the ids, quantities and parameter names of the specification, with the defaults it gives."""

from __future__ import annotations

import json

import pytest

from see_in_pairs.console import run_app
from theory.cli import app
from theory.statements import statement
from theory.statements.parameters import REQUIRED

SQUARE, CROSS = "[[1,0.3],[0.3,1.5]]", "[[0.5,0.1],[0.2,0.6]]"
FOUR, SEVEN = '{"P":1,"PR":0.6,"PS":0.2,"E":0.4}', '{"P":1,"R":0.3,"S":0.2,"PR":0.5,"PS":0.2,"RS":0.1,"E":0.4}'

# statement, quantities, parameters that must be given, parameters with a default
SPECIFIED = [
    ("T1", ["error"], ["d=1", "rho=0.7", "rule=optimal"], {"pi": 0.5}),
    ("T1", ["error"], ["d=1", "rho=0.7", "rule=0.4"], {"pi": 0.5}),
    ("T1", ["auc"], ["d=1", "rho=0.7", "rule=single"], {}),
    ("T1b", ["error"], [f"Sigma={SQUARE}", f"C={CROSS}", f"Sr={SQUARE}", "delta=[1,0.6]", "rule=joint"], {}),
    ("T2", ["error", "auc"], ["d=1", "rho=0.4", "rho_rr=0.4", "m=4", "rule=meandiff"], {}),
    ("T3", ["scaled_var"], ["n_per_group=10", "rho=0.6", "d=0.5", "analysis=ancova"], {}),
    ("T3", ["power"], ["n_per_group=30", "rho=0.7", "d=0.5", "analysis=change"], {}),
    ("T3", ["power"], ["n_per_group=4", "rho=0.8", "d=1.2", "analysis=ancova"], {}),
    ("T4", ["error"], ["p=10", "n_per_class=20", "Delta2=2", "rho=0.6", "rep=residual_known_rho", "cov=known"], {}),
    ("T4", ["error"], ["p=10", "n_per_class=20", "Delta2=2", "rho=0.6", "rep=concat", "cov=pooled"], {}),
    ("T5", ["error"], ["delta=2", "tau=1", "rule=single"], {"m": 1, "sites": "one", "train": "centred"}),
    ("T5", ["error"], ["delta=2", "tau=1", "rule=same_shrink"], {"m": 1, "sites": "one", "train": "centred"}),
    ("T5", ["fixed_shift_error"], ["d=2", "shift=1.2"], {}),
    ("T6", ["error", "auc"], ["d=1.5", "rho=0.8", "w=1", "fault=diseased", "rate=0.2"], {}),
    ("T6", ["error", "auc"], ["d=1.5", "rho=0.8", "w=1", "fault=swap", "rate=0.2"], {}),
    ("T6", ["m_refs_error"], ["d=1.5", "rho=0.6", "m=4", "rate=0.2"], {}),
    ("T7", ["auc"], ["emb=scalar", "w=0", "delta=1.5", "A=4", "E=1", "N=1", "M=400000", "rule=difference"], {}),
    ("T7", ["auc"], ["emb=iso", "delta=1.5", "A=9", "E=1", "N=1.93", "M=400000", "rule=optimal"], {}),
    ("T7", ["mean_sq_min_norm"], ["k=3", "M=1000"], {}),
    ("T8", ["are"], ["Delta=2.5", "p=2", "n_total=800"], {}),
    ("T9", ["mi_gain_nats"], ["d=1", "rho=0.5"], {}),
    ("T9", ["fixed_error"], ["d=1", "rho=0.8", "x_fixed=0.7"], {}),
    ("T10", ["icc_cover"], ["groups=30", "k=3", "rho=0.4"], {}),
    ("T10", ["delta_cover", "gain_sd"], ["n_per_class=100", "rho=0.6", "d=1"], {}),
    ("T10", ["auc_R_refs"], ["beta=1.5", "R=4", "S=2", f"var={FOUR}"], {}),
    ("T10", ["shared_rho_sd", "shared_rho_cover"], ["n=200", "rho=0.4", "R=20"], {}),
    ("T10", ["EMS_PR"], ["beta=1", "n=20", "R=3", "S=3", f"var={SEVEN}"], {}),
    ("T11", ["neg_bank_error"], ["d=1.5", "N0=2", "m=4"], {}),
    ("T11", ["prior_error"], ["d=1.5", "kappa=1.5", "m=0"], {}),
    ("T11", ["unlabelled_value", "unlabelled_information"], ["pi=0.5", "delta=3"], {}),
    ("T11", ["pair_aug_factor"], ["rho=0", "rho_rr=0", "R=4"], {}),
    ("T11", ["unbalanced_error"], ["p=10", "n1=10", "n0=30", "Delta2=3", "cls=1"], {}),
    ("T12", ["t_error"], ["nu=3", "d=1", "rho=0.7", "w=1"], {}),
    ("T12", ["cauchy_shared_auc"], ["delta=2", "w=0.9", "scale=1"], {}),
    ("T12", ["learned_w_var"], ["rho=0.6", "N=20"], {}),
    ("T12", ["hetero_error"], ["A=1", "sigma_e2=0.5", "s2=[0.25,1,4]", "delta=1.5"], {}),
    ("T12", ["circle_best_of_k", "max_of_k"], ["k=4"], {}),
    ("T12", ["dAUC_sd"], ["d=1", "rho=0.6", "w=0.6", "n_per_class=100"], {}),
    ("T12", ["pair_right_single_wrong"], ["d=1", "rho=0.6", "w=0.6"], {}),
    ("T12", ["minimax_ratio_variance"], ["l=0.2", "u=0.6", "rho=0.2"], {}),
    ("T13", ["auc"], ["delta=1", "gamma=1.1", "auroc_z=0.74", "rule=reference_only"], {"matching": "exact"}),
    ("T13", ["auc"], ["delta=1", "gamma=1.1", "auroc_z=0.74", "rule=t1_weight", "matching=caliper", "caliper=0.5"], {}),
    ("T13", ["assumed_auc"], ["delta=1", "gamma=1.1", "auroc_z=0.74", "rule=optimal"], {}),
    ("T13", ["leak"], ["delta=1", "gamma=1.1", "auroc_z=0.74"], {"matching": "exact"}),
    ("T13", ["adjusted_auc"], ["delta=1", "rule=difference"], {}),
    ("T13", ["leaked_auc"], ["d=1", "rho=0.5", "s=0.2", "rule=optimal"], {"m": 1}),
    ("T13", ["leak_from_auroc"], ["auc_single=0.83", "auc_reference=0.68"], {}),
    ("T13", ["site_auc"], ["delta=1", "offsets=[0,1]", "shares=[1,1]", "prevalences=[0.2,0.6]", "rule=single"], {"refs": "same_site"}),
    ("T14", ["auc", "d_a", "sensitivity"], ["d=1", "rho=0.6", "sd=1.5", "rule=optimal"], {}),
    ("T14", ["da_ratio"], ["rho=0.6", "sd=1.5", "rule=difference"], {}),
    ("T14", ["bayes_auc"], ["d=1", "rho=0.6", "sd=1.5", "rule=pair"], {}),
    ("T15", ["power", "approximation_error"], ["n_per_group=4", "rho=0.8", "d=1.2", "analysis=ancova"], {"m": 1, "level": 0.05}),
    ("T15", ["n_exact"], ["rho=0.8", "d=1.2", "analysis=ancova"], {"power": 0.8, "level": 0.05, "m": 1}),
    ("T15", ["paired_power"], ["n=3", "rho=0.5", "d=1"], {"level": 0.05}),
    ("T15", ["f_power"], ["n_per_group=6", "rho=0.8", "effects=[0,0.6,1.2]"], {"level": 0.05}),
    ("T16", ["accuracy", "pairwise_auc"], ["K=5", "d=1.5", "rho=0.8", "rule=difference"], {"geometry": "simplex"}),
    ("T16", ["gain"], ["K=5", "d=1.5", "rho=0.8", "rule=difference"], {"geometry": "simplex", "measure": "accuracy"}),
    ("T17", ["gain_bias", "gain_sd"], ["d=1", "rho=0.6", "n=50"], {}),
    ("T17", ["cover"], ["d=1", "rho=0.1", "n=100"], {"method": "delta"}),
    ("T17", ["pairs_needed"], ["d=1", "rho=0.6", "half_width=0.02"], {}),
]
CASES = [(identifier, name, words, defaults) for identifier, names, words, defaults in SPECIFIED for name in names]
IDS = [f"{identifier}-{name}-{i}" for i, (identifier, name, _, _) in enumerate(CASES)]


@pytest.mark.parametrize(("identifier", "name", "words", "defaults"), CASES, ids=IDS)
def test_the_command_takes_the_specified_names(identifier, name, words, defaults, capsys):
    assert run_app(app, ["value", identifier, name, *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["statement"], found["quantity"]) == (identifier, name)
    given = {word.partition("=")[0] for word in words}
    assert given <= set(found["params"])
    assert found["params"] | defaults == found["params"]
    assert isinstance(found["value"], float)


@pytest.mark.parametrize(("identifier", "name", "words", "defaults"), CASES, ids=IDS)
def test_nothing_else_must_be_given(identifier, name, words, defaults):
    required = {parameter.name for parameter in statement(identifier).quantity(name).parameters if parameter.default is REQUIRED}
    assert required <= {word.partition("=")[0] for word in words}


@pytest.mark.parametrize(
    ("identifier", "name", "parameter", "words"),
    [
        ("T1", "error", "rule", ("single", "difference", "optimal")),
        ("T1b", "error", "rule", ("single", "difference", "joint")),
        ("T2", "auc", "rule", ("meandiff", "optimal")),
        ("T3", "scaled_var", "analysis", ("ttest", "change", "ancova")),
        ("T4", "error", "rep", ("single", "difference", "concat", "residual_known_rho")),
        ("T4", "error", "cov", ("known", "pooled")),
        ("T5", "error", "rule", ("single", "same_diff", "same_shrink", "cross_diff")),
        ("T5", "error", "sites", ("one", "many")),
        ("T5", "error", "train", ("centred", "one_site")),
        ("T6", "error", "fault", ("diseased", "swap")),
        ("T7", "auc", "emb", ("scalar", "iso")),
        ("T7", "auc", "rule", ("difference", "optimal")),
    ],
)
def test_every_specified_word_is_taken(identifier, name, parameter, words):
    found = next(item for item in statement(identifier).quantity(name).parameters if item.name == parameter)
    assert all(found.accepts(word) for word in words)

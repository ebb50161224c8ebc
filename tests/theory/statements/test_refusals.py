"""Every quantity refuses what is impossible, with one line; and says where an approximation is not known to hold."""

from __future__ import annotations

import pytest

from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from theory.cli import app
from theory.statements import all_statements

EVERY = [(owner.id, quantity) for owner in all_statements().values() for quantity in owner.quantities]
IMPOSSIBLE = {  # parameter to values that no quantity may take
    "rho": (1.2, -1.0, float("nan"), [0.1, 0.2], "high"),
    "rho_assumed": (1.0,),
    "pi": (0, 1, -0.1),
    "specificity": (0, 1),
    "power": (1.0,),
    "level": (0,),
    "m": (-1, 1.5),
    "effects": ([1.0], [0.0, float("nan")]),
    "sd": (0, 0.5),  # below a correlation of .6 or more
    "K": (1, 2.5),
    "geometry": ("circle",),
    "measure": ("kappa",),
    "method": ("bootstrap",),
    "half_width": (0,),
    "gamma": (float("nan"),),
    "auroc_z": (0, 1, 1.2),
    "auc_single": (0.5, 1),
    "auc_reference": (0, 1),
    "matching": ("nearly", "caliper"),
    "s": (float("inf"),),
    "offsets": ([0.0], float("nan")),
    "shares": ([1, 0],),
    "prevalences": ([0.2, 1.0],),
    "R": (0, 1.5),
    "rho_qq": (1.0, -0.5),
    "k": (0,),
    "n_per_class": (0,),
    "n_per_group": (1,),
    "rate": (1.1, -0.1),
    "d": (float("inf"),),
    "delta": (float("inf"), float("nan")),
    "tau": (-1,),
    "N0": (-1,),
    "M": (0,),
    "p": (0,),
    "Delta": (0,),
    "separation": (-1,),
    "A": (0, -1),
    "E": (0,),
    "emb": ("none",),
    "against": ("concat",),
    "Delta2": (-1,),
    "strength": (0,),
    "rule": ("best",),
    "control": ("nothing",),
    "model": ("magic",),
    "Sigma": ([[1, 2], [2, 1]], [[1, 0.5], [0.4, 1]]),
    "Sr": ([[0, 0], [0, 0]],),
    "C": ([[1, 0], [0, 2]],),
    "Sigma_r": ([[1, 2], [2, 1]],),
    "c": ([0.9, -0.9], [0.5], float("inf")),
    "u": (-1,),  # a correlation in T12, a distance in T7
    "l": (1.0,),
    "kappa": (-1,),
    "noise": (-1,),
    "S": (0,),
    "n": (0, 2.5),
    "n1": (0,),
    "n0": (0,),
    "cls": (2,),
    "groups": (1,),
    "g": (-1,),
    "j": (0,),
    "w": (float("nan"), float("inf")),
    "a": (float("inf"), float("nan")),
    "x_fixed": (float("inf"),),
    "shift": (float("nan"),),
    "beta": (float("inf"),),
    "N": (-1,),
    "nu": (0,),
    "scale": (-1,),
    "sigma_e2": (0,),
    "s2": ([0.0], [], "many"),
    "s_R": (-1,),
    "n_total": (1,),
    "var": ({"P": 1}, {"P": -1, "R": 0, "S": 0, "PR": 0, "PS": 0, "RS": 0, "E": 1}),
    "source": ("R",),
    "design": ("split",),
    "criterion": ("best",),
    "cov": ("guessed",),
    "rep": ("triple",),
    "fault": ("broken",),
    "analysis": ("anova",),
    "sites": ("two",),
    "train": ("nowhere",),
    "refs": ("none",),
}
CASES = [
    (owner, quantity, parameter.name, value)
    for owner, quantity in EVERY
    for parameter in quantity.parameters
    for value in IMPOSSIBLE.get(parameter.name, ())
]


@pytest.mark.parametrize(("owner", "quantity", "name", "value"), CASES, ids=[f"{o}-{q.name}-{n}-{v}" for o, q, n, v in CASES])
def test_impossible_values_are_refused_in_one_line(owner, quantity, name, value):
    point = quantity.points[0]
    with pytest.raises(InputError) as refused:
        quantity.value(**{**point, name: value})
    assert len(str(refused.value).splitlines()) == 1


def test_no_references_are_refused_where_there_must_be_some():
    for owner, name in (
        ("T2", "auc"),
        ("T2", "error"),
        ("T5", "error"),
        ("T5", "pooled_rule_auc"),
        ("T6", "m_refs_error"),
        ("T3", "ancova_m_var"),
    ):
        quantity = all_statements()[owner].quantity(name)
        with pytest.raises(InputError, match="m = 0"):
            quantity.value(**{**quantity.points[0], "m": 0})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["T1", "error", "d=1", "rho=1.2", "rule=optimal"], "rho = 1.2"),
        (["T1", "error", "d=1", "rho=0.5", "rule=optimal", "pi=0"], "pi = 0"),
        (["T2", "auc", "d=1", "rho=0.4", "rho_rr=0.4", "m=0", "rule=optimal"], "m = 0"),
        (["T2", "unequal_error", "d=1", "c=[0.9,0.9]", "Sigma_r=[[1,0],[0,1]]", "rule=optimal"], "not positive definite"),
        (["T2", "unequal_error", "d=1", "c=[0.1]", "Sigma_r=[[1,2],[2,1]]", "rule=optimal"], "not positive definite"),
        (["T6", "aware_error", "d=1", "rho=0.5", "fault=diseased", "rate=2"], "rate = 2"),
        (["T12", "n_for_auc", "d=1", "rho=0.5", "w=0"], "same AUROC"),
        (["T3", "n_for_power", "rho=0.5", "d=0", "analysis=ancova"], "d = 0"),
        (["T11", "gain", "model=site", "control=whatever"], "matched_same_site"),
    ],
)
def test_the_command_refuses_with_exit_code_2(words, says, capsys):
    assert run_app(app, ["value", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert says in printed.err
    assert len(printed.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["T4", "raudys_error", "p=300", "n_per_class=3", "Delta2=2", "rho=0.6", "rep=single", "cov=known"], "not stated"),
        (["T3", "n_for_power", "rho=0.9", "d=1", "analysis=ancova"], "normal approximation"),
        (["T12", "n_for_auc", "d=2", "rho=0.95", "w=0.95"], "first order"),
        (["T7", "auc", "emb=iso", "delta=1", "A=9", "E=1", "N=1", "rule=difference", "M=100"], "infinite pool"),
        (["T8", "are", "Delta=2", "n_total=100"], "800"),
    ],
)
def test_the_command_says_where_an_approximation_is_not_known_to_hold(words, says, capsys):
    assert run_app(app, ["value", *words]) == 0
    printed = capsys.readouterr()
    assert float(printed.out) > 0
    assert says in printed.err

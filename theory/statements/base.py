"""What a statement is: quantities, each as closed form, symbolic form and raw simulation, with the points where they are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from see_in_pairs.errors import InputError
from theory.numerics.montecarlo import ProportionTally, Tally
from theory.statements.parameters import REQUIRED, Parameter

ELEMENTARY = 1e-12
QUADRATURE = 1e-8

Params = dict[str, Any]
Simulation = Callable[[Params, int, np.random.Generator], np.ndarray]


def _one_draw(params: Params) -> int:
    return 4


def _exact(params: Params) -> float:
    return 0.0


def _everywhere(params: Params) -> str:
    return ""


@dataclass(frozen=True)
class Quantity:
    """A number that a statement gives.

    Parameters
    ----------
    name : str
        As in THEORY.md.
    summary : str
        One line.
    parameters : tuple of Parameter
        What it depends on.
    closed_form : callable
        Takes the parameters by name, returns the value; vectorised over numbers.
    symbolic : callable
        Takes the parameters by name, returns the value of the derived expression.
    simulate : callable
        ``(params, replicates, rng)`` to an array with one entry per replicate, from individually drawn patients.
    points : tuple of dict
        Where `theory verify` compares the three.
    tally : type of Tally
        Turns the replicates into an estimate.
    fast : callable or None
        Like `simulate`, from sufficient statistics.
    draws : callable
        Random numbers per replicate, to size the batches.
    symbolic_tolerance : float
        Largest allowed distance of symbolic and closed form (relative to values above 1).
    allowance : callable
        Takes the parameters, returns the stated error of the closed form where it is a limit or first order; 0 where it is exact.
    relative_allowance : float
        The same as a share of the value.
    caveat : callable
        Takes the parameters, returns a line where the stated error is not known to hold there, else nothing.
    mcse : float
        Standard error at which the simulation stops.
    block : int
        Patients in a replicate that is an estimate of its own (a study); 1 where a replicate is a patient or a small set of them. A number
        of replicates that a user asks for counts patients there.
    """

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    closed_form: Callable[..., Any]
    symbolic: Callable[..., float]
    simulate: Simulation
    points: tuple[Params, ...]
    tally: Callable[[], Tally] = ProportionTally
    fast: Simulation | None = None
    draws: Callable[[Params], int] = _one_draw
    symbolic_tolerance: float = ELEMENTARY
    allowance: Callable[[Params], float] = _exact
    relative_allowance: float = 0.0
    caveat: Callable[[Params], str] = _everywhere
    mcse: float = 5e-4
    block: int = 1

    def bind(self, values: Mapping[str, Any]) -> Params:
        """Complete and check named values.

        Parameters
        ----------
        values : mapping of str to object
            What the user gave.

        Returns
        -------
        dict
            Every parameter in its order, defaults filled in, those with default None left out.

        Raises
        ------
        InputError
            For an unknown or missing name, or a value of the wrong kind.
        """
        known = [parameter.name for parameter in self.parameters]
        unknown = [name for name in values if name not in known]
        if unknown:
            raise InputError(f"quantity '{self.name}' has no parameter '{unknown[0]}' (it takes {', '.join(known)})")
        missing = [parameter.name for parameter in self.parameters if parameter.default is REQUIRED and parameter.name not in values]
        if missing:
            raise InputError(f"quantity '{self.name}' needs {', '.join(f'{name}=...' for name in missing)} (it takes {', '.join(known)})")
        bound = {
            parameter.name: parameter.check(values[parameter.name]) if parameter.name in values else parameter.default
            for parameter in self.parameters
        }
        return {name: value for name, value in bound.items() if value is not None}

    def value(self, **values: Any) -> float:
        """Compute the closed form at named values.

        Parameters
        ----------
        **values : object
            The parameters.

        Returns
        -------
        float
            The value.

        Raises
        ------
        InputError
            For names or values that are not possible.
        """
        return float(self.closed_form(**self.bind(values)))

    def stated_error(self, params: Params, closed: float) -> float:
        """Tell the stated error of the closed form.

        Parameters
        ----------
        params : dict
            Where.
        closed : float
            Its value.

        Returns
        -------
        float
            0 for an exact statement.
        """
        return self.allowance(params) + self.relative_allowance * abs(closed)


@dataclass(frozen=True)
class Statement:
    """A statement of THEORY.md.

    Parameters
    ----------
    id : str
        ``T1``, ``T1b``, ...
    title : str
        A few words.
    summary : str
        What it says, in one line.
    quantities : tuple of Quantity
        The numbers it gives.
    """

    id: str
    title: str
    summary: str
    quantities: tuple[Quantity, ...]

    def quantity(self, name: str) -> Quantity:
        """Look a quantity up.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        Quantity
            The quantity.

        Raises
        ------
        InputError
            When there is none, listing those there are.
        """
        for quantity in self.quantities:
            if quantity.name == name:
                return quantity
        raise InputError(f"{self.id} has no quantity '{name}' (it has {', '.join(q.name for q in self.quantities)})")

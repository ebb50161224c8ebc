"""The type of a statement: quantities, each as closed form, symbolic form and raw simulation, with the points of their comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from see_in_pairs.display import html_frame
from see_in_pairs.errors import InputError, did_you_mean
from theory.numerics.montecarlo import ProportionTally, Tally
from theory.statements.parameters import REQUIRED, Parameter

if TYPE_CHECKING:
    import pandas as pd

ELEMENTARY = 1e-12
QUADRATURE = 1e-8

Params = dict[str, Any]
Simulation = Callable[[Params, int, np.random.Generator], np.ndarray]


def _one_draw(params: Params) -> int:
    return 4


def _exact(params: Params) -> float:
    return 0.0


def _no_caveat(params: Params) -> str:
    return ""


@dataclass(frozen=True, repr=False)
class Quantity:
    """A number given by a statement.

    Parameters
    ----------
    name, summary : str
        Name on the command line and in the tables, and one line of description.
    parameters : tuple of Parameter
        Parameters it depends on, in the order in which they are listed.
    closed_form, symbolic : callable
        Take the parameters by name and return the value: by the formula, vectorised over numbers, and by evaluating an expression that
        is derived again.
    simulate : callable
        ``(params, replicates, rng)`` to an array with one entry per replicate, from individually drawn patients.
    points : tuple of dict
        Parameters at which ``theory verify`` compares the three.
    tally : callable
        Makes the accumulator that turns the replicates into an estimate; a proportion by default.
    fast : callable or None
        Like `simulate`, from sufficient statistics instead of patients.
    draws : callable
        Takes the parameters, returns the random numbers per replicate, by which the batches are sized.
    symbolic_tolerance : float
        Largest allowed distance of symbolic and closed form (relative to values above 1).
    allowance : callable
        Takes the parameters, returns the stated error of the closed form where it is a limit or first order; 0 where it is exact.
    relative_allowance : float
        Stated error of the closed form as a share of its value, added to `allowance`.
    caveat : callable
        Takes the parameters; returns a line if the stated error is not known to hold for them, else an empty string.
    mcse : float
        Monte Carlo standard error (MCSE) at which the simulation stops.
    block : int
        Patients in a replicate that is an estimate from a whole data set; 1 where a replicate is a patient or a small set of them.
        The number of replicates given by a user then counts patients.
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
    caveat: Callable[[Params], str] = _no_caveat
    mcse: float = 5e-4
    block: int = 1

    def __repr__(self) -> str:
        return f"{self.signature}: {self.summary}"

    @property
    def signature(self) -> str:
        """Name and parameters as on the command line, with defaults: ``error(d, rho, rule='optimal')``."""
        shown = [one.name if one.default is REQUIRED else f"{one.name}={one.default!r}" for one in self.parameters]
        return f"{self.name}({', '.join(shown)})"

    def bind(self, values: Mapping[str, Any]) -> Params:
        """Complete and check named values.

        Parameters
        ----------
        values : mapping of str to object
            Values by parameter name, as a user gives them.

        Returns
        -------
        dict
            All parameters in order, with defaults, without those whose default is None.

        Raises
        ------
        InputError
            For an unknown or missing name, or a value of the wrong kind.
        """
        known = [parameter.name for parameter in self.parameters]
        unknown = [name for name in values if name not in known]
        if unknown:
            raise InputError(
                f"quantity '{self.name}' has no parameter '{unknown[0]}' (it takes {', '.join(known)}){did_you_mean(unknown[0], known)}"
            )
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
            Values by parameter name, checked and completed by `bind`.

        Returns
        -------
        float
            The value of the closed form.

        Raises
        ------
        InputError
            For names or values that are not possible.
        """
        return float(self.closed_form(**self.bind(values)))

    def stated_error(self, params: Params, closed: float) -> float:
        """Compute the stated error of the closed form.

        Parameters
        ----------
        params : dict
            Parameters by name, complete (see `bind`).
        closed : float
            Value of the closed form at these parameters.

        Returns
        -------
        float
            The stated error; 0 for an exact statement.
        """
        return self.allowance(params) + self.relative_allowance * abs(closed)


@dataclass(frozen=True, repr=False)
class Statement:
    """A statement of the theory.

    Parameters
    ----------
    id, title : str
        Number, for example ``T1b``, and a title of a few words.
    summary : str
        The statement in one line.
    quantities : tuple of Quantity
        The numbers of the statement, in the order in which they are listed.
    """

    id: str
    title: str
    summary: str
    quantities: tuple[Quantity, ...]

    def __repr__(self) -> str:
        return "\n".join([f"{self.id} {self.title}", f"  {self.summary}", *(f"  {quantity!r}" for quantity in self.quantities)])

    def _repr_html_(self) -> str:
        return html_frame(f"{self.id} {self.title}", self.to_frame(), self.summary)

    def to_frame(self) -> pd.DataFrame:
        """List the quantities.

        Returns
        -------
        pandas.DataFrame
            One row per quantity: ``quantity, parameters, summary``.

        Examples
        --------
        >>> from theory.statements import statement
        >>> statement("T1").to_frame()["quantity"].tolist()[:2]
        ['error', 'auc']
        """
        import pandas as pd

        rows = [(one.name, ", ".join(parameter.name for parameter in one.parameters), one.summary) for one in self.quantities]
        return pd.DataFrame(rows, columns=["quantity", "parameters", "summary"])

    def quantity(self, name: str) -> Quantity:
        """Look a quantity up.

        Parameters
        ----------
        name : str
            Name of the quantity, for example ``'auc'``.

        Returns
        -------
        Quantity
            The quantity of that name.

        Raises
        ------
        InputError
            When there is no such quantity; the message lists the known ones.
        """
        for quantity in self.quantities:
            if quantity.name == name:
                return quantity
        known = [quantity.name for quantity in self.quantities]
        raise InputError(f"{self.id} has no quantity '{name}' (it has {', '.join(known)}){did_you_mean(name, known)}")

"""How often each reference may still be given, and draws among those that may."""

from __future__ import annotations

import numpy as np

from empirical.references.candidates import Positions, draw_others


class ReuseCapacity:
    """References with a number of uses each."""

    def __init__(self, size: int, reuse: int | None) -> None:
        self.left = np.full(size, np.iinfo(np.int64).max if reuse is None else reuse)
        self._limited = reuse is not None

    def available(self, eligible: Positions) -> Positions:
        """Keep the references that may still be given.

        Returns those of them with a use left, in their order.
        """
        return eligible[self.left[eligible] > 0] if self._limited else eligible

    def take(self, positions: Positions) -> None:
        """Use references once each."""
        if self._limited:
            self.left[positions] -= 1

    def draw(self, stream: np.random.Generator, eligible: Positions, m: int, barred: Positions) -> Positions:
        """Draw m different references and use them; when there are fewer, use none.

        Returns (m,): What was drawn; shorter than m when there are not enough.
        """
        eligible = self.available(eligible)
        own = np.flatnonzero(np.isin(eligible, barred)) if len(barred) else barred
        drawn = eligible[draw_others(stream, len(eligible), m, own)] if len(eligible) else eligible
        if len(drawn) == m:
            self.take(drawn)
        return drawn

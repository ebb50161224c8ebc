"""A small phantom cohort and the pocket model, made once for all tests of a worker."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from empirical.cohorts import Cohort
from empirical.cohorts.phantom import PhantomConfig, make_phantom


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the pocket model of the tests out of the user's cache."""
    os.environ["SEE_IN_PAIRS_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    config = PhantomConfig.model_validate({"n_train": 24, "n_val": 4, "n_test": 12, "relatives": 2, "warmup": {"n": 8}, "rho": 0.9})
    return make_phantom(config, tmp_path_factory.mktemp("phantom"), seed=1)


@pytest.fixture(scope="session")
def phantom_folder(phantom: Cohort) -> Path:
    return phantom.folder

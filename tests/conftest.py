"""Shared fixtures."""

from __future__ import annotations

import os
from pathlib import Path

# Networks in tests are tiny: one thread is quicker than two. Set before torch is imported anywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from leuknet.data.simulate import simulate

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real images for tests, or a skip that says why.

    `LEUKNET_TEST_DATA` names the folder; without it, `../shared/data` beside the checkout is used.
    """
    folder = Path(os.environ.get("LEUKNET_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "cnmc2019" / "manifest.tsv").is_file():
        pytest.skip(f"no real images at {folder}: set LEUKNET_TEST_DATA to run this test")
    return folder


@pytest.fixture(scope="session")
def simulated_fold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated fold_0, shared by the tests that only read it."""
    return simulate(tmp_path_factory.mktemp("simulated"), seed=0, scale=0.03, parts=("fold_0",)).parent

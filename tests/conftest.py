"""Shared fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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

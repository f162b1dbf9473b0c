"""Writes the shares of leukaemic cells in people to a file. Start at `write_shares`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from leuknet.evaluation.share import SubjectShare, SubjectShares
from leuknet.records import write_record
from leuknet.records.whole import whole_file


def write_shares(shares: SubjectShares, path: Path) -> None:
    """Write shares to .csv or .parquet, one line a person, or all that is known of them to .json.

    Folders are made where they lack. Each line says what it rests on: model, threshold, how far the model is
    off from person to person.
    """
    if path.suffix.lower() == ".json":
        write_record(shares, path)
        return
    frame = pl.DataFrame([_as_line(row, shares) for row in shares.rows], infer_schema_length=None)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        if path.suffix.lower() == ".csv":
            frame.write_csv(part)
        else:
            frame.write_parquet(part)


def _counts_all(row: SubjectShare, shares: SubjectShares) -> bool:
    """Whether a person's unfamiliar cells are among those that the share rests on."""
    return shares.includes_unfamiliar and row.outcome != "unfamiliar"


def _as_line(row: SubjectShare, shares: SubjectShares) -> dict[str, Any]:
    """Return one line of the table: each share with its interval, and all that it rests on."""
    line: dict[str, Any] = {
        "subject": row.subject,
        "cells": row.cells,
        "left_out_errors": row.errors,
        "left_out_unfamiliar": 0 if _counts_all(row, shares) else row.unfamiliar,
        "unfamiliar": row.unfamiliar,
        "uncertain": row.uncertain,
    }
    for name, interval in (("called", row.called), ("share", row.share)):
        line |= {
            name: interval and interval.estimate,
            f"{name}_low": interval and interval.low,
            f"{name}_high": interval and interval.high,
            f"{name}_level": interval and interval.level,
            f"{name}_method": interval and interval.method,
        }
    tau = None if shares.spread is None else shares.spread.tau
    return line | {
        "outcome": row.outcome,
        "cut_off": shares.cut_off,
        "tau": tau and tau.estimate,
        "tau_low": tau and tau.low,
        "tau_high": tau and tau.high,
        "tau_cells": tau and tau.cells,
        "tau_subjects": tau and tau.subjects,
        "simulated": shares.spread and shares.spread.simulated,
        "threshold": shares.threshold,
        "model_id": shares.model_id,
    }

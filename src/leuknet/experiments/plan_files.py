"""Writes the plan of a study as JSON, as a table and as a plot.

    plan.json           the plan with its seed: all that is needed to draw the same studies again
    plan.csv            one line for each size of study
    plan.png, plan.svg  the share of studies that reach what is wanted, over people

Start at `write_plan`.
"""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, fields
from pathlib import Path

from leuknet.errors import DataError
from leuknet.evaluation.study_plan import Plan, PlanPoint
from leuknet.figures.frame import save_figure
from leuknet.figures.plan_plot import draw_plan
from leuknet.records import read_record, write_record, write_whole
from leuknet.records.results_folder import begin_results


def write_plan(plan: Plan, folder: Path, *, overwrite: bool = False) -> None:
    """Write a plan to a folder, absent or empty, or that of an earlier plan if it may be overwritten."""
    begin_results(folder, overwrite=overwrite)
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(PlanPoint)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(point) for point in plan.points)
    write_whole(folder / "plan.csv", text.getvalue().encode())
    save_figure(draw_plan(plan), folder / "plan")
    write_record(plan, folder / "plan.json")


def read_plan(path: Path) -> Plan:
    """Read the JSON file of `write_plan`; a DataError names the field that is amiss."""
    return read_record(Plan, path, error=DataError, fix="plan the study again")

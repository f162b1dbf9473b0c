"""Searches the settings of a recipe without looking at the test side.

    tune.db       all tries, in SQLite, as optuna keeps them: `optuna-dashboard` and others read it
    trials.csv    the same as a table
    tune.png      loss of each try, and the best so far
    best.json     the settings that were best

A try is judged by people that it was not trained on: the training and validation sides of the recipe's
split are divided again, several times, and the loss by subject on the held-out part is averaged. The test
side has no part in it, so that it can still say what the choice is worth. Tries that fall behind the median
of the others after a division are given up.

A search can be stopped and killed at any moment; the same command goes on, also within a training. Start at
`tune`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, Trial, TrialState
from tqdm import tqdm

from leuknet.data.digests import natural_key
from leuknet.data.split import by_image, by_subject
from leuknet.errors import LeukNetError, SettingError, StoppedError
from leuknet.evaluation.searches import record_search
from leuknet.figures.frame import save_figure
from leuknet.figures.tuning import draw_tuning
from leuknet.inference.model_folder import open_card
from leuknet.recipes import changed
from leuknet.recipes.ranges import Choice, Range
from leuknet.records import write_whole
from leuknet.training.runs import trained_run
from leuknet.training.train import Precision
from leuknet.training.tuned import Tuned, distribution_of, table_of
from leuknet.types import Dataset, Recipe, Split
from leuknet.types.added import stated

HELD_OUT = 0.25
"""Share of the development cells that judges a try, in each division."""

_DONE = (TrialState.COMPLETE, TrialState.PRUNED)


def tune(
    dataset: Dataset,
    recipe: Recipe,
    split: Split,
    ranges: Mapping[str, Range | Choice],
    *,
    trials: int,
    divisions: int = 3,
    out: Path,
    precision: Precision = "no",
) -> Tuned:
    """Try settings of a recipe until there are `trials` results in the folder.

    Parameters
    ----------
    dataset
        Cells.
    recipe
        Where to start; its own settings are the first try.
    split
        Its training and validation sides are used; the test side is not touched.
    ranges
        What may change; see `leuknet.recipes.ranges`.
    trials
        Results wanted in all, those of earlier calls included.
    divisions
        How often the development cells are divided anew for each try.
    out
        Folder of the search; the same folder goes on with it.
    precision
        See `leuknet.training.train.train`.

    Raises
    ------
    SettingError
        If nothing may change, the folder holds another search, or another process is at work in it.
    StoppedError
        After Ctrl-C; the running try is kept.
    LeukNetError
        If no try can be trained.
    """
    if not ranges or trials < 1 or divisions < 1:
        raise SettingError(
            "there is nothing to search",
            why=f"{len(ranges)} settings may change, in {trials} tries of {divisions} divisions",
            fix="name a recipe with ranges (`leuknet.recipes.ranges`), and at least one try and division",
        )
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / ".lock", timeout=0):
            search = _Search(dataset, recipe, ranges, split, _divide(split, divisions), out, precision)
            return search.run(trials)
    except Timeout as error:
        raise SettingError(
            f"another search is at work in {out}",
            why="its folder is locked",
            fix="wait for it, or name another folder with --out",
        ) from error


def _divide(split: Split, divisions: int) -> list[Split]:
    cells = (*split.train, *split.validation)
    divide = by_image if split.kind == "image-level" else by_subject
    fractions = (1 - HELD_OUT, HELD_OUT, 0.0)
    return [divide(cells, fractions=fractions, seed=number) for number in range(divisions)]


@dataclass
class _Search:
    """One search; `run` goes on with what the folder holds."""

    dataset: Dataset
    recipe: Recipe
    ranges: Mapping[str, Range | Choice]
    split: Split
    divisions: list[Split]
    out: Path
    precision: Precision

    def run(self, trials: int) -> Tuned:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = self._open()
        done = len(study.get_trials(deepcopy=False, states=_DONE))
        with tqdm(total=trials, initial=min(done, trials), desc="tune", unit="try") as bar:
            found = self._write(study) if done else None
            while found is None or found.trials < trials:
                self._try_once(study)
                found = self._write(study)
                bar.update()
                bar.set_postfix(best=f"{found.loss:.4f}")
        return found

    def _open(self) -> optuna.Study:
        """Open or begin the study; tries that a kill left open will be done again, with the same settings."""
        study = optuna.create_study(
            storage=f"sqlite:///{self.out / 'tune.db'}",
            study_name="leuknet",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
        )
        finished = len(study.trials)
        # A sampler of its own for each start: with one seed for all, it would ask for the same tries again.
        study.sampler = optuna.samplers.TPESampler(seed=self.recipe.seed + finished)
        about = {
            "recipe": json.dumps(stated(self.recipe), sort_keys=True),
            "cells": [split.fingerprint for split in self.divisions],
            "ranges": {name: asdict(bounds) for name, bounds in sorted(self.ranges.items())},
        }
        known = json.loads(json.dumps(about))  # as the database gives it back: lists for tuples
        if not finished and not study.user_attrs:
            for name, value in known.items():
                study.set_user_attr(name, value)
            if (own := self._own_values()) is not None:
                study.enqueue_trial(own)
        elif study.user_attrs != known:
            odd = next(name for name, value in known.items() if study.user_attrs.get(name) != value)
            raise SettingError(
                f"{self.out} holds the search of another recipe or other cells",
                why=f"its {odd} differ from what is asked for now",
                fix="name another folder with --out",
            )
        for trial in study.get_trials(states=(TrialState.RUNNING,)):
            self._put_back(study, trial)
        return study

    def _own_values(self) -> dict[str, Any] | None:
        """The recipe's own settings as a try, None if one lies outside of its range."""
        values = asdict(self.recipe)
        own = {}
        for name, bounds in self.ranges.items():
            top, _, option = name.partition(".")
            value = values[top].get(option) if option else values[top]
            if isinstance(bounds, Choice):
                fits = value in bounds.values
            else:
                fits = isinstance(value, (int, float)) and bounds.low <= value <= bounds.high
            if not fits:
                return None
            own[name] = value
        return own

    def _put_back(self, study: optuna.Study, trial: Trial | FrozenTrial) -> None:
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)

    def _try_once(self, study: optuna.Study) -> None:
        trial = study.ask({name: distribution_of(bounds) for name, bounds in self.ranges.items()})
        settings = [f"{name}={json.dumps(value)}" for name, value in sorted(trial.params.items())]
        chosen = changed(self.recipe, settings)
        # Named by its settings: a try that was stopped finds its own half-trained run again.
        place = self.out / "runs" / hashlib.sha256("\n".join(settings).encode()).hexdigest()[:12]
        losses: list[float] = []
        for number, split in enumerate(self.divisions):
            try:
                loss = self._loss(chosen, split, place / str(number))
            except (StoppedError, KeyboardInterrupt):
                self._put_back(study, trial)
                raise
            except LeukNetError as error:
                if not study.get_trials(deepcopy=False, states=_DONE):
                    raise  # then it is not these settings that are at fault
                trial.set_user_attr("error", error.why)
                study.tell(trial, state=TrialState.PRUNED)
                break
            losses.append(loss)
            trial.report(float(np.mean(losses)), number)
            if number + 1 < len(self.divisions) and trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, float(np.mean(losses)))
        shutil.rmtree(place, ignore_errors=True)  # a network takes 100 MB, its loss a line

    def _loss(self, recipe: Recipe, split: Split, out: Path) -> float:
        run = trained_run(self.dataset, recipe, out=out, split=split, precision=self.precision, progress=True)
        calibration = open_card(run.folder / "model").calibration
        if calibration is None or calibration.subject_loss is None:
            why = "its model states no loss by subject"
            raise SettingError(f"cannot judge {run.folder}", why=why, fix="remove the folder")
        return calibration.subject_loss

    def _write(self, study: optuna.Study) -> Tuned:
        """Write table, figure and the best settings."""
        ended = study.get_trials(deepcopy=False, states=_DONE)
        complete = [trial for trial in ended if trial.state is TrialState.COMPLETE]
        best = min(complete, key=lambda trial: trial.value or 0.0)
        own = self._own_values()
        own_loss = next((trial.value for trial in complete if trial.params == own), None)
        settings = (
            () if best.params == own else tuple(f"{name}={json.dumps(v)}" for name, v in best.params.items())
        )
        assert best.value is not None  # noqa: S101  it is complete
        seen = (*self.split.train, *self.split.validation)
        found = Tuned(
            settings,
            best.value,
            own_loss,
            len(ended),
            protocol=self.split.protocol,
            round=self.split.round,
            people=tuple(sorted({cell.subject for cell in seen if cell.subject}, key=natural_key)),
            cells=len(seen),
        )
        if settings:
            winner = changed(self.recipe, settings)
            record_search(winner, seen, protocol=found.protocol, round_name=found.round)
        text = json.dumps({"recipe": self.recipe.name, **asdict(found)}, indent=2)
        write_whole(self.out / "best.json", f"{text}\n".encode())
        write_whole(self.out / "trials.csv", table_of(ended, list(self.ranges)).encode())
        figure = draw_tuning(
            [trial.value if trial.state is TrialState.COMPLETE else None for trial in ended],
            own=own_loss,
            recipe=self.recipe.name,
            simulated=self.dataset.simulated,
        )
        save_figure(figure, self.out / "tune")
        return found

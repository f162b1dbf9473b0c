"""Arguments that several commands share, described once."""

from __future__ import annotations

import functools
import inspect
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leuknet.types import Dataset, Recipe, Split

if TYPE_CHECKING:
    from leuknet.evaluation.details import Asked


class Precision(StrEnum):
    """How numbers are computed while training."""

    no = "no"
    bf16 = "bf16"


_ROOT_HELP = (
    "Folder of images: C-NMC 2019 in any layout, or your own, sorted by class or with a manifest.csv."
)

Root = Annotated[Path, typer.Argument(metavar="ROOT", help=_ROOT_HELP)]
Data = Annotated[Path, typer.Option("--data", metavar="ROOT", help=_ROOT_HELP)]
Images = Annotated[
    list[Path], typer.Argument(metavar="IMAGES...", help="Image files, and folders to search for them.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Change a setting of the recipe; repeatable."),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="bf16 rounds more; faster where the processor has units for it, far slower elsewhere.",
    ),
]
Specificities = Annotated[
    list[float] | None,
    typer.Option(
        "--specificity",
        metavar="SHARE",
        help="Add the threshold with this specificity on the validation cells, such as 0.97; repeatable.",
    ),
]
Sensitivities = Annotated[
    list[float] | None,
    typer.Option("--sensitivity", metavar="SHARE", help="The same for a sensitivity; repeatable."),
]
Prevalences = Annotated[
    list[float] | None,
    typer.Option(
        "--prevalence",
        metavar="SHARE",
        help="State predictive values where this share of cells is leukaemic, instead of the usual four; "
        "repeatable.",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace an earlier run's results: all that its folder holds is removed first."
    ),
]
RunName = Annotated[
    str | None,
    typer.Option("--name", metavar="TEXT", help="Short name of it in tables, legends and reports."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Random seed; the same seed gives the same result.")]


def _class_names(text: str | None) -> tuple[str, str] | None:
    """Split `--classes` into (negative, positive)."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise typer.BadParameter("give two different names, the negative class first: other,lymphocyte")
    return (names[0], names[1])


def seed_list(text: str) -> tuple[int, ...]:
    """Split `--seeds` into numbers."""
    try:
        seeds = tuple(int(number) for number in text.split(","))
    except ValueError:
        seeds = (-1,)
    if min(seeds) < 0:
        raise typer.BadParameter("give whole numbers from 0, such as 0,1,2", param_hint="--seeds")
    return seeds


def asked(
    specificities: list[float] | None, sensitivities: list[float] | None, prevalences: list[float] | None
) -> Asked:
    """Return what is asked for beyond the usual."""
    from leuknet.evaluation.details import Asked

    chosen = Asked(
        targets=(
            *(("specificity", share) for share in specificities or ()),
            *(("sensitivity", share) for share in sensitivities or ()),
        )
    )
    return replace(chosen, prevalences=tuple(prevalences)) if prevalences else chosen


def fitted(recipe: Recipe, dataset: Dataset) -> Recipe:
    """Return the recipe without parts that these data have not, and say so on standard error."""
    from leuknet.data.recipe_parts import fit_parts

    chosen = fit_parts(recipe, dataset.cells)
    if chosen != recipe:
        typer.echo(
            f"all labelled cells are taken: the recipe's parts ({', '.join(recipe.parts)}) are those of "
            "C-NMC 2019, which these data have not",
            err=True,
        )
    return chosen


def command(*words: str | Path) -> str:
    """Return a command to recommend, in words that a shell takes as they are meant."""
    return shlex.join(["leuknet", *map(str, words)])


class OptionGroup:
    """Options that several commands share; `expanded` turns each field of a subclass into an option."""


@dataclass(frozen=True)
class DatasetOptions(OptionGroup):
    """How the data set in a folder is to be read: five options of each command that opens one."""

    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset", metavar="NAME", help="c-nmc-2019 or folder; told from the layout if left out."
        ),
    ] = None
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", metavar="CSV", help="List of your own images, if not ROOT/manifest.csv."),
    ] = None
    prelim_labels: Annotated[
        Path | None,
        typer.Option(
            "--prelim-labels", metavar="CSV", help="C-NMC's preliminary-phase labels, if not in their place."
        ),
    ] = None
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            metavar="NEGATIVE,POSITIVE",
            help="Class names of the data, if not HEM,ALL; scores are the probability of the second. For a "
            "model that calls its classes otherwise, the order says which is which.",
        ),
    ] = None
    subject_pattern: Annotated[
        str | None,
        typer.Option(
            "--subject-pattern",
            metavar="REGEX",
            help="Tell people by file names: the group called subject, or the first, of this regular "
            "expression.",
        ),
    ] = None

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `open_dataset` and `verify` that these options stand for."""
        return {
            "name": self.dataset,
            "manifest": self.manifest,
            "prelim_labels": self.prelim_labels,
            "class_names": _class_names(self.classes),
            "subject_pattern": self.subject_pattern,
        }

    @property
    def words(self) -> list[str]:
        """These options as words of a command that opens the same data set again."""
        given = {f"--{field.name.replace('_', '-')}": getattr(self, field.name) for field in fields(self)}
        return [str(word) for pair in given.items() if pair[1] is not None for word in pair]

    def open(self, root: Path, *, own_names: tuple[str, str] | None = None) -> Dataset:
        """Open a data set with a bar, and say on standard error if the reader noticed something amiss.

        `own_names` are the class names of a user's own images where --classes is left out.
        """
        from leuknet.data import DATASETS, folder, open_dataset, recognise
        from leuknet.data.publisher_check import find_incomplete

        arguments = self.arguments
        names = arguments["class_names"] or own_names
        name = self.dataset or recognise(root, manifest=self.manifest, class_names=names)
        if DATASETS.get(name) is folder.read:
            arguments["class_names"] = names
        dataset = open_dataset(root, progress=True, **arguments)
        for finding in find_incomplete(dataset):
            typer.echo(f"incomplete: {finding.message}", err=True)
        amiss = [finding for finding in dataset.findings if finding.severity != "info"]
        if amiss:
            typer.echo(
                f"{len(amiss)} findings about the data, the first: {amiss[0].message} ({amiss[0].path!r}); "
                f"run `{command('data', 'verify', root, *self.words)}` for all",
                err=True,
            )
        return dataset


@dataclass(frozen=True)
class RoundOptions(OptionGroup):
    """Which round of which protocol divides the cells."""

    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            metavar="NAME",
            help="Divide cells as this protocol does, which leaves its test cells alone: paper, official, "
            "folds, subject-kfold or image-kfold.",
        ),
    ] = None
    round_name: Annotated[
        str | None,
        typer.Option("--round", metavar="NAME", help="Which round of the protocol, such as fold_0."),
    ] = None

    @property
    def words(self) -> list[str]:
        """These options as words of a command."""
        named = (("--protocol", self.protocol), ("--round", self.round_name))
        return [word for option, name in named if name is not None for word in (option, name)]

    def split(self, dataset: Dataset, recipe: Recipe) -> Split:
        """Return the split of the round, or the recipe's own where no protocol is named."""
        from leuknet.data.protocols import choose_round, make_rounds
        from leuknet.data.split import make_split

        if self.protocol is None:
            return make_split(dataset.cells, recipe)
        return choose_round(make_rounds(dataset.cells, self.protocol, recipe), self.round_name).split


def expanded(function: Callable[..., None]) -> Callable[..., None]:
    """Let a command take each field of a group of options, such as `DatasetOptions`, as an option of its own.

    Typer then sees the fields in the signature, in the place of the parameter that the group annotates; the
    command gets the group.
    """
    groups: dict[str, type[Any]] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        if isinstance(parameter.annotation, type) and issubclass(parameter.annotation, OptionGroup):
            groups[parameter.name] = parameter.annotation
            parameters += inspect.signature(parameter.annotation, eval_str=True).parameters.values()
        else:
            parameters.append(parameter)
    # By keyword, as Typer calls: so that an option with a default may stand before one without.
    parameters = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in parameters]

    @functools.wraps(function)
    def expanded_command(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        function(**given)

    expanded_command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    expanded_command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return expanded_command

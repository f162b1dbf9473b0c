"""Shares model folders through the Hugging Face hub.

A repository holds a model folder as it is, and a model card in the hub's format (README.md) that says what
trained it, how it did and what it is not for. Whoever pulls it opens it like any model folder: it proves
itself on its golden images, and no pickle is read.

A model folder names the cells that trained it. Names of files and people stay at home unless they are asked
for: what travels are hashes of the images, by which the cells are still recognised.

Start at `push` and `pull`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from leuknet.data.split import SIDES
from leuknet.errors import MissingExtraError, ModelError, SettingError
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.evaluation.locate import EVALUATION, locate_evaluation
from leuknet.evaluation.summary import score_text, summary_rows
from leuknet.images.cache import cache_folder
from leuknet.inference.model_folder import FILES, FolderPredictor, is_repository
from leuknet.inference.model_id import bears_id
from leuknet.records.results_folder import check_free
from leuknet.types import Evaluation, ModelCard

try:
    import huggingface_hub as hf
    from huggingface_hub.errors import RepositoryNotFoundError
except ModuleNotFoundError as error:
    raise MissingExtraError(
        "cannot reach the Hugging Face hub",
        why="huggingface_hub is not installed",
        fix="pip install 'leuknet[hub]'",
    ) from error

_UNFINISHED = ".cache"
"""The hub's notes while a download runs: a folder that holds them was cut off."""

_METRICS = {"auroc": "roc_auc", "weighted_f1": "f1", "accuracy": "accuracy"}
"""Metrics that the hub has a name for."""


def push(
    model: FolderPredictor,
    folder: Path,
    repository: str,
    *,
    licence: str,
    evaluation: Path | None = None,
    private: bool = True,
    keep_names: bool = False,
) -> str:
    """Put a model folder onto the hub, as one commit.

    Parameters
    ----------
    model, folder
        A model as `leuknet.load` opens it, hence one that has proved itself, and its folder.
    repository
        `owner/name`; made if there is none.
    licence
        Of the weights, as the hub writes it, such as `apache-2.0`. The licence of the images may bind them.
    evaluation
        `evaluation.json` of this model, or its folder; its scores go into the model card. None looks beside
        the model's folder.
    private
        For a new repository: only its owners see it.
    keep_names
        Let names of files and people travel in `split.json`. Right for public data: others can then repeat
        the model's own test.

    Returns
    -------
    str
        Address of the commit.

    Raises
    ------
    ModelError
        If the hub cannot be reached or says no.
    SettingError
        If the repository's name is not `owner/name`, or the evaluation is of another model.
    """
    _check_name(repository)
    found = _find_evaluation(folder, evaluation, model.model_id)
    with tempfile.TemporaryDirectory(prefix="leuknet-push-") as name:
        staging = Path(name)
        for file in FILES:
            if (folder / file).exists():
                shutil.copyfile(folder / file, staging / file)
        if not keep_names:
            _withhold_names(staging / "split.json")
        text = describe_model(
            model.card, found, model_id=model.model_id, licence=licence, repository=repository
        )
        (staging / "README.md").write_text(text, encoding="utf-8")
        api = hf.HfApi()
        try:
            api.create_repo(repository, private=private, exist_ok=True)
            done = api.upload_folder(
                repo_id=repository,
                folder_path=staging,
                commit_message=f"LeukNet model {model.model_id} ({model.card.recipe.name})",
            )
        except Exception as error:  # of the hub's client and of its HTTP library: they have no common base
            raise ModelError(
                f"cannot push to {repository}",
                why=_first_line(error),
                fix="log in with `hf auth login` as someone who may write there, and check the network",
            ) from error
    return str(done.commit_url)


def pull(repository: str, *, out: Path | None = None, revision: str | None = None) -> Path:
    """Fetch a model folder from the hub. `leuknet.load` opens it, and lets it prove itself.

    Parameters
    ----------
    repository
        `owner/name`.
    out
        Folder to write; new or empty. None keeps it in the user's cache, and fetches it once.
    revision
        Commit, branch or tag; None takes the newest. A result that can be repeated names a commit.

    Returns
    -------
    Path
        The model folder.

    Raises
    ------
    ModelError
        If the repository cannot be had, or holds no model folder.
    SettingError
        If the name is not `owner/name`, or the folder is not empty.
    """
    _check_name(repository)
    if out is not None:
        check_free(out, fix="name another folder")
    try:
        commit = hf.HfApi().model_info(repository, revision=revision).sha
        target = out or cache_folder() / "hub" / repository.replace("/", "--") / str(commit)
        if (target / "model.json").exists() and not (target / _UNFINISHED).exists():
            return target  # one commit is one content
        # Real files and not links to a cache, which ONNX Runtime does not follow out of a folder.
        hf.snapshot_download(repository, revision=commit, local_dir=target, allow_patterns=list(FILES))
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"cannot pull {repository}",
            why="the hub has no such repository, or does not show it to you",
            fix="check the name, or log in with `hf auth login`",
        ) from error
    except Exception as error:  # see `push`
        raise ModelError(
            f"cannot pull {repository}", why=_first_line(error), fix="check the network, and the name"
        ) from error
    shutil.rmtree(target / _UNFINISHED, ignore_errors=True)
    if not (target / "model.json").exists():
        shutil.rmtree(target)
        raise ModelError(
            f"cannot pull {repository}",
            why="it holds no model.json",
            fix="name a repository that `leuknet push` has written",
        )
    return target


def describe_model(
    card: ModelCard, evaluation: Evaluation | None, *, model_id: str, licence: str, repository: str
) -> str:
    """Return a model card in the hub's format: facts for programs at its head, words for people below."""
    data = hf.ModelCardData(
        license=licence,
        library_name="leuknet",
        pipeline_tag="image-classification",
        tags=["leukaemia", "microscopy", "research-only", *(["simulated-cells"] if card.simulated else [])],
        datasets=None,
        model_name=repository,
        eval_results=None if evaluation is None else _results(evaluation),
    )
    warning = "Research software, not a medical device."
    if card.simulated:
        warning += " **Trained on SIMULATED cells: its scores mean nothing for real ones.**"
    lines = [
        f"---\n{data.to_yaml()}\n---",
        f"# {repository}",
        warning,
        f"Tells {card.class_names[1]} (leukaemic B-lymphoblasts) from {card.class_names[0]} (normal "
        "lymphocytes) in images of one segmented, stain-normalised cell on black, as C-NMC 2019 has them. A "
        "raw smear is outside of what it was trained on.",
        f'```python\nimport leuknet\n\nmodel = leuknet.load("{repository}")\nmodel.predict(pixels)  '
        "# (N, H, W, 3) uint8 to P(leukaemic)\n```",
        "## What it is",
        _facts(_making(card, model_id)),
        "## How it did",
        "No evaluation was pushed with it." if evaluation is None else _facts(summary_rows(evaluation)),
    ]
    return "\n\n".join(lines) + "\n"


def _making(card: ModelCard, model_id: str) -> list[tuple[str, str]]:
    recipe = card.recipe
    return [
        ("model", f"`{model_id}`, LeukNet {card.leuknet_version}, {card.created_at}"),
        ("recipe", f"{recipe.name}, seed {recipe.seed}"),
        ("source", recipe.source),
        ("network", f"`{recipe.network}`, {recipe.image_size_px} px"),
        ("trained on", f"{card.origin}, {card.split_kind} split `{card.split_fingerprint[:12]}`"),
        ("threshold", f"{card.threshold:.3g}"),
    ]


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows)])


def _results(evaluation: Evaluation) -> list[hf.EvalResult]:
    """Scores for programs; the interval and what it rests on stand in each one's name."""
    people = "unnamed people" if evaluation.subjects is None else f"{evaluation.subjects} people"
    return [
        hf.EvalResult(
            task_type="image-classification",
            dataset_type=evaluation.dataset,
            dataset_name=evaluation.dataset + (" (SIMULATED CELLS)" if evaluation.simulated else ""),
            dataset_split=evaluation.part,
            metric_type=_METRICS[name],
            metric_value=round(interval.estimate, 4),
            metric_name=f"{score_text(name, interval)}, {evaluation.cells} cells of {people}, "
            f"{evaluation.split_kind} split",
        )
        for name, interval in evaluation.metrics.items()
        if name in _METRICS
    ]


def _find_evaluation(folder: Path, named: Path | None, model_id: str) -> Evaluation | None:
    path = folder.parent / "evaluation" / EVALUATION if named is None else locate_evaluation(named)
    if not path.exists():
        return None
    found = read_evaluation(path)
    if not bears_id(folder, found.model_id):
        raise SettingError(
            "these scores are not of this model",
            why=f"{path} is of model {found.model_id}, the folder holds {model_id}",
            fix="evaluate this model, or name its own evaluation.json with --evaluation",
        )
    return found


def _withhold_names(path: Path) -> None:
    """Replace ids by the hash of their image, and take names of people out of a split."""
    content = json.loads(path.read_text(encoding="ascii"))
    for side in {*SIDES, "earlier"} & content.keys():
        content[side] = [{**cell, "id": cell["sha256"][:16], "subject": None} for cell in content[side]]
    content["excluded"] = ["withheld"] * len(content["excluded"])
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="ascii")


def _check_name(repository: str) -> None:
    if not is_repository(repository):
        raise SettingError(
            f"{repository!r} is no repository of the hub",
            why="they are named owner/name",
            fix="for example somebody/leuknet-plus",
        )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)

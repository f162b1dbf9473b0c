"""Each command does what its help says, and each error says what to try and ends with its status."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import typer
from PIL import Image

from leuknet import __version__
from leuknet.cli import app
from leuknet.data import verify
from leuknet.errors import SettingError
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.experiments import reproduce
from leuknet.inference.model_folder import open_card
from leuknet.inference.prediction_table import COLUMNS
from leuknet.recipes import RECIPES
from leuknet.simulation.simulate import simulate
from leuknet.training import runs
from tests.conftest import Ended, run_cli

TINY = (
    *("--set", "network_options.filters=[4,6,8]", "--set", "network_options.fc1=8"),
    *("--set", "image_size_px=32", "--set", "epochs=1", "--set", "batch_size=16"),
)
"""Settings with which training takes less than a second."""

SCRIPT = Path(sys.executable).with_name("leuknet")


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group of the command line: its words and what typer made of it."""
    command = command or typer.main.get_command(app)
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


COMMANDS = dict(commands())


def one_line(text: str) -> str:
    """The text without line breaks and the frames that typer draws."""
    return " ".join(text.translate(dict.fromkeys(map(ord, "│╭╮╰╯─┃┏┓┗┛━┳┡╇┩└┴┘┌┐┬├┼┤"), " ")).split())


def assert_error(ended: Ended, *, what: str, why: str = "", fix: str = "") -> None:
    """The last three lines of standard error are a user's error with these texts, and the status is 2."""
    first, second, third = ended.err.splitlines()[-3:]
    assert ended.status == 2
    assert first.startswith("leuknet: ")
    assert what in first
    assert second.startswith("  why: ")
    assert why in second
    assert third.startswith("  try: ")
    assert fix in third


def write_folder(root: Path, *, labels: tuple[str, str] = ("HEM", "ALL"), subjects: bool = False) -> Path:
    """A user's own images: 12 dark ones of the first class, 12 light ones of the second."""
    root.mkdir()
    lines = ["path,label,subject" if subjects else "path,label"]
    for number, label in itertools.product(range(12), (0, 1)):
        name = f"{labels[label]} {number}.png"
        grey = np.random.default_rng((number, label)).integers(90 * label, 120 + 90 * label, (40, 40, 3))
        Image.fromarray(grey.astype(np.uint8)).save(root / name)
        lines.append(f"{name},{labels[label]}" + (f",P{label}{number // 2}" if subjects else ""))
    (root / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def linked_copy(folder: Path, target: Path) -> Path:
    """A copy that can be changed by renaming, and takes no room."""
    shutil.copytree(folder, target, copy_function=os.link)
    return target


def read_lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def simulated_prelim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The preliminary phase of the same simulation: 84 cells of 28 persons, none of them in fold_0."""
    return simulate(tmp_path_factory.mktemp("prelim"), seed=0, scale=0.03, parts=("prelim",)).parent


@pytest.fixture(scope="module")
def trained(simulated_fold: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """A run folder and what its training printed; shared by the tests that only read it."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    ended = run_cli("train", "leuknet-demo", "--data", simulated_fold, "--out", out, "--seed", 3, *TINY)
    assert ended.status == 0, ended.err
    return out, ended


@pytest.fixture
def model(trained: tuple[Path, Ended]) -> Path:
    return trained[0] / "model"


# leuknet itself


def test_version_is_that_of_the_package() -> None:
    assert run_cli("--version") == Ended(0, f"leuknet {__version__}\n", "")


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "leuknet")
def test_help_of_a_command_names_its_purpose_and_every_option(path: tuple[str, ...]) -> None:
    ended = run_cli(*path, "--help")
    text = one_line(ended.out)

    assert ended.status == 0
    assert text.startswith(one_line(f"Usage: leuknet {' '.join(path)}"))
    assert COMMANDS[path].help.split(".")[0].split("`")[0].split("\n")[0] in text
    for option in itertools.chain.from_iterable(one.opts for one in COMMANDS[path].params):
        assert option in text or not option.startswith("-")


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "leuknet")
def test_help_shows_every_text_as_it_is_written_but_for_its_backticks(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    summaries = (child.help.split("\n\n")[0] for child in getattr(command, "commands", {}).values())
    options = ((one.help, one.metavar) for one in command.params)
    shown = one_line(run_cli(*path, "--help").out)

    for text in filter(None, (command.help, *summaries, *itertools.chain.from_iterable(options))):
        assert one_line(text.replace("`", "")) in shown


@pytest.mark.parametrize(
    "path", [path for path, command in COMMANDS.items() if command.params[1:]], ids=" ".join
)
def test_every_command_with_arguments_has_a_copyable_example(path: tuple[str, ...]) -> None:
    if hasattr(COMMANDS[path], "commands"):
        return  # a group has no example of its own

    assert f"Example: leuknet {' '.join(path)} " in one_line(run_cli(*path, "--help").out)


def test_all_commands_of_the_issue_are_there() -> None:
    leaves = {" ".join(path) for path, command in COMMANDS.items() if not hasattr(command, "commands")}

    assert leaves >= {
        *("data verify", "data show", "data simulate", "model show", "recipes"),
        *("train", "evaluate", "predict", "reproduce"),
        *("data split", "audit", "explain", "report", "benchmark"),
    }


@pytest.mark.parametrize("path", [(), ("data",), ("model",)])
def test_a_group_without_arguments_prints_its_help_and_ends_with_2(path: tuple[str, ...]) -> None:
    ended = run_cli(*path)

    assert ended.status == 2
    assert "Usage: leuknet" in ended.out
    assert "bug" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["predict"], "Missing argument"),
        (["recipes", "--bogus"], "No such option: --bogus"),
        (["train", "leuknet-paper", "--data", "x"], "Missing option '--out'"),
        (["reproduce", "nature"], "'nature'"),
        (["train", "leuknet-paper", "--data", "x", "--out", "y", "--split", "random"], "'random'"),
        (["predict", "m", "i", "--batch-size", "0"], "--batch-size"),
        (["data", "simulate", "x", "--scale", "much"], "--scale"),
    ],
)
def test_a_wrong_command_line_says_so_and_ends_with_2(arguments: list[str], message: str) -> None:
    ended = run_cli(*arguments)

    assert ended.status == 2
    assert message in one_line(ended.err)
    assert "Usage: leuknet" in ended.err
    assert ended.out == ""


def test_python_m_leuknet_runs_the_same_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "leuknet", "--version"], capture_output=True, text=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"leuknet {__version__}\n", "")


def test_installed_script_shows_a_traceback_only_with_debug(tmp_path: Path) -> None:
    plain, debug = (
        subprocess.run([SCRIPT, *options, "data", "verify", tmp_path / "no"], capture_output=True, text=True)
        for options in ([], ["--debug"])
    )

    assert plain.returncode == 2
    assert plain.stderr == (
        f"leuknet: cannot open {tmp_path / 'no'}\n  why: there is no such folder\n"
        "  try: check the path to the data\n"
    )
    assert "Traceback (most recent call last)" in debug.stderr
    assert "leuknet.errors.DatasetError" in debug.stderr


def test_an_unexpected_exception_is_called_our_bug_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(verify, "verify", fail)

    assert run_cli("data", "verify", tmp_path) == Ended(
        1,
        "",
        "leuknet: stopped by a bug in LeukNet\n  why: ZeroDivisionError: by nought\n"
        "  try: run the same command with --debug before it, and report what it prints\n",
    )
    with pytest.raises(ZeroDivisionError):
        run_cli("--debug", "data", "verify", tmp_path)


def test_ctrl_c_in_any_command_ends_with_130(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verify, "verify", stop)

    assert run_cli("data", "verify", tmp_path) == Ended(130, "", "leuknet: stopped\n")


@pytest.mark.parametrize(
    ("command", "option", "named"),
    [
        (["data", "verify", "{fold}"], "--json", "no/findings.json"),
        (["data", "show", "{fold}"], "--out", "no/samples"),
        (["model", "show", "leuknet"], "--figure", "no/network"),
    ],
)
def test_a_place_that_cannot_be_written_is_the_users_error_and_no_bug(
    simulated_fold: Path, tmp_path: Path, command: list[str], option: str, named: str
) -> None:
    words = [word.format(fold=simulated_fold) for word in command]

    ended = run_cli(*words, option, tmp_path / named)

    assert_error(
        ended, what=f"cannot read or write '{tmp_path}/no/", why="No such file or directory", fix="check"
    )
    with pytest.raises(FileNotFoundError):
        run_cli("--debug", *words, option, tmp_path / named)


# data


def test_verify_passes_clean_data_and_says_that_they_are_simulated(simulated_fold: Path) -> None:
    ended = run_cli("data", "verify", simulated_fold)

    assert ended.status == 0
    assert "c-nmc-2019 (SIMULATED)" in ended.out
    # 0.03 of 2,397 and 1,130, and three cells of each person at least.
    assert "│ fold_0 │    125 │  83 │  42 │          0 │       28 │" in ended.out
    assert ended.out.endswith("0 error, 0 warning, 2 info\n")


def test_verify_ends_with_2_if_a_file_lies_in_the_wrong_class_and_lists_it_as_json(
    simulated_fold: Path, tmp_path: Path
) -> None:
    root = linked_copy(simulated_fold, tmp_path / "copy")
    fold = root / "C-NMC_Leukemia" / "training_data" / "fold_0"
    name = min(path.name for path in (fold / "all").iterdir())
    (fold / "all" / name).rename(fold / "hem" / name)

    ended = run_cli("data", "verify", root, "--json", tmp_path / "findings.json")

    assert ended.status == 2
    assert f"error   mislabelled: 'training_data/fold_0/hem/{name}'" in ended.out
    assert f"1 error, 0 warning, 2 info\nwritten: {tmp_path / 'findings.json'}\n" in ended.out
    content = json.loads((tmp_path / "findings.json").read_text(encoding="ascii"))
    assert content["worst"] == "error"
    assert content["numbers"] == {"error": 1, "warning": 0, "info": 2}
    (finding,) = (one for one in content["findings"] if one["severity"] == "error")
    assert (finding["kind"], finding["path"]) == ("mislabelled", f"training_data/fold_0/hem/{name}")
    (part,) = content["parts"]
    assert (part["images"], part["leukaemic"], part["normal"], part["unlabelled"]) == (125, 82, 42, 1)


def test_verify_cuts_long_lists_in_the_terminal_and_never_in_the_json(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own")
    for path in root.glob("ALL*.png"):
        path.write_bytes(b"")

    ended = run_cli("data", "verify", root, "--json", tmp_path / "findings.json")

    assert ended.status == 2
    assert ended.out.count("error   unreadable: ") == 11
    assert "and 2 more like these; --json FILE lists all" in ended.out
    findings = json.loads((tmp_path / "findings.json").read_text(encoding="ascii"))["findings"]
    assert sum(one["kind"] == "unreadable" for one in findings) == 12


def test_verify_reads_a_users_folder_with_classes_of_their_own(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own", labels=("other", "lymphocyte"))

    ended = run_cli("data", "verify", root, "--classes", "other,lymphocyte")

    assert ended.status == 0
    heading = one_line(ended.out)
    assert "part images lymphocyte other unlabelled subjects" in heading
    assert "│ all  │     24 │         12 │    12 │          0 │        ? │" in ended.out
    assert_error(run_cli("data", "verify", root), what="manifest.csv, line 2", why="label 'other' is none of")


@pytest.mark.parametrize("classes", ["one", "a,a", "a,b,c", "a,"])
def test_classes_must_be_two_different_names(tmp_path: Path, classes: str) -> None:
    ended = run_cli("data", "verify", tmp_path, "--classes", classes)

    assert ended.status == 2
    assert "give two different names, the negative class first" in one_line(ended.err)


def test_verify_counts_the_real_cells_and_finds_no_error(shared_data: Path) -> None:
    labels = shared_data / "cnmc2019" / "prelim_labels.csv"

    ended = run_cli("data", "verify", shared_data / "cnmc2019", "--prelim-labels", labels)

    assert ended.status == 0
    rows = [line.replace("│", " ").split() for line in ended.out.splitlines() if line.startswith("│")]
    assert sum(int(images) for part, images, *_ in rows if part.startswith("fold")) == 126
    assert [images for part, images, *_ in rows if part == "prelim"] == ["3"]
    assert "SIMULATED" not in ended.out
    assert "\n0 error, " in ended.out


def test_verify_finds_the_real_cells_to_be_the_published_bytes(shared_data: Path) -> None:
    hashes = shared_data / "cnmc2019" / "manifest.tsv"

    ended = run_cli("data", "verify", shared_data / "cnmc2019", "--hashes", hashes)

    assert ended.status == 0
    assert "\n0 error, " in ended.out
    assert "changed" not in ended.out
    assert "warning missing: 'testing_data/" in ended.out


def test_show_writes_both_files_and_says_simulated_in_the_picture(
    simulated_fold: Path, tmp_path: Path
) -> None:
    ended = run_cli("data", "show", simulated_fold, "--out", tmp_path / "figure-2", "--seed", 1, drawn=True)

    assert (ended.status, ended.out) == (0, f"{tmp_path}/figure-2.png\n{tmp_path}/figure-2.svg\n")
    with Image.open(tmp_path / "figure-2.png") as picture:
        assert picture.width > 1000
    svg = (tmp_path / "figure-2.svg").read_text(encoding="utf-8")
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  our own file
    assert "SIMULATED" in svg


def test_show_of_real_cells_does_not_call_them_simulated(shared_data: Path, tmp_path: Path) -> None:
    ended = run_cli("data", "show", shared_data / "cnmc2019", "--out", tmp_path / "figure-2")

    assert ended.status == 0
    assert "SIMULATED" not in (tmp_path / "figure-2.svg").read_text(encoding="utf-8")


def test_simulate_writes_the_parts_asked_for_and_says_where(tmp_path: Path) -> None:
    ended = run_cli("data", "simulate", tmp_path, "--scale", "0.001", "--part", "fold_1", "--seed", 2)

    assert (ended.status, ended.out) == (0, f"written: {tmp_path / 'C-NMC_Leukemia'}\n")
    marker = json.loads((tmp_path / "C-NMC_Leukemia" / "simulated.json").read_text(encoding="utf-8"))
    assert (marker["seed"], marker["scale"], list(marker["counts"])) == (2, 0.001, ["fold_1"])
    # 14 persons with three cells each, since a thousandth of any would be less.
    assert len(list(tmp_path.rglob("*.bmp"))) == marker["counts"]["fold_1"]["images"] == 42


def test_simulate_never_overwrites_what_may_be_real(tmp_path: Path) -> None:
    real = tmp_path / "C-NMC_Leukemia" / "training_data" / "fold_0" / "all" / "UID_1_1_1_all.bmp"
    real.parent.mkdir(parents=True)
    real.write_bytes(b"a patient's cell")

    ended = run_cli("data", "simulate", tmp_path, "--scale", "0.01")

    assert_error(
        ended, what="cannot write simulated cells", why="it may hold real images", fix="another folder"
    )
    assert real.read_bytes() == b"a patient's cell"
    assert [path.name for path in tmp_path.iterdir()] == ["C-NMC_Leukemia"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--scale", "0"], "0.0 is not above 0 and at most 1"),
        (["--scale", "1.5"], "1.5 is not above 0 and at most 1"),
        (["--part", "fold_9"], "'fold_9' unknown"),
    ],
)
def test_simulate_refuses_a_scale_or_part_that_cannot_be(
    tmp_path: Path, options: list[str], why: str
) -> None:
    assert_error(run_cli("data", "simulate", tmp_path / "out", *options), what="cannot simulate", why=why)
    assert not (tmp_path / "out").exists()


# model, recipes


def test_model_show_prints_the_seventeen_layers_and_what_they_cost(tmp_path: Path) -> None:
    ended = run_cli("model", "show", "leuknet", "--figure", tmp_path / "figure-3")

    assert ended.status == 0
    rows = [line.replace("│", " ").split() for line in ended.out.splitlines() if line.startswith("│")]
    rows = [row for row in rows if row[0].isdigit()]  # a long setting goes on in the next line
    assert [row[0] for row in rows] == [str(number) for number in range(1, 18)]
    assert [row[1] for row in rows][:5] == ["input", "conv1", "relu1", "norm1", "pool1"]
    assert "17 layers, 24,259,074 parameters, 3.82 GFLOP forward for one image" in ended.out
    assert {path.name for path in tmp_path.iterdir()} == {"figure-3.png", "figure-3.svg"}
    assert "SIMULATED" not in (tmp_path / "figure-3.svg").read_text(encoding="utf-8")


def test_model_show_takes_another_input_size() -> None:
    # Windows of 3 in steps of 2 leave 15, 7 and 3 of 32 pixels.
    ended = run_cli("model", "show", "leuknet", "--image-size", 32)

    (fc1,) = (line for line in ended.out.splitlines() if "fc1" in line)
    assert f"{128 * (256 * 3 * 3 + 1):,}" in fc1


def test_model_show_prints_the_card_of_a_model_folder(model: Path, tmp_path: Path) -> None:
    ended = run_cli("model", "show", model, "--figure", tmp_path / "network", drawn=True)

    card, end = json.JSONDecoder().raw_decode(ended.out)
    assert ended.status == 0
    assert (card["dataset"], card["simulated"], card["split_kind"]) == ("c-nmc-2019", True, "image-level")
    assert card["recipe"]["seed"] == 3
    assert "17 layers, " in ended.out[end:]
    assert "SIMULATED" in (tmp_path / "network.svg").read_text(encoding="utf-8")


def test_model_show_refuses_unknown_names_and_sizes_of_trained_models(model: Path, tmp_path: Path) -> None:
    assert_error(run_cli("model", "show", "leucnet"), what="'leucnet'", why="leuknet", fix="use 'leuknet'")
    assert_error(run_cli("model", "show", tmp_path), what="model.json", why="No such file")
    ended = run_cli("model", "show", model, "--image-size", 64)
    assert ended.status == 2
    assert "the input size of a trained model is fixed" in one_line(ended.err)


def test_recipes_lists_each_with_its_claim() -> None:
    ended = run_cli("recipes")

    assert ended.status == 0
    assert all(f"│ {name} " in ended.out for name in RECIPES)
    assert "86.73% accuracy on 226 test cells" in one_line(ended.out)


# train


def test_train_writes_a_model_folder_and_says_how_to_judge_it(
    trained: tuple[Path, Ended], simulated_fold: Path
) -> None:
    out, ended = trained

    # 42 + 42 cells after balancing: 29, 9 and 4 of each class, rounded as the split rounds.
    lines = ended.out.splitlines()
    assert lines[0] == f"model: {out / 'model'}"
    assert lines[1].startswith("validation accuracy ")
    assert lines[1].endswith(
        "image-level split (optimistic); judge it with: "
        f"leuknet evaluate {out / 'model'} --data {simulated_fold}"
    )
    names = {path.name for path in (out / "model").iterdir()}
    assert names == {
        "model.json",
        "weights.safetensors",
        "split.json",
        "golden.npz",
        "reference.npz",
        "model.onnx",
    }
    assert (out / "history.csv").read_text(encoding="utf-8").count("\n") == 1 + 58 // 16
    assert not (out / "checkpoint.safetensors").exists()


def test_train_takes_settings_and_seed_from_the_command_line(model: Path) -> None:
    recipe = open_card(model).recipe

    assert recipe == replace(
        RECIPES["leuknet-demo"],
        name=recipe.name,
        claim="none: settings differ from the recipe's",
        network_options={"filters": [4, 6, 8], "fc1": 8},
        image_size_px=32,
        epochs=1,
        batch_size=16,
        seed=3,
    )


def test_train_by_subject_is_asked_for_with_split(simulated_fold: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"

    ended = run_cli(
        "train", "leuknet-demo", "--data", simulated_fold, "--out", out, "--split", "subject-level", *TINY
    )

    assert ended.status == 0, ended.err
    assert "subject-level split" in ended.out
    assert open_card(out / "model").split_kind == "subject-level"


def test_train_bounds_the_risk_of_what_is_called_or_says_at_once_why_it_cannot(
    simulated_fold: Path, tmp_path: Path
) -> None:
    asked: list[str | Path] = ["train", "leuknet-demo", "--data", simulated_fold, *TINY]
    asked += ["--split", "subject-level"]
    ended = run_cli(*asked, "--out", tmp_path / "few", "--risk", "0.001")

    assert ended.status == 2
    assert re.search(r"there are \d+ validation people, and at least 999 are needed", ended.err)
    assert not (tmp_path / "few").exists()
    ended = run_cli(*asked, "--out", tmp_path / "run", "--risk", "0.9")
    assert ended.status == 0, ended.err
    assert "at most 90.0% of a person's calls are wrong. That rests on" in ended.out
    card = open_card(tmp_path / "run" / "model")
    assert card.recipe.risk == 0.9
    assert card.calibration is not None
    assert card.calibration.bound is not None
    assert card.calibration.bound.asked == 0.9
    ended = run_cli("evaluate", tmp_path / "run" / "model", "--data", simulated_fold)
    assert "asked for: 90.0% at most" in re.sub(r"\s+", " ", ended.out.replace("│", ""))


def test_train_by_subject_without_subjects_is_three_lines_with_a_way_out(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own")

    ended = run_cli(
        *("train", "leuknet-demo", "--data", root, "--out", tmp_path / "run"),
        *("--split", "subject-level"),
    )

    assert ended.status == 2
    assert ended.err.splitlines()[-3:] == [
        "leuknet: cannot make a subject-disjoint split",
        "  why: 24 of 24 cells carry no subject id",
        "  try: use --split image-level; the report will mark its scores as optimistic",
    ]
    assert not (tmp_path / "run").exists()


def test_train_refuses_a_run_folder_that_is_taken(trained: tuple[Path, Ended], simulated_fold: Path) -> None:
    out, _ = trained
    before = (out / "model" / "weights.safetensors").stat().st_mtime_ns

    for options in ([], ["--resume"]):
        ended = run_cli("train", "leuknet-demo", "--data", simulated_fold, "--out", out, *TINY, *options)

        assert_error(ended, what="holds a finished run", fix="another folder with --out")
    assert (out / "model" / "weights.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("recipe", "options", "what", "fix"),
    [
        ("leuknet-papr", [], "no recipe is called 'leuknet-papr'", "use 'leuknet-paper'"),
        ("leuknet-demo", ["--set", "epochs=0"], "epochs cannot be 0", "epochs=10"),
        ("leuknet-demo", ["--set", "colour=red"], "cannot set 'colour=red'", "--set image_size_px=64"),
        ("leuknet-demo", ["--set", 'parts=["fold_7"]'], "cannot take part 'fold_7'", "name some of these"),
        ("leuknet-demo", ["--set", "batch_size=99"], "not one whole batch", "--set batch_size=14"),
        ("leuknet-demo", ["--dataset", "c-nmc"], "cannot open the data set 'c-nmc'", "c-nmc-2019"),
        (
            "leuknet-demo",
            ["--subject-pattern", "(.*)"],
            "with the option subject pattern",
            "leave the option out",
        ),
    ],
)
def test_train_names_the_wrong_setting_and_leaves_nothing_behind(
    simulated_fold: Path, tmp_path: Path, recipe: str, options: list[str], what: str, fix: str
) -> None:
    ended = run_cli("train", recipe, "--data", simulated_fold, "--out", tmp_path / "run", *options)

    assert_error(ended, what=what, fix=fix)
    assert not (tmp_path / "run").exists()


# evaluate


def test_evaluate_judges_the_own_test_side_with_intervals_and_figures(
    model: Path, simulated_fold: Path, tmp_path: Path
) -> None:
    where = ("--data", simulated_fold, "--out", tmp_path / "results")
    ended = run_cli("evaluate", model, *where, "--galleries", drawn=True)

    assert ended.status == 0, ended.err
    text = one_line(ended.out)
    assert text.startswith("SIMULATED CELLS")
    assert "cells 8 (4 ALL, 4 HEM)" in text
    assert "image-level (optimistic: " in text
    assert "tested people trained the model)" in text
    assert "Research software, not a medical device." in text
    pictures = ("confusion", "classified", "gallery-certain-wrong", "gallery-uncertain", "gallery-typical")
    assert {path.name for path in (tmp_path / "results").iterdir()} == {
        *("evaluation.json", "judged.json", "overlap.json", "data.json", "galleries.json"),
        *("baselines", "details.md", ".leuknet-results"),
        *(f"{name}.{kind}" for name in (*pictures, "subgroups") for kind in ("png", "svg")),
    }
    assert [path.name for path in sorted((tmp_path / "results" / "baselines").iterdir())] == [
        *("area.json", "colour.json", "nearest.json", "texture.json")
    ]
    evaluation = read_evaluation(tmp_path / "results" / "evaluation.json")
    assert (evaluation.part, evaluation.cells, evaluation.simulated) == ("test side", 8, True)
    (right_normal, _), (_, right_leukaemic) = evaluation.confusion
    accuracy = evaluation.metrics["accuracy"]
    assert accuracy.estimate == (right_normal + right_leukaemic) / 8
    assert accuracy.low < accuracy.estimate < accuracy.high
    assert f"accuracy {accuracy.estimate:.1%} ({100 * accuracy.low:.1f} to {100 * accuracy.high:.1f})" in text
    assert accuracy.method == "wilson"


def test_evaluate_tells_details_where_they_are_asked_for(
    model: Path, simulated_fold: Path, tmp_path: Path
) -> None:
    ended = run_cli(
        *("evaluate", model, "--data", simulated_fold, "--out", tmp_path, "--details"),
        *("--specificity", "0.7", "--prevalence", "0.03"),
    )

    assert ended.status == 0, ended.err
    details = read_evaluation(tmp_path / "evaluation.json").details
    assert details is not None
    asked = [point for point in details.operating_points if point.chosen and point.chosen.target == 0.7]
    assert [point.chosen.purpose for point in asked if point.chosen] == ["specificity"]
    text = one_line(ended.out)
    page = (tmp_path / "details.md").read_text(encoding="utf-8")
    for words in ("specificity 70%", "3% ALL", "Subgroups of the tested cells", "cell size: smallest third"):
        assert words in text
        assert words in page
    assert "details.md" not in text


def test_evaluate_names_the_file_with_details_and_refuses_shares_in_percent(
    model: Path, simulated_fold: Path, tmp_path: Path
) -> None:
    command = ("evaluate", model, "--data", simulated_fold, "--out", tmp_path / "out")

    assert_error(run_cli(*command, "--prevalence", "5"), what="cannot compute", why="a prevalence of 5")
    assert_error(run_cli(*command, "--sensitivity", "95"), what="cannot compute", why="a sensitivity of 95")
    assert not (tmp_path / "out").exists()
    assert f"people, subgroups: {tmp_path / 'out' / 'details.md'}" in one_line(run_cli(*command).out)


def test_evaluate_puts_its_results_beside_the_model_unless_told_otherwise(
    model: Path, simulated_fold: Path, tmp_path: Path
) -> None:
    copy = linked_copy(model, tmp_path / "run" / "model")

    assert run_cli("evaluate", copy, "--data", simulated_fold).status == 0
    assert (tmp_path / "run" / "evaluation" / "evaluation.json").is_file()


@pytest.mark.parametrize("options", [["--all"], ["--part", "fold_0"]])
def test_evaluate_refuses_cells_that_trained_the_model(
    model: Path, simulated_fold: Path, tmp_path: Path, options: list[str]
) -> None:
    ended = run_cli("evaluate", model, "--data", simulated_fold, "--out", tmp_path / "results", *options)

    assert_error(
        ended,
        what="this would test the model on cells that it was trained on",
        why="76 of 125 cells were on its training or validation side",
        fix="leave out --part and --all",
    )
    assert not (tmp_path / "results").exists()


def test_judging_other_cells_leaves_the_scores_on_the_own_side_alone(
    model: Path, simulated_fold: Path, simulated_prelim: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(model, tmp_path / "run" / "model")
    assert run_cli("evaluate", copy, "--data", simulated_fold).status == 0
    own = (tmp_path / "run" / "evaluation" / "evaluation.json").read_bytes()

    for words in (("--all",), ("--part", "prelim"), ("--new-people", "--transductive", "3")):
        assert run_cli("evaluate", copy, "--data", simulated_prelim, *words).status == 0

    assert (tmp_path / "run" / "evaluation" / "evaluation.json").read_bytes() == own
    found = sorted(path.parent.name for path in (tmp_path / "run").glob("*/evaluation.json"))
    assert found == [
        "evaluation", "evaluation-all", "evaluation-new-people-transductive", "evaluation-prelim"
    ]  # fmt: skip


def test_evaluate_of_the_preliminary_phase_is_by_subject_with_a_jackknife_over_subjects(
    model: Path, simulated_prelim: Path, tmp_path: Path
) -> None:
    ended = run_cli("evaluate", model, "--data", simulated_prelim, "--part", "prelim", "--out", tmp_path)

    assert ended.status == 0, ended.err
    assert "split │ subject-level" in " ".join(ended.out.split())
    evaluation = read_evaluation(tmp_path / "evaluation.json")
    assert (evaluation.split_kind, evaluation.part) == ("subject-level", "prelim")
    assert (evaluation.cells, evaluation.subjects) == (84, 28)
    assert {one.method for name, one in evaluation.metrics.items() if name != "ece"} <= {
        "jackknife over subjects",
        "Clopper-Pearson, subjects counted",
    }


def test_evaluate_on_a_users_folder_is_external(model: Path, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own", subjects=True)
    out = tmp_path / "results"

    ended = run_cli("evaluate", model, "--data", root, "--part", "all", "--out", out)

    assert ended.status == 0, ended.err
    # Only what was written is said to be.
    assert f"written: {out}: scores, what the sides share\n" in ended.out
    assert "no baselines: they are fitted to the cells that trained the model" in ended.err
    assert not (out / "baselines").exists()
    assert "trained and tested cells: nothing in common\n" in ended.out
    assert f"a report of it: leuknet report {out}\n" in ended.out
    assert run_cli("report", out, "--out", tmp_path / "page", "--no-pdf").status == 0
    evaluation = read_evaluation(out / "evaluation.json")
    assert (evaluation.split_kind, evaluation.dataset, evaluation.simulated) == ("external", "folder", False)
    assert (evaluation.cells, evaluation.subjects) == (24, 12)


def test_classes_of_a_users_folder_go_through_training_to_judging_and_scoring(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own", labels=("other", "lymphocyte"), subjects=True)
    model = tmp_path / "run" / "model"
    data = ("--data", root)

    ended = run_cli(
        *("train", "leuknet-paper", *data, "--out", model.parent, "--classes", "other,lymphocyte"),
        *(*TINY, "--set", "batch_size=4"),
    )
    assert ended.status == 0, ended.err
    words = f"leuknet evaluate {model} --data {root} --classes other,lymphocyte\n"
    assert ended.out.endswith(words)  # what is recommended opens the same data
    # Without --classes the model's own names are taken.
    assert run_cli("evaluate", model, *data, "--out", tmp_path / "results").status == 0
    evaluation = read_evaluation(tmp_path / "results" / "evaluation.json")
    assert evaluation.class_names == ("other", "lymphocyte")
    assert run_cli("predict", model, root, "--out", tmp_path / "scores.csv").status == 0
    assert {line["label"] for line in read_lines(tmp_path / "scores.csv")} <= {"other", "lymphocyte"}


def test_evaluate_refuses_other_data_unknown_parts_and_folders_that_are_no_model(
    model: Path, simulated_fold: Path, simulated_prelim: Path, tmp_path: Path
) -> None:
    ended = run_cli("evaluate", model, "--data", simulated_prelim)
    assert_error(ended, what="cannot use the split", why="of its 84 cells 84 are missing", fix="--all takes")

    ended = run_cli("evaluate", model, "--data", simulated_fold, "--part", "prelim")
    assert_error(ended, what="no part 'prelim'", why="'fold_0'")

    ended = run_cli("evaluate", tmp_path, "--data", simulated_fold)
    assert_error(ended, what=f"cannot read {tmp_path / 'model.json'}")

    ended = run_cli("evaluate", model.parent, "--data", simulated_fold)
    assert_error(ended, what="cannot read", fix=f"it is the folder of a run: name that of its model, {model}")


# predict

PICTURE = Image.effect_noise((450, 450), 60).convert("RGB")
"""No cell on black: a model scores it, and the line warns."""
RAW = "not a segmented cell on black"


def bmp_header(*, width: int, height: int) -> bytes:
    return struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def write_every_bad_input(folder: Path, cell: Path) -> dict[str, tuple[str | None, str]]:
    """One file of each kind that the issue lists: name to its error (None: it is scored) and a warning."""
    folder.mkdir()
    content = cell.read_bytes()
    with Image.open(cell) as opened:
        picture = opened.convert("RGB")
    half = picture.getchannel("R").point(lambda value: 255 if value else 0)
    translucent, opaque = picture.copy(), picture.copy()
    translucent.putalpha(half)
    opaque.putalpha(255)

    (folder / "truncated.bmp").write_bytes(content[: len(content) // 2])
    (folder / "zero.bmp").write_bytes(b"")
    (folder / "text.bmp").write_text("not a picture", encoding="ascii")
    (folder / "bomb.bmp").write_bytes(bmp_header(width=100_000, height=100_000))
    Image.fromarray(np.full((450, 450), 40_000, np.uint16)).save(folder / "16bit.png")
    picture.convert("L").save(folder / "grey.png")
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    picture.save(folder / "animated.png", save_all=True, append_images=[PICTURE.copy()])
    picture.save(folder / "pages.tif", save_all=True, append_images=[PICTURE.copy()])
    (folder / "bro\nken 'one'.bmp").write_bytes(content[:60])
    (folder / "wrong.png").write_bytes(content)
    opaque.save(folder / "alpha-opaque.png")
    translucent.save(folder / "alpha.png")
    PICTURE.copy().save(folder / "raw.png")
    good = ("with spaces.bmp", 'it\'s "quoted", twice.bmp', "new\nline.bmp", "Zelle-µ-細胞.bmp")
    for name in good:
        os.link(cell, folder / name)
    return {
        "truncated.bmp": ("damaged or cut off", ""),
        "zero.bmp": ("the file has zero bytes", ""),
        "text.bmp": ("neither BMP, PNG, JPEG, TIFF nor WebP", ""),
        "bomb.bmp": ("too large", ""),
        "16bit.png": ("more than 8 bits per channel", ""),
        "grey.png": ("it is grey", ""),
        "cmyk.jpg": ("its colours are not RGB (mode CMYK)", ""),
        "animated.png": ("several pictures", ""),
        "pages.tif": ("several pictures", ""),
        "bro\nken 'one'.bmp": ("damaged or cut off", ""),
        "wrong.png": (None, "the content is BMP, the extension is '.png'"),
        "alpha-opaque.png": (None, "the alpha channel is opaque and was dropped"),
        "alpha.png": (None, "transparent pixels were laid on black"),
        "raw.png": (None, RAW),
        **dict.fromkeys(good, (None, "")),
    }


@pytest.fixture(scope="module")
def cell(simulated_fold: Path) -> Path:
    return min(simulated_fold.rglob("*_all.bmp"))


@pytest.fixture
def bad_inputs(tmp_path: Path, cell: Path) -> tuple[Path, dict[str, tuple[str | None, str]]]:
    return tmp_path / "inputs", write_every_bad_input(tmp_path / "inputs", cell)


def test_predict_gives_every_bad_input_its_stated_outcome_in_its_line(
    model: Path, bad_inputs: tuple[Path, dict[str, tuple[str | None, str]]], tmp_path: Path
) -> None:
    folder, outcomes = bad_inputs

    ended = run_cli("predict", model, folder, "--out", tmp_path / "scores.csv")

    lines = {Path(line["path"]).name: line for line in read_lines(tmp_path / "scores.csv")}
    assert ended.status == 2
    assert lines.keys() == outcomes.keys()
    for name, (error, warning) in outcomes.items():
        line = lines[name]
        assert warning in line["warnings"], name
        assert bool(warning) == bool(line["warnings"]), name
        if error is None:
            assert 0 <= float(line["probability"]) <= 1, name
            assert (line["error"], line["label"] in ("ALL", "HEM")) == ("", True), name
        else:
            assert error in line["error"], name
            assert "\n" not in line["error"], name
            assert (line["probability"], line["label"]) == ("", ""), name
    assert f"written: {tmp_path / 'scores.csv'}: 18 lines, 10 of them without a score" in ended.out
    assert lines["raw.png"]["outcome"] == "unfamiliar"
    assert f"  1: {RAW}" in ended.out


def test_predict_lists_what_has_no_score_one_quoted_name_a_line(
    model: Path, bad_inputs: tuple[Path, dict[str, tuple[str | None, str]]], tmp_path: Path
) -> None:
    folder, outcomes = bad_inputs

    ended = run_cli("predict", model, folder, "--out", tmp_path / "scores.csv")

    listed = ended.err.partition("without a score:\n")[2].splitlines()
    broken = sorted(name for name, (error, _) in outcomes.items() if error is not None)
    assert listed == [f"  {str(folder / name)!r}" for name in broken]


def test_predict_names_twenty_broken_files_and_counts_the_others(model: Path, tmp_path: Path) -> None:
    missing = [tmp_path / f"{number}.bmp" for number in range(23)]

    ended = run_cli("predict", model, *missing, "--out", tmp_path / "scores.csv")

    assert ended.status == 2
    assert f"  {str(missing[19])!r}\n  and 3 more\n" in ended.err
    assert str(missing[20]) not in ended.err


def test_predict_writes_the_same_to_csv_and_parquet(model: Path, cell: Path, tmp_path: Path) -> None:
    for name in ("scores.csv", "scores.parquet"):
        ended = run_cli("predict", model, cell, tmp_path / "missing.bmp", "--out", tmp_path / name)
        assert ended.status == 2

    rows = read_lines(tmp_path / "scores.csv")
    frame = pl.read_parquet(tmp_path / "scores.parquet")
    assert frame.columns == list(COLUMNS) == list(rows[0])
    assert frame["probability"].to_list() == [float(rows[0]["probability"]), None]
    assert frame["path"].to_list() == [str(cell), str(tmp_path / "missing.bmp")]
    assert rows[0]["subject"] == cell.name.split("_")[1]


def test_predict_ends_with_0_if_all_is_scored_and_warns_of_a_simulated_model(
    model: Path, cell: Path, tmp_path: Path
) -> None:
    ended = run_cli("predict", model, cell, "--out", tmp_path / "scores.csv")

    assert ended.status == 0
    (line,) = read_lines(tmp_path / "scores.csv")
    counts = {word: int(line["outcome"] == word) for word in ("ALL", "HEM", "uncertain", "unfamiliar")}
    assert ended.out == (
        f"written: {tmp_path / 'scores.csv'}: 1 lines, 0 of them without a score\n"
        f"outcomes: {', '.join(f'{number} {word}' for word, number in counts.items())}\n"
        "Research software, not a medical device.\n"
    )
    assert "trained on SIMULATED cells: its scores mean nothing for real ones" in ended.err


def test_predict_gives_the_same_scores_whatever_the_batch(
    model: Path, simulated_fold: Path, tmp_path: Path
) -> None:
    hem = simulated_fold / "C-NMC_Leukemia" / "training_data" / "fold_0" / "hem"
    for size in (1, 32):
        run_cli("predict", model, hem, "--out", tmp_path / f"{size}.csv", "--batch-size", size)

    one, many = (
        [float(line["probability"]) for line in read_lines(tmp_path / f"{size}.csv")] for size in (1, 32)
    )
    assert len(one) == 42
    assert one == pytest.approx(many, abs=1e-5)


def test_predict_scores_all_real_cells(model: Path, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "cnmc2019" / "C-NMC_Leukemia"
    ended = run_cli("predict", model, folder, "--out", tmp_path / "scores.csv")

    lines = read_lines(tmp_path / "scores.csv")
    assert (ended.status, len(lines)) == (0, 129)
    # To a model of simulated cells real ones may well be unfamiliar; none is mistaken for a raw smear.
    assert not any("smear" in line["warnings"] or "px, not" in line["warnings"] for line in lines)
    outcomes = Counter(line["outcome"] for line in lines)
    words = ("ALL", "HEM", "uncertain", "unfamiliar")
    assert outcomes.keys() <= set(words)
    assert f"outcomes: {', '.join(f'{outcomes[word]} {word}' for word in words)}\n" in ended.out
    assert f"warnings: on {sum(bool(line['warnings']) for line in lines)} line" in ended.out


def test_predict_refuses_a_table_of_another_kind_and_folders_without_images(
    model: Path, cell: Path, tmp_path: Path
) -> None:
    ended = run_cli("predict", model, cell, "--out", tmp_path / "scores.xlsx")
    assert_error(ended, what="scores.xlsx", why="its suffix is '.xlsx'", fix=".csv or .parquet")

    ended = run_cli("predict", model, cell, "--out", tmp_path / "no" / "scores.csv")
    assert_error(ended, what="scores.csv", why="No such file", fix="a folder that exists")

    (tmp_path / "empty").mkdir()
    ended = run_cli("predict", model, tmp_path / "empty", "--out", tmp_path / "scores.csv")
    assert_error(
        ended,
        what="no image was found",
        why="no .bmp, .png, .jpg, .tif or .webp file",
        fix="name image files",
    )


def test_predict_stopped_by_ctrl_c_ends_with_130_and_keeps_its_lines(
    model: Path, simulated_fold: Path, tmp_path: Path
) -> None:
    partial = tmp_path / "scores.csv.partial.csv"
    # 125 cells 400 times over: it would take minutes.
    command = map(str, [SCRIPT, "predict", model, *[simulated_fold] * 400, "--out", tmp_path / "scores.csv"])
    process = subprocess.Popen(
        [*command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run as a job in the background, children would ignore Ctrl-C from the start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    kept = read_lines(partial)
    assert 0 < len(kept) < 50_000
    assert all(0 <= float(line["probability"]) <= 1 for line in kept)
    assert "leuknet: predicting was stopped\n" in err
    assert f"  why: Ctrl-C after {len(kept)} images\n" in err
    assert f"the lines so far are in {partial}" in err
    assert not (tmp_path / "scores.csv").exists()


# reproduce


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give either --data ROOT or --demo"),
        (["--demo", "--data", "x"], "give either --data ROOT or --demo"),
        (["--data", "x", "--full-size"], "--full-size goes with --demo"),
        (["--demo", "--seed", "1", "--seeds", "1,2"], "give either --seed or --seeds"),
        (["--demo", "--seeds", "1,x"], "give whole numbers from 0"),
    ],
)
def test_reproduce_wants_one_source_of_data(tmp_path: Path, options: list[str], message: str) -> None:
    ended = run_cli("reproduce", "paper", *options, "--out", tmp_path / "out")

    assert ended.status == 2
    assert message in one_line(ended.err)
    assert not (tmp_path / "out").exists()


def test_reproduce_wants_c_nmc_2019(tmp_path: Path) -> None:
    ended = run_cli("reproduce", "paper", "--data", write_folder(tmp_path / "own"), "--out", tmp_path / "out")

    assert_error(ended, what="cannot read C-NMC 2019", fix="C-NMC_Leukemia")
    assert not (tmp_path / "out").exists()


def test_reproduce_writes_a_page_with_six_figures_and_all_that_is_behind_it(mini_reproduction: Path) -> None:
    page = (mini_reproduction / "index.html").read_text(encoding="utf-8")
    evaluation = read_evaluation(mini_reproduction / "run" / "evaluation" / "evaluation.json")
    report = (mini_reproduction / "report.html").read_text(encoding="utf-8")

    assert evaluation.model_id in report
    assert page.count('<img src="data:image/png;base64,') == page.count("<img") == 6
    figures = ("framework", "samples", "network", "classified", "confusion", "history")
    expected = {f"{name}.{kind}" for name in figures for kind in ("png", "svg")}
    assert {path.name for path in (mini_reproduction / "figures").iterdir()} == expected
    assert "SIMULATED CELLS" in page
    assert "leuknet reproduce paper --demo" in page
    assert "84 cells instead of 2,260" in page
    assert evaluation.model_id in page
    assert f"{evaluation.metrics['accuracy'].estimate:.1%}" in page


@pytest.mark.usefixtures("tiny_demo")
def test_reproduce_again_takes_the_finished_run_and_trains_nothing(
    mini_reproduction: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it was done before")

    saved = mini_reproduction / "run" / "evaluation" / "evaluation.json"
    before = read_evaluation(saved)
    (mini_reproduction / "index.html").unlink()
    monkeypatch.setattr(runs, "train", refuse)
    monkeypatch.setattr(reproduce, "assess", refuse)
    monkeypatch.setattr(reproduce, "simulate", refuse)

    ended = run_cli("reproduce", "paper", "--demo", "--out", mini_reproduction)

    assert ended.status == 0, ended.err
    assert ended.out == (
        f"page: {mini_reproduction / 'index.html'}\n"
        f"full report: {mini_reproduction / 'report.html'}\nResearch software, not a medical device.\n"
    )
    assert (mini_reproduction / "index.html").is_file()
    assert read_evaluation(saved) == before


@pytest.mark.usefixtures("tiny_demo")
def test_reproduce_with_another_seed_wants_another_folder_and_touches_nothing(
    mini_reproduction: Path,
) -> None:
    def state() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in mini_reproduction.rglob("*")}

    before = state()

    ended = run_cli("reproduce", "paper", "--demo", "--out", mini_reproduction, "--seed", 1)
    assert_error(ended, what="simulated cells of another seed", why="they have seed 0", fix="--out")

    # The same data by name, so that only the run stands in the way.
    data = mini_reproduction / "data"
    with pytest.raises(SettingError) as caught:
        reproduce.reproduce_paper(data, out=mini_reproduction, recipe="leuknet-demo", seeds=[1])
    assert "a finished run of another recipe, seed or cells" in caught.value.what
    assert state() == before


@pytest.mark.parametrize(
    ("options", "data", "recipe"),
    [
        (["--data", "C-NMC"], "C-NMC", "leuknet-paper"),
        (["--demo"], "drawn at 0.25 with seed 2", "leuknet-demo"),
        (["--demo", "--full-size"], "drawn at 1.0 with seed 2", "leuknet-paper"),
    ],
)
def test_reproduce_takes_the_papers_recipe_except_for_the_reduced_demonstration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], data: str, recipe: str
) -> None:
    # The whole experiment takes hours at these sizes; here only what it is asked for counts.
    asked: list[tuple[str, str, tuple[int, ...], str]] = []

    def draw(out: Path, *, seed: int, scale: float, **_: object) -> None:
        (out / "C-NMC_Leukemia").mkdir(parents=True)
        (out / "drawn").write_text(f"drawn at {scale} with seed {seed}", encoding="ascii")

    def note(
        data: Path, *, out: Path, recipe: str, part: str | None, seeds: tuple[int, ...], precision: str
    ) -> Path:
        assert part is None
        drawn = data / "drawn"
        asked.append((drawn.read_text("ascii") if drawn.exists() else str(data), recipe, seeds, precision))
        return out / "index.html"

    monkeypatch.setattr(reproduce, "simulate", draw)
    monkeypatch.setattr(reproduce, "reproduce_paper", note)

    ended = run_cli("reproduce", "paper", *options, "--out", tmp_path, "--seed", 2, "--precision", "bf16")

    assert ended.status == 0, ended.err
    assert asked == [(data, recipe, (2,), "bf16")]

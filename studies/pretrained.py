"""Makes the model that comes with LeukNet, `pretrained:probe-stages`, from the real cells at hand.

All people teach it or choose its calibration; none is left to test it. What such a model is worth for other people
is what `new_people` measures, where the same recipe is taught by some and tested by others. Start at `main`.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from commands import BUILD, REPOSITORY, restore, run
from leuknet.evaluation.summary import markdown_table
from leuknet.inference.model_folder import FILES, open_card
from leuknet.inference.model_id import model_id_of
from leuknet.inference.pretrained import SHIPPED
from leuknet.sharing.hub import describe_model

NAME = "probe-stages"


def main() -> None:
    """Train, and put the model folder into the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data")
    parser.add_argument("--to", type=Path, default=SHIPPED / NAME, help="folder to write")
    arguments = parser.parse_args()
    ship(restore(arguments.data)[0], arguments.to)
    found = json.loads((REPOSITORY / "results" / "new-people.json").read_text(encoding="utf-8"))
    (arguments.to / "README.md").write_text(describe(arguments.to, found), encoding="utf-8")


def describe(folder: Path, found: dict[str, Any]) -> str:
    """Return what the model is, how its recipe did on people who taught nothing, and whose cells these were."""
    card = open_card(folder)
    text = describe_model(
        card, None, model_id=model_id_of(folder), licence="cc-by-3.0", repository=f"pretrained:{NAME}"
    )
    about = text[: text.index("## How it did")]
    scores = [(row["name"], row["auroc"], row["balanced_accuracy"]) for row in found["rows"]]
    return (
        "\n\n".join(
            [
                about.rstrip(),
                "## How it did",
                "All people at hand taught this model or chose its calibration, so none is left to test it. What its kind is "
                f"worth for other people was measured in {len(found['rounds'])} rounds, each of which tests people who "
                'neither taught nor chose (`docs/results.md`, "What few people teach about others"):',
                markdown_table(("", "AUROC", "balanced accuracy"), scores),
                "So few healthy people decide little: it is not validated for any use on patients, and no laboratory but "
                "that of C-NMC has tried it.",
                "## Whose cells",
                "Gupta & Gupta (2019), C-NMC 2019, The Cancer Imaging Archive, https://doi.org/10.7937/tcia.2019.dc64i46r; CC BY "
                "3.0 as stated by secondary sources. The stages of EfficientNet-Lite0 are as ImageNet left them (Apache-2.0). The "
                "golden images are drawn by a program; no picture of a patient is in this folder.",
            ]
        )
        + "\n"
    )


def ship(root: Path, folder: Path, *settings: str, out: Path = BUILD / "pretrained") -> None:
    """Train on all labelled cells of a data set, and copy the model folder."""
    shutil.rmtree(out, ignore_errors=True)
    words = " ".join(f"--set {setting}" for setting in ("fractions=[0.8,0.2,0]", *settings))
    run(f"train {NAME} --data {root} {words} --name {NAME} --out {out}")
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(out / "model" / name, folder / name)


if __name__ == "__main__":
    main()

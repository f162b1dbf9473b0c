"""What others have published on this task, with the kind of split that each score rests on.

A score on cells of people who were trained on is worth less than the same score on new people, and most
published scores do not say which they are. Each row therefore names its split kind and its source; where the
source does not say, the row says `not stated`. Nothing here was measured by LeukNet.

Start at `PUBLISHED`. To add a row, name where its number can be read.
"""

from __future__ import annotations

from dataclasses import dataclass

from leuknet.evaluation.resampling import wilson

_PAPER = wilson(196, 226)
"""The paper states its counts and no interval; this is computed from them."""

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Published:
    """One published result.

    Attributes
    ----------
    system, score, data
        What was tested, what it scored by which metric, and on which cells.
    split
        `subject-level`, `image-level` or `not stated`.
    source
        Where the number can be read.
    note
        What a reader must know before comparing, `""` if nothing.
    cited_by_paper
        Whether the paper that LeukNet repeats cites it.
    """

    system: str
    score: str
    data: str
    split: str
    source: str
    note: str = ""
    cited_by_paper: bool = False


AIM = "weighted F1 from 0.90, AUROC from 0.956 and ECE up to 0.024 on the preliminary test set"
"""What a model must reach, trained and chosen on folds 0 to 2 only, to beat the best honest single model."""

_BY_PAPER = "as cited by Anilkumar, Manoj and Sagi"
_MARZAHL = "notebooks of github.com/ChristianMarzahl/ISBI2019_WhiteBloodCancer"
_PRELIM = "C-NMC 2019, preliminary test set, 28 subjects"

PUBLISHED = (
    Published(
        "Anilkumar, Manoj and Sagi: the network that LeukNet repeats",
        f"{_PAPER.estimate:.2%} accuracy",
        "C-NMC 2019, fold_0 balanced, 226 test cells",
        "image-level",
        "“Classification of B-Lymphoblasts against Normal Lymphocytes by Deep Convolutional Neural Network”",
        f"no interval stated; from its counts, 196 of 226, {_PAPER.low:.1%} to {_PAPER.high:.1%} (Wilson)",
    ),
    Published(
        "Pan et al.: residual networks with neighbourhood correction, 1st of the challenge",
        "0.925 weighted F1",
        f"{_PRELIM}; 0.9104 on the final test set, 17 subjects",
        "subject-level",
        "challenge slides in github.com/YongshengPan/ISBI-NMC",
        "transductive: test cells vote on each other; about 0.869 without",
    ),
    Published(
        "Xiao et al.: DeepMEN, an ensemble of six",
        "0.903 weighted F1",
        f"{_PRELIM}; 0.8856 on the final test set",
        "subject-level",
        "Springer, chapter 978-981-15-0798-4_9",
        "pseudo-labels of test cells",
    ),
    Published(
        "Prellberg and Kramer: SE-ResNeXt50, epoch picked on this set",
        "0.898 weighted F1, AUROC 0.956",
        f"{_PRELIM}; 0.8891 on the final test set",
        "subject-level",
        "arXiv 1906.09020; results in github.com/jprellberg/isbi2019cancer",
        "best inductive single model; accuracy averaged over the 28 subjects 0.798",
    ),
    Published(
        "Prellberg and Kramer: SE-ResNeXt50, last epoch",
        "0.887 weighted F1, AUROC 0.952",
        _PRELIM,
        "subject-level",
        "results in github.com/jprellberg/isbi2019cancer",
    ),
    Published(
        "Marzahl et al.: ResNet18 with a region-proposal head",
        "0.8746 weighted F1",
        f"{_PRELIM}; 0.8284 on the final test set",
        "subject-level",
        "cris.fau.de/publications/234639333",
    ),
    Published(
        "Shi et al.: ensemble",
        "86.9% accuracy",
        f"{_PRELIM}; 87.9% on the final test set",
        "subject-level",
        "abstract at Springer",
    ),
    Published(
        "EfficientNet-B1, temperature-scaled",
        "AUROC 0.913, ECE 0.024, sensitivity 0.87, specificity 0.80",
        _PRELIM,
        "subject-level",
        "arXiv 2606.24944",
        "the only published calibration figure found",
    ),
    Published(
        "Marzahl et al.: ResNet18 of a public notebook, random split",
        "0.961 to 0.975 weighted F1",
        "C-NMC 2019, a tenth of the training data",
        "image-level",
        _MARZAHL,
        "the same models on new people are in the next row: what an image-level split is worth",
    ),
    Published(
        "Marzahl et al.: the same ResNet18, on new people",
        "0.79 to 0.83 weighted F1",
        _PRELIM,
        "subject-level",
        _MARZAHL,
    ),
    Published(
        "heterogeneity loss and an ensemble",
        "95.26% weighted F1",
        "C-NMC 2019, the organisers' own re-split",
        "subject-level",
        f"arXiv 2003.03295; {_BY_PAPER}",
        "a test side that others cannot repeat: its labels are not public",
        cited_by_paper=True,
    ),
    Published(
        "SDCT-AuxNet",
        "94.8% weighted F1",
        "C-NMC 2019, the organisers' own re-split",
        "subject-level",
        "arXiv 2006.00304",
        "as above",
    ),
    Published(
        "VGG16, VGG19 and Xception",
        "92.6% F1",
        "C-NMC 2019",
        NOT_STATED,
        f"scitepress 102574; {_BY_PAPER}",
        cited_by_paper=True,
    ),
    Published(
        "depthwise separable convolutions",
        "91% validation accuracy",
        "C-NMC 2019",
        NOT_STATED,
        _BY_PAPER,
        cited_by_paper=True,
    ),
    Published(
        "LeuFeatx: features of a fine-tuned VGG16 and a classical classifier",
        "96.15% accuracy",
        "ALL-IDB2",
        NOT_STATED,
        f"Computers in Biology and Medicine 142, 105236; {_BY_PAPER}",
        cited_by_paper=True,
    ),
    Published(
        "squeeze-and-excitation network",
        "98.3%",
        "ALL-IDB",
        NOT_STATED,
        f"Mathematical Problems in Engineering 2022, 2801227; {_BY_PAPER}",
        cited_by_paper=True,
    ),
    Published(
        "AlexNet, fine-tuned",
        "96.06% accuracy",
        "ALL-IDB",
        NOT_STATED,
        f"doi 10.1177/1533033818802789; {_BY_PAPER}",
        "of four classes, normal and three subtypes; its abstract has 99.50% for ALL against normal",
        cited_by_paper=True,
    ),
    Published("one system", "89%", "1,732 bone-marrow images", NOT_STATED, _BY_PAPER, cited_by_paper=True),
    Published("one system", "97.2%", "SN-AM", NOT_STATED, _BY_PAPER, cited_by_paper=True),
)
"""The paper first, then the challenge, then what the paper cites."""

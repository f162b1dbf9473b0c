"""Whole experiments, from a data set to tables and pages.

`reproduce.py` is the paper's, `benchmark.py` and `scoreboard.py` compare recipes over seeds and rounds,
`leak_audit.py` measures what an image-level split is worth, `assess.py` judges one model. The paper's page
is `paper_page.py`, from `paper_content.py` and `paper_comparison.py`.
"""

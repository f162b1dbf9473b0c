"""The kit that every page is made with, and the report of any runs.

Start at `run_report.write_report`: `sections.py` lists what a report holds, `run_record.py` reads runs from
disk, and `blocks.py` and `render.py` are what all pages share, with `base.html`.
"""

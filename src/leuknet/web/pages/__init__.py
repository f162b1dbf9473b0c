"""The pages, one module for each part of the reading room; each has a `router`.

A page's route takes its user and case from `leuknet.web.permissions`, calls the store or `leuknet.room`, and
returns `render_page`. Its words are in `text/en.toml`.
"""

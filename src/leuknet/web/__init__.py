"""The reading room's pages and API: what a browser and a program see of `leuknet.room` and `leuknet.store`.

Server-rendered pages that work offline, with small scripts for what needs them: keyboard review, zoom, a
gallery of many thousand cells. Nothing here scores an image: `leuknet worker` does, in a process of its own.

Start at `app.create_app`. `guard` holds what protects every request, `permissions` who may see what, `pages`
the pages, `api` the programs' way in, `text/en.toml` every word that a person reads.
"""

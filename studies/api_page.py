"""Writes docs/api.md: what the API says of itself, below a head that is written by hand.

python studies/api_page.py
"""

from __future__ import annotations

import sys
from pathlib import Path

from starlette.datastructures import State

from leuknet.web.api import PREFIX, create_api
from leuknet.web.api.reference import Operation, Reference, Shape, Value, read_reference
from leuknet.web.settings import Settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"

HEAD = """\
# API of the reading room

For programs: the same cases, cells and reviews as the pages of `leuknet serve`, with the same rules of who may see what.
Research software, not a medical device.

1. Make a token: sign in, click your name, and give it a name under API tokens. It is shown once.
2. Upload images into a case, and wait until they are scored.
3. Read the cells, and say what they are.

With the Python client (`pip install 'leuknet[client]'`), which sends large files in parts and goes on after any break:

```python
from leuknet.client import Client

with Client("http://127.0.0.1:8000", token="TOKEN") as room:
    case = room.create_case("Smear 17")
    room.upload(case, "field-3.png", kind="field", microns_per_pixel=0.07)
    room.wait(case)
    for cell in room.cells(case, order="uncertainty"):
        print(cell.name, cell.probability, cell.outcome)
        room.review(cell, "normal")
```

With curl:

```sh
API=http://127.0.0.1:8000/api/v1 AUTH="Authorization: Bearer TOKEN" JSON="Content-Type: application/json"
FILE=field-3.png
curl -H "$AUTH" -H "$JSON" -d '{"title": "Smear 17"}' $API/cases                       # gives "id": the case
curl -H "$AUTH" -H "$JSON" $API/cases/CASE/uploads -d "{\\"name\\": \\"$FILE\\", \\"kind\\": \\"field\\",
  \\"microns_per_pixel\\": 0.07, \\"n_bytes\\": $(stat -c %s $FILE), \\"key\\": \\"$(sha256sum $FILE | cut -c1-64)\\"}"
curl -H "$AUTH" -X PATCH -H "Upload-Offset: 0" -H "Content-Type: application/octet-stream" \\
  --data-binary @$FILE $API/cases/CASE/uploads/UPLOAD                                  # parts of at most 8 MiB
curl -H "$AUTH" -X POST $API/cases/CASE/uploads/UPLOAD/finish
curl -H "$AUTH" "$API/cases/CASE/cells?order=uncertainty&limit=100"
```

- Every request but `/health` carries `Authorization: Bearer TOKEN`. Cookies count for nothing here. A token acts for its account until
  it is revoked there.
- Lists come in pages: `next` of a page is the `cursor` of the one after it, null at the last.
- An upload is announced with a `key`, best the SHA-256 of the file: with the same key it is the same upload, and `received`
  says where to go on. Nothing is sent twice, and nothing is lost by a break.
- A review names the one that it takes the place of (`expected_review_id`): who decides in two places at once gets 409 instead of
  overwriting what was not seen. An undo is a further review; nothing is ever deleted.
- A case that the account still reads blinded in a study answers 404, as one that does not exist.
- Whatever goes wrong, the answer is `application/problem+json` (RFC 9457): `title` says what could not be done, `detail` why, `fix`
  what to try.

What follows is written by `python studies/api_page.py` from the description that the API gives of itself: {schema} on a running server,
and as a page without scripts under {page}.
"""


def render() -> str:
    """Return the page."""
    api = create_api(Settings(folder=Path()), State())
    reference = read_reference(api.openapi())
    head = HEAD.replace("{schema}", f"`{PREFIX}/openapi.json`").replace("{page}", f"`{PREFIX}/docs`")
    return "\n".join(
        [head, *_operations(reference), *_webhooks(reference), *_errors(reference), *_shapes(reference)]
    )


def _operations(reference: Reference) -> list[str]:
    lines: list[str] = []
    for name, operations in reference.groups.items():
        lines += [f"## {name}", ""]
        for one in operations:
            lines += _operation(one, PREFIX)
    return lines


def _operation(one: Operation, prefix: str) -> list[str]:
    takes = f"Takes {_code(one.sends)}. " if one.sends else ""
    gives = f"Answers with {one.status}" + (f" and {_code(one.gives)}. " if one.gives else ". ")
    errors = f"Errors: {', '.join(one.errors)}." if one.errors else ""
    lines = [f"### {one.method} {prefix}{one.path}", "", one.text, "", f"{takes}{gives}{errors}".strip(), ""]
    return [*lines, *_table(one.values)]


def _webhooks(reference: Reference) -> list[str]:
    return ["## Webhook", "", *(line for one in reference.webhooks for line in _operation(one, ""))]


def _errors(reference: Reference) -> list[str]:
    lines = ["## Errors", "", "| Status | Meaning |", "|---|---|"]
    return [*lines, *(f"| {status} | {means} |" for status, means in reference.common), ""]


def _shapes(reference: Reference) -> list[str]:
    lines = ["## Shapes", ""]
    for shape in reference.shapes:
        lines += _shape(shape)
    return lines


def _shape(shape: Shape) -> list[str]:
    return [f"### {shape.name}", "", shape.text, "", *_table(shape.values)]


def _table(values: tuple[Value, ...]) -> list[str]:
    if not values:
        return []
    rows = [
        f"| `{one.name}`{f' ({one.where})' if one.where else ''} | {one.kind}{'' if one.required else ', may be left out'} "
        f"| {one.text} |"
        for one in values
    ]
    return ["| Name | Type | Meaning |", "|---|---|---|", *rows, ""]


def _code(text: str) -> str:
    return f"`{text}`"


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"written: {PAGE}\n")


if __name__ == "__main__":
    main()

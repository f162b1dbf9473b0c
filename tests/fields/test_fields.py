"""Leukocytes in simulated fields: found, cut out, described, the same whatever the tiles."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from leuknet.errors import DataError, MissingExtraError, SettingError
from leuknet.fields import tiles
from leuknet.fields.colour import WORKING_UM, measure_colours, reduction, view_field
from leuknet.fields.cut import cut_cell
from leuknet.fields.find import find_by_stain
from leuknet.fields.finders import FINDERS, get_finder
from leuknet.fields.geojson import OutlinedCell, read_geojson, write_geojson
from leuknet.fields.normalise import STAIN_METHODS, learn_stain, recolour
from leuknet.fields.outline import box_around, mask_of, outline_of
from leuknet.fields.outlined import cells_from_outlines
from leuknet.fields.scale import scale_of
from leuknet.fields.shapes import distance_to, opened
from leuknet.fields.slides import hold_field, open_field
from leuknet.fields.tiles import colours_of, find_cells
from leuknet.simulation.draw_fields import FIELD_UM, TRUTH, TrueCell, draw_field, write_fields
from leuknet.types import CellBox, FieldScale, FoundCell, Label, Pixels

SCALE = FieldScale(FIELD_UM, "stated")


def _save(pixels: Pixels, path: Path) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[TrueCell, ...]]:
    """A field in which more than half of the cells touch another one."""
    pixels, cells = draw_field(1100, 1300, cells=14, touching_share=0.6, seed=5)
    return _save(pixels, tmp_path_factory.mktemp("field") / "field.png"), cells


@pytest.fixture(scope="module")
def found(crowded: tuple[Path, tuple[TrueCell, ...]]) -> list[FoundCell]:
    with open_field(crowded[0]) as field:
        return list(find_cells(field, SCALE))


def _overlap(one: CellBox, other: CellBox) -> float:
    """Intersection over union."""
    rows = min(one.bottom_px, other.bottom_px) - max(one.top_px, other.top_px)
    columns = min(one.right_px, other.right_px) - max(one.left_px, other.left_px)
    both = max(0, rows) * max(0, columns)
    areas = [(b.bottom_px - b.top_px) * (b.right_px - b.left_px) for b in (one, other)]
    return both / (sum(areas) - both)


def _dice(cell: FoundCell, true: TrueCell) -> float:
    canvas = np.zeros((2, 2000, 2000), bool)
    for place, (box, mask) in enumerate(((cell.box, cell.mask), (true.box, true.mask))):
        canvas[place, box.top_px : box.bottom_px, box.left_px : box.right_px] = mask
    return 2 * float((canvas[0] & canvas[1]).sum()) / float(canvas.sum())


def test_each_cell_of_a_crowded_field_is_found_once_with_its_outline(
    crowded: tuple[Path, tuple[TrueCell, ...]], found: list[FoundCell]
) -> None:
    _, true = crowded

    assert len(found) == len(true) == 14
    for one in true:
        best = max(found, key=lambda cell: _overlap(cell.box, one.box))
        assert _overlap(best.box, one.box) > 0.75
        assert _dice(best, one) > 0.9
        # The area is known: the pixels were drawn. An outline that holds the blurred rim is larger.
        assert best.area_um2 == pytest.approx(one.mask.sum() * FIELD_UM**2, rel=0.2)
        assert 0 < best.nucleus_um2 <= best.area_um2
        assert (best.nucleus & ~best.mask).sum() == 0


def test_touching_cells_are_flagged_and_lone_ones_are_not(
    crowded: tuple[Path, tuple[TrueCell, ...]], found: list[FoundCell]
) -> None:
    _, true = crowded
    alone = [
        one
        for one in true
        if all(
            other is one
            or _overlap(
                replace(
                    one.box,
                    top_px=one.box.top_px - 15,
                    left_px=one.box.left_px - 15,
                    bottom_px=one.box.bottom_px + 15,
                    right_px=one.box.right_px + 15,
                ),
                other.box,
            )
            == 0
            for other in true
        )
    ]

    flags = [max(found, key=lambda cell: _overlap(cell.box, one.box)).flags for one in alone]

    assert alone
    assert not any("touching" in one for one in flags)
    assert sum("touching" in cell.flags for cell in found) >= 6


def _identity(cell: FoundCell) -> tuple[object, ...]:
    pixels, masks = cell.pixels.tobytes(), (cell.mask.tobytes(), cell.nucleus.tobytes())
    return (cell.id, cell.box, pixels, masks, cell.area_um2, cell.flags, round(cell.sharpness, 9))


@given(tile_px=st.integers(280, 1400), threads=st.integers(2, 4))
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_cells_are_the_same_whatever_the_size_of_the_tiles_and_the_number_of_threads(
    crowded: tuple[Path, tuple[TrueCell, ...]], found: list[FoundCell], tile_px: int, threads: int
) -> None:
    with open_field(crowded[0]) as field, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "THREADS", threads)
        tiled = list(find_cells(field, SCALE, tile_px=tile_px))

    assert sorted(map(_identity, tiled)) == sorted(map(_identity, found))


def test_tiles_come_in_their_order_however_many_are_searched_at_once(
    crowded: tuple[Path, tuple[TrueCell, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = []
    for threads in (1, 3):
        monkeypatch.setattr(tiles, "THREADS", threads)
        with open_field(crowded[0]) as field:
            cells.append([cell.id for cell in find_cells(field, SCALE, tile_px=700)])

    assert cells[0] == cells[1]


def test_an_enlarged_field_at_half_the_scale_has_the_same_cells(
    found: list[FoundCell], tmp_path: Path, crowded: tuple[Path, tuple[TrueCell, ...]]
) -> None:
    picture = Image.open(crowded[0])
    large = picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.BICUBIC)
    large.save(tmp_path / "large.png")

    with open_field(tmp_path / "large.png") as field:
        again = list(find_cells(field, FieldScale(FIELD_UM / 2, "stated")))

    assert len(again) == len(found)
    areas = sorted(cell.area_um2 for cell in again), sorted(cell.area_um2 for cell in found)
    np.testing.assert_allclose(areas[0], areas[1], rtol=0.05)


def test_a_cell_cut_by_the_border_is_kept_and_flagged(
    crowded: tuple[Path, tuple[TrueCell, ...]], tmp_path: Path
) -> None:
    path, true = crowded
    box = true[0].box
    middle = (box.top_px + box.bottom_px) // 2
    cut = _save(np.asarray(Image.open(path))[middle - 20 :], tmp_path / "cut.png")

    with open_field(cut) as field:
        flags = [cell.flags for cell in find_cells(field, SCALE) if cell.box.top_px == 0]

    assert flags
    assert all("border" in one for one in flags)


def test_blur_lowers_the_sharpness_until_the_cells_are_flagged(
    crowded: tuple[Path, tuple[TrueCell, ...]], found: list[FoundCell], tmp_path: Path
) -> None:
    sharp = np.asarray(Image.open(crowded[0]))
    blurred = ndimage.gaussian_filter(sharp, (16, 16, 0))  # 1 µm

    with open_field(_save(blurred, tmp_path / "blurred.png")) as field:
        again = list(find_cells(field, SCALE))

    assert again
    assert max(cell.sharpness for cell in again) < min(cell.sharpness for cell in found)
    assert all("blurred" in cell.flags for cell in again)
    assert not any("blurred" in cell.flags for cell in found)


def test_red_cells_platelets_and_specks_are_no_leukocytes(tmp_path: Path) -> None:
    pixels, _ = draw_field(900, 900, cells=0, seed=2)
    pixels[100:112, 100:112] = (70, 30, 90)  # as dark as a nucleus, a tenth of its area

    with open_field(_save(pixels, tmp_path / "none.png")) as field:
        assert list(find_cells(field, SCALE)) == []


def test_an_image_of_one_colour_is_refused(tmp_path: Path) -> None:
    with (
        open_field(_save(np.full((64, 64, 3), 200, np.uint8), tmp_path / "plain.png")) as field,
        pytest.raises(DataError) as caught,
    ):
        list(find_cells(field, SCALE))

    assert caught.value.why == "it is of one colour only"


def test_colours_depend_neither_on_the_lamp_nor_on_the_exposure(
    crowded: tuple[Path, tuple[TrueCell, ...]], found: list[FoundCell], tmp_path: Path
) -> None:
    pixels = np.asarray(Image.open(crowded[0])).astype(np.float64)
    yellow = np.rint(pixels * (0.95, 0.9, 0.7)).astype(np.uint8)

    with open_field(_save(yellow, tmp_path / "yellow.png")) as field:
        again = list(find_cells(field, SCALE))

    assert len(again) == len(found)
    for cell in again:
        assert max(_overlap(cell.box, other.box) for other in found) > 0.9


@pytest.mark.parametrize(("um", "factor"), [(0.065, 3), (0.1, 2), (0.25, 1), (0.5, 1), (0.02, 10)])
def test_fields_are_reduced_to_about_the_working_scale(um: float, factor: int) -> None:
    assert reduction(um) == factor
    assert factor == 1 or abs(np.log(um * factor / WORKING_UM)) < np.log(1.5)


class TestCutting:
    """`cut_cell`."""

    def test_a_cut_cell_is_its_pixels_on_black(self, found: list[FoundCell]) -> None:
        cell = found[0]

        crop = cut_cell(cell, microns_per_pixel=FIELD_UM, crop_um=None)

        np.testing.assert_array_equal(crop.any(axis=2), cell.mask)
        np.testing.assert_array_equal(crop[cell.mask], np.maximum(cell.pixels[cell.mask], 1))

    def test_its_size_follows_the_scale_of_the_model(self, found: list[FoundCell]) -> None:
        cell = found[0]

        half = cut_cell(cell, microns_per_pixel=FIELD_UM, crop_um=2 * FIELD_UM)

        assert half.any(axis=2).sum() * 4 == pytest.approx(cell.mask.sum(), rel=0.03)


class TestScale:
    """`scale_of`."""

    def test_a_scale_that_nobody_states_is_an_error_with_two_ways_out(
        self, crowded: tuple[Path, tuple[TrueCell, ...]]
    ) -> None:
        with open_field(crowded[0]) as field, pytest.raises(SettingError) as caught:
            scale_of(field)

        assert caught.value.why == "the file does not state it"
        assert "--scale" in caught.value.fix
        assert "--red-cell" in caught.value.fix

    def test_a_red_cell_of_150_pixels_gives_50_nanometres_a_pixel(
        self, crowded: tuple[Path, tuple[TrueCell, ...]]
    ) -> None:
        with open_field(crowded[0]) as field:
            assert scale_of(field, red_cell_px=150) == FieldScale(0.05, "red cell")

    @pytest.mark.parametrize("stated", [0.0, -1.0, 0.001, 3.0, float("nan")])
    def test_a_scale_of_no_microscope_is_refused(
        self, crowded: tuple[Path, tuple[TrueCell, ...]], stated: float
    ) -> None:
        with open_field(crowded[0]) as field, pytest.raises(SettingError, match="must be"):
            scale_of(field, stated=stated)

    def test_a_scale_stated_twice_is_refused(self, crowded: tuple[Path, tuple[TrueCell, ...]]) -> None:
        with open_field(crowded[0]) as field, pytest.raises(SettingError, match="stated twice"):
            scale_of(field, stated=0.07, red_cell_px=100)


def ring(left: int, top: int, side: int) -> list[list[int]]:
    right, bottom = left + side, top + side
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


SQUARE = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring(10, 10, 20)]}}


def write_features(path: Path, *features: object) -> None:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


class TestOutlines:
    """Masks, outlines, GeoJSON and back."""

    def test_an_outline_gives_its_mask_back(self, found: list[FoundCell]) -> None:
        for cell in found:
            again = mask_of(outline_of(cell.mask, cell.box), cell.box)
            assert (again != cell.mask).sum() < 0.01 * cell.mask.sum()

    def test_the_outline_of_a_square_is_its_edge(self) -> None:
        box = CellBox(10, 20, 14, 26)

        outline = outline_of(np.ones((4, 6), bool), box)

        assert outline[:, 0].min() == 20
        assert outline[:, 0].max() == 26
        assert outline[:, 1].min() == 10
        assert outline[:, 1].max() == 14
        assert (outline[0] == outline[-1]).all()
        assert box_around(outline) == box

    def test_cells_survive_the_way_to_qupath_and_back(
        self, found: list[FoundCell], tmp_path: Path, crowded: tuple[Path, tuple[TrueCell, ...]]
    ) -> None:
        path = tmp_path / "cells.geojson"
        outlined = [
            OutlinedCell(cell.id, outline_of(cell.mask, cell.box), None, "ALL", {"Area µm^2": cell.area_um2})
            for cell in found
        ]

        write_geojson(outlined, path, colours={"ALL": (200, 80, 0)})
        back = read_geojson(path)

        assert [(one.name, one.kind, one.measurements) for one in back] == [
            (one.name, one.kind, one.measurements) for one in outlined
        ]
        with open_field(crowded[0]) as field:
            cells = [cell for _, cell in cells_from_outlines(field, SCALE, back, colours_of(field, FIELD_UM))]
        for cell, original in zip(cells, found, strict=True):
            assert _overlap(cell.box, original.box) > 0.97
            assert cell.area_um2 == pytest.approx(original.area_um2, rel=0.03)
            assert cell.nucleus_um2 == pytest.approx(original.nucleus_um2, rel=0.1)

    def test_features_are_as_qupath_has_them(self, tmp_path: Path) -> None:
        square = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])

        write_geojson(
            [OutlinedCell("r1", square, square / 2, "HEM")],
            tmp_path / "a.geojson",
            colours={"HEM": (1, 2, 3)},
        )

        (feature,) = json.loads((tmp_path / "a.geojson").read_text())["features"]
        assert feature["properties"]["objectType"] == "cell"
        assert feature["properties"]["classification"] == {"name": "HEM", "color": [1, 2, 3]}
        ring = feature["geometry"]["coordinates"][0]
        assert ring[0] == ring[-1] == [0.0, 0.0]
        assert feature["nucleusGeometry"]["type"] == "Polygon"

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            ("{", "cannot be read as JSON"),
            ("[]", "outlines nothing"),
            (
                '{"features": [{"geometry": {"type": "Point", "coordinates": [1, 2]}}]}',
                "outlines nothing",
            ),
            (
                '[{"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}}]',
                "outlines nothing",
            ),
            (
                '[{"geometry": {"type": "Polygon", "coordinates": [[["a", 0], [1, 1], [2, 2], [0, 0]]]}}]',
                "object 1 in it is none of GeoJSON: could not convert",
            ),
            ('[{"type": "Feature"}]', "outlines nothing"),
            ('[[{"type": "Feature"}]]', "object 1 in it is none of GeoJSON"),
            ('[{"geometry": {"type": "Polygon", "coordinates": [[[NaN, 0], [1, 1], [2, 0]]]}}]', "no place"),
            ("[" * 100_000, "cannot be read as JSON"),
        ],
    )
    def test_other_geojson_is_refused(self, tmp_path: Path, content: str, why: str) -> None:
        (tmp_path / "bad.geojson").write_text(content)

        with pytest.raises(DataError, match=why):
            read_geojson(tmp_path / "bad.geojson")

    def test_names_and_lists_of_older_versions_are_read(self, tmp_path: Path) -> None:
        ring = [[0, 0], [9, 0], [9, 9], [0, 0]]
        small = [[0, 0], [1, 0], [1, 1], [0, 0]]
        feature = {
            "id": "PathAnnotationObject",
            "geometry": {"type": "MultiPolygon", "coordinates": [[small], [ring]]},
            "properties": {
                "classification": {"names": ["blast", "large"]},
                "measurements": [{"name": "Area", "value": 3}, {"name": "odd", "value": "NaN"}],
            },
        }
        (tmp_path / "old.geojson").write_text(json.dumps([feature]))

        (cell,) = read_geojson(tmp_path / "old.geojson")

        assert cell.kind == "blast: large"
        assert cell.measurements == {"Area": 3.0}
        assert cell.outline.tolist() == ring

    @pytest.mark.parametrize(
        ("stated", "kind"),
        [
            ("blast", "blast"),
            (["blast", "large"], "blast: large"),
            ({"name": "blast", "color": [1, 2, 3]}, "blast"),
            ({"name": None}, None),
            (None, None),
            ([], None),
        ],
    )
    def test_a_class_is_read_however_it_is_written(
        self, tmp_path: Path, stated: object, kind: str | None
    ) -> None:
        write_features(tmp_path / "a.geojson", {**SQUARE, "properties": {"classification": stated}})

        (cell,) = read_geojson(tmp_path / "a.geojson")

        assert cell.kind == kind

    def test_the_area_of_a_cell_in_pieces_is_all_of_it_without_its_holes(
        self, tmp_path: Path, crowded: tuple[Path, tuple[TrueCell, ...]]
    ) -> None:
        # 20 x 20 with a hole of 10 x 10, and 10 x 10 apart: 400 - 100 + 100 px.
        pieces = [[ring(100, 100, 20), ring(105, 105, 10)], [ring(130, 100, 10)]]
        whole = {"type": "MultiPolygon", "coordinates": pieces}
        apart = [{"type": "Polygon", "coordinates": piece} for piece in pieces]
        collection = {"type": "GeometryCollection", "geometries": [*apart, {"type": "Point"}]}
        for geometry in (whole, collection):
            write_features(tmp_path / "a.geojson", {"type": "Feature", "geometry": geometry})
            outlines = read_geojson(tmp_path / "a.geojson")
            with open_field(crowded[0]) as field:
                ((_, cell),) = cells_from_outlines(field, SCALE, outlines, colours_of(field, FIELD_UM))
            assert cell.area_um2 == pytest.approx(400 * FIELD_UM**2)
            assert cell.box == CellBox(100, 100, 120, 140)

    def test_what_is_no_cell_is_left_out_and_told(self, tmp_path: Path) -> None:
        def drawn(*place: int, **properties: object) -> dict[str, object]:
            geometry = {"type": "Polygon", "coordinates": [ring(*place)]}
            return {"type": "Feature", "geometry": geometry, "properties": properties}

        empty = ({"type": "Polygon", "coordinates": []}, {"type": "MultiPolygon", "coordinates": []}, None)
        write_features(
            tmp_path / "a.geojson",
            drawn(0, 0, 500, objectType="annotation", name="region"),
            drawn(10, 10, 60, objectType="detection", name="one"),
            drawn(10, 10, 60, objectType="detection", name="again", classification="blast"),
            drawn(100, 10, 60, objectType="annotation", name="around one"),
            drawn(105, 15, 40, objectType="detection", name="one"),
            *({"type": "Feature", "geometry": geometry, "properties": None} for geometry in empty),
            {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}},
        )
        told: list[str] = []

        cells = read_geojson(tmp_path / "a.geojson", told=told)

        assert [(cell.name, cell.kind) for cell in cells] == [("one", "blast"), ("one (2)", None)]
        assert told == [
            "4 of the outlined objects left out: without an area: points, lines, empty",
            "1 of the outlined objects left out: the same shape once more",
            "2 of the outlined objects left out: drawn around other outlines",
        ]

    def test_a_cell_with_its_nucleus_is_no_region_and_two_classes_of_one_shape_are_refused(
        self, tmp_path: Path
    ) -> None:
        nucleus = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring(15, 15, 8)]}}
        write_features(tmp_path / "a.geojson", SQUARE, nucleus)
        assert len(read_geojson(tmp_path / "a.geojson")) == 2

        classed = [{**SQUARE, "properties": {"classification": name}} for name in ("blast", "normal")]
        write_features(tmp_path / "a.geojson", *classed)
        with pytest.raises(DataError, match="have one shape, and the classes 'blast' and 'normal'"):
            read_geojson(tmp_path / "a.geojson")

    @pytest.mark.parametrize("encode", [gzip.compress, lambda text: b"\xef\xbb\xbf" + text])
    def test_gzip_and_a_byte_order_mark_are_read(
        self, tmp_path: Path, encode: Callable[[bytes], bytes]
    ) -> None:
        write_features(tmp_path / "a.geojson", SQUARE)
        content = encode((tmp_path / "a.geojson").read_bytes())
        (tmp_path / "a.geojson").write_bytes(content)
        assert len(read_geojson(tmp_path / "a.geojson")) == 1

        (tmp_path / "a.geojson").write_bytes(content[:-9])
        with pytest.raises(DataError, match="cannot be read as JSON"):
            read_geojson(tmp_path / "a.geojson")

    def test_an_outline_as_large_as_a_region_is_refused(
        self, crowded: tuple[Path, tuple[TrueCell, ...]]
    ) -> None:
        region = OutlinedCell("region", np.array([[0.0, 0], [1000, 0], [1000, 900], [0, 0]]))

        with open_field(crowded[0]) as field, pytest.raises(DataError, match="65 x 58 µm"):
            list(cells_from_outlines(field, SCALE, [region], colours_of(field, FIELD_UM)))


class TestStain:
    """`learn_stain` and `recolour`."""

    @pytest.mark.parametrize("method", STAIN_METHODS)
    def test_its_own_stain_changes_nothing(self, found: list[FoundCell], method: str) -> None:
        crops = [cut_cell(cell, microns_per_pixel=FIELD_UM, crop_um=None) for cell in found[:4]]
        stain = learn_stain(crops, method)  # type: ignore[arg-type]

        again = recolour(crops[0], stain, stain)

        assert np.abs(again.astype(int) - crops[0])[crops[0].max(axis=2) > 8].mean() < 3
        assert not again[crops[0].max(axis=2) <= 8].any()

    @pytest.mark.parametrize("method", STAIN_METHODS)
    def test_the_target_stain_is_reached(self, found: list[FoundCell], method: str) -> None:
        crops = [cut_cell(cell, microns_per_pixel=FIELD_UM, crop_um=None) for cell in found[:4]]
        # The same cells under a stronger, redder stain.
        wanted = [np.rint(255 * (crop / 255) ** (1.1, 1.3, 1.5)).astype(np.uint8) for crop in crops]
        source, target = learn_stain(crops, method), learn_stain(wanted, method)  # type: ignore[arg-type]

        reached = [recolour(crop, source, target) for crop in crops]

        inside = crops[0].min(axis=2) > 20
        before = np.abs(crops[0].astype(int) - wanted[0])[inside].mean()
        after = np.abs(reached[0].astype(int) - wanted[0])[inside].mean()
        assert after < before / 4

    def test_a_black_image_has_no_stain(self) -> None:
        with pytest.raises(DataError, match="0 pixels"):
            learn_stain([np.zeros((20, 20, 3), np.uint8)], "reinhard")


class TestFinders:
    """The table of finders, and networks of others behind it."""

    def test_an_unknown_finder_is_named_with_the_known_ones(self) -> None:
        with pytest.raises(SettingError) as caught:
            get_finder("magic")

        assert caught.value.fix == f"use one of {', '.join(FINDERS)}"

    @pytest.mark.parametrize("name", ["cellpose", "stardist"])
    def test_a_network_that_is_not_installed_is_an_error_before_any_work(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(__import__("sys").modules, f"{name}.models", None)

        with pytest.raises(MissingExtraError, match=f"pip install '{name}'"):
            get_finder(name)

    @pytest.mark.parametrize("name", ["cellpose", "stardist"])
    def test_a_network_s_labels_become_cells_and_red_cells_are_left_out(
        self,
        name: str,
        monkeypatch: pytest.MonkeyPatch,
        crowded: tuple[Path, tuple[TrueCell, ...]],
        found: list[FoundCell],
    ) -> None:
        # Neither network is here: a stand-in with their interface labels all that is stained.
        from leuknet.fields import finders

        class Network:
            def eval(self, pixels: Pixels, *, diameter: float) -> tuple[Any, None, None]:
                assert 30 < diameter < 90
                return self.predict_instances(pixels)[0], None, None

            def predict_instances(self, pixels: Any) -> tuple[Any, None]:
                green = pixels[..., 1] / pixels[..., 1].max()
                return ndimage.label(green < 0.75)[0], None

        monkeypatch.setattr(finders, f"_{name}", Network)
        pixels = np.asarray(Image.open(crowded[0]))
        colours = measure_colours([pixels], FIELD_UM)

        regions = FINDERS[name](view_field(pixels, FIELD_UM, colours), colours)

        ours = find_by_stain(view_field(pixels, FIELD_UM, colours), colours)
        assert 0 < len(np.unique(regions)) - 1 <= len(found)
        both = (regions > 0) & (ours > 0)
        assert 2 * both.sum() / ((regions > 0).sum() + (ours > 0).sum()) > 0.85


class TestSimulatedFields:
    """`draw_field` and `write_fields`."""

    def test_the_same_seed_draws_the_same_field(self) -> None:
        first, cells = draw_field(700, 800, cells=3, seed=4)
        again, _ = draw_field(700, 800, cells=3, seed=4)
        other, _ = draw_field(700, 800, cells=3, seed=5)

        np.testing.assert_array_equal(first, again)
        assert (first != other).any()
        assert len(cells) == 3

    def test_the_share_of_leukaemic_cells_is_as_asked(self) -> None:
        _, none = draw_field(1500, 1500, cells=8, leukaemic_share=0, seed=1)
        _, all_of_them = draw_field(1500, 1500, cells=8, leukaemic_share=1, seed=1)

        assert {cell.label for cell in none} == {Label.NORMAL}
        assert {cell.label for cell in all_of_them} == {Label.LEUKAEMIC}

    def test_files_come_with_the_truth_and_a_mark_that_they_are_simulated(self, tmp_path: Path) -> None:
        truth = write_fields(tmp_path, 2, height_px=700, width_px=700, seed=0)

        assert truth == tmp_path / TRUTH
        lines = truth.read_text().splitlines()
        assert lines[0] == "field,top_px,left_px,bottom_px,right_px,label,touching"
        assert {line.split(",")[0] for line in lines[1:]} == {"field-01.png", "field-02.png"}
        assert (tmp_path / "simulated.json").is_file()

    def test_a_field_too_small_for_a_cell_is_refused(self) -> None:
        with pytest.raises(SettingError, match="at least 600 px"):
            draw_field(300, 900)


def test_distances_are_finite_where_there_is_nothing_to_be_distant_from() -> None:
    nothing, everything = np.zeros((3, 4), bool), np.ones((3, 4), bool)

    assert np.isfinite(distance_to(nothing)).all()
    assert distance_to(nothing).min() > 100  # beyond any pixel of this mask
    assert not distance_to(everything).any()
    assert opened(everything, 1.0).all()
    assert not opened(nothing, 1.0).any()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("um", [0.2, 0.6])
@pytest.mark.parametrize("glass", [slice(140, 150), slice(0, 6), slice(0, 1)])
def test_stain_up_to_all_edges_ends_without_a_cell(glass: slice, um: float) -> None:
    """Where a mask filled its window, distances were infinite: the search had no end or broke the process."""
    pixels = np.full((300, 300, 3), (75, 35, 120), np.uint8)
    pixels[glass, 140:150] = 235

    # 300 pixels are 60 or 180 µm, more than any cell.
    assert list(find_cells(hold_field(pixels), FieldScale(um, "stated"))) == []

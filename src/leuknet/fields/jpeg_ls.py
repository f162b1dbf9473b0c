"""Decodes JPEG-LS in DICOM for pydicom, whose own plugins for it are packages that nothing else here needs.

pydicom asks for the names below; `register` makes it do so. imagecodecs comes with the extra `slides`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

_NAME = "imagecodecs"

# Filled with pydicom's unique identifiers by `register`: pydicom itself is an extra.
DECODER_DEPENDENCIES: dict[str, tuple[str, ...]] = {}


def register() -> None:
    """Let pydicom decode JPEG-LS with imagecodecs; again does no harm."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import JPEGLSLossless, JPEGLSNearLossless

    for syntax in (JPEGLSLossless, JPEGLSNearLossless):
        decoder = get_decoder(syntax)
        DECODER_DEPENDENCIES[syntax] = (_NAME,)
        if _NAME not in decoder.available_plugins:
            decoder.add_plugin(_NAME, (__name__, "decode_frame"))


def is_available(uid: str) -> bool:
    """Whether this plugin can decode; asked by pydicom."""
    import imagecodecs

    return uid in DECODER_DEPENDENCIES and bool(imagecodecs.JPEGLS.available)


def decode_frame(source: bytes, runner: DecodeRunner) -> bytearray:
    """Return the bytes of a frame, colour by pixel; called by pydicom."""
    import imagecodecs

    if runner.samples_per_pixel > 1:
        runner.set_option("planar_configuration", 0)
    return bytearray(imagecodecs.jpegls_decode(source).tobytes())

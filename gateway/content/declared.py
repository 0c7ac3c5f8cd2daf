"""Declared types: which formats a body may have under a media type.

Every type here is one whose files always have a signature. A type that is not here is not checked; among those are
`application/octet-stream`, `text/*`, JSON, CSV, XML and SVG, which have none.
"""

from collections.abc import Mapping
from typing import Final

from gateway.content.formats import Format as F  # noqa: N817 - the table below reads as one

_ZIP: Final = (F.ZIP,)
_OFFICE: Final = (F.ZIP, F.OLE)  # a password makes an OLE file of it ([MS-OFFCRYPTO] section 2.3.4)

_GROUPS: Final[tuple[tuple[tuple[F, ...], str], ...]] = (
    ((F.PNG,), "image/png image/apng image/x-png image/vnd.mozilla.apng"),
    ((F.JPEG,), "image/jpeg image/jpg image/pjpeg"),
    ((F.GIF,), "image/gif"),
    ((F.WEBP,), "image/webp"),
    ((F.TIFF,), "image/tiff image/tif image/x-tiff image/x-canon-cr2 image/x-adobe-dng"),
    ((F.BMP,), "image/bmp image/x-bmp image/x-ms-bmp"),
    ((F.ICON,), "image/x-icon image/vnd.microsoft.icon"),
    ((F.HEIF,), "image/heic image/heic-sequence"),
    ((F.HEIF, F.AVIF), "image/heif image/heif-sequence"),  # AVIF is a kind of HEIF
    ((F.AVIF,), "image/avif image/avif-sequence"),
    ((F.JXL,), "image/jxl"),
    ((F.JP2,), "image/jp2 image/jpx image/jpm image/jpeg2000"),
    ((F.JXR,), "image/jxr image/vnd.ms-photo"),
    ((F.PSD,), "image/vnd.adobe.photoshop image/x-photoshop application/x-photoshop"),
    ((F.DWG,), "image/vnd.dwg image/x-dwg application/acad"),
    ((F.XCF,), "image/x-xcf"),
    ((F.DICOM,), "application/dicom"),
    (
        (F.ISO_MEDIA,),
        (
            "video/mp4 audio/mp4 application/mp4 video/quicktime video/x-m4v audio/x-m4a audio/m4a"
            " video/3gpp video/3gpp2 audio/3gpp audio/3gpp2"
        ),
    ),
    ((F.MATROSKA, F.WEBM), "video/x-matroska audio/x-matroska video/matroska audio/matroska"),
    ((F.WEBM,), "video/webm audio/webm"),
    ((F.AVI,), "video/x-msvideo video/avi video/msvideo video/vnd.avi"),
    ((F.ASF,), "video/x-ms-wmv video/x-ms-asf audio/x-ms-wma"),
    ((F.MPEG, F.MPEG_TS), "video/mpeg"),
    ((F.MPEG_TS,), "video/mp2t"),
    ((F.FLV,), "video/x-flv"),
    (
        (F.ID3, F.MPEG_AUDIO, F.CUT_MPEG_AUDIO, F.ADTS),
        "audio/mpeg audio/mp3 audio/x-mp3 audio/x-mpeg audio/mpeg3 audio/x-mpeg-3",
    ),
    ((F.ADTS, F.ADIF, F.ID3), "audio/aac audio/x-aac audio/aacp"),
    ((F.OGG,), "audio/ogg video/ogg application/ogg audio/opus audio/vorbis audio/x-vorbis+ogg audio/x-opus+ogg"),
    ((F.FLAC, F.ID3), "audio/flac audio/x-flac"),
    ((F.WAVE,), "audio/wav audio/x-wav audio/wave audio/vnd.wave audio/x-pn-wav"),
    ((F.AIFF,), "audio/aiff audio/x-aiff"),
    ((F.AMR,), "audio/amr audio/amr-wb"),
    ((F.MIDI,), "audio/midi audio/x-midi audio/mid"),
    ((F.PDF,), "application/pdf application/x-pdf"),
    ((F.POSTSCRIPT, F.PDF), "application/postscript application/illustrator"),  # Illustrator's files are PDF
    ((F.RTF,), "application/rtf application/x-rtf"),
    ((F.OLE, F.RTF), "application/msword"),
    ((F.OLE,), "application/vnd.ms-powerpoint application/vnd.ms-outlook application/x-ole-storage"),
    # Browsers on Windows with Excel send every .csv as this.
    ((F.OLE, F.TEXT, F.OLD_TEXT), "application/vnd.ms-excel"),
    ((F.SQLITE,), "application/x-sqlite3 application/vnd.sqlite3"),
    (
        _ZIP,
        (
            "application/zip application/x-zip-compressed application/x-zip application/java-archive"
            " application/x-java-archive application/vnd.android.package-archive application/vnd.visio2013"
            " application/x-xpinstall application/vnd.google-earth.kmz"
        ),
    ),
    ((F.TAR, F.ZEROS), "application/x-tar application/tar application/x-gtar application/x-ustar"),
    (
        (F.GZIP,),
        (
            "application/gzip application/x-gzip application/gzip-compressed application/x-tgz"
            " application/x-compressed-tar application/x-gtar-compressed"
        ),
    ),
    ((F.BZIP2,), "application/x-bzip2 application/bzip2 application/x-bzip application/x-bzip-compressed-tar"),
    ((F.XZ,), "application/x-xz application/xz application/x-xz-compressed-tar"),
    ((F.ZSTD,), "application/zstd application/x-zstd"),
    ((F.LZ4,), "application/x-lz4"),
    ((F.LZIP,), "application/x-lzip application/lzip"),
    ((F.LZOP,), "application/x-lzop"),
    ((F.COMPRESS,), "application/x-compress"),
    ((F.SEVEN_ZIP,), "application/x-7z-compressed"),
    ((F.RAR,), "application/vnd.rar application/x-rar-compressed application/x-rar"),
    ((F.CAB,), "application/vnd.ms-cab-compressed application/x-cab"),
    (
        (F.AR,),
        (
            "application/x-unix-archive application/x-archive application/x-deb application/x-debian-package"
            " application/vnd.debian.binary-package"
        ),
    ),
    ((F.RPM,), "application/x-rpm application/x-redhat-package-manager"),
    ((F.CRX,), "application/x-google-chrome-extension application/x-chrome-extension"),
    ((F.WOFF,), "font/woff"),
    ((F.WOFF2,), "font/woff2 application/font-woff2"),
    ((F.WOFF, F.WOFF2), "application/font-woff application/x-font-woff"),
    (
        (F.SFNT,),
        (
            "font/ttf font/otf font/sfnt font/collection application/font-sfnt application/x-font-ttf"
            " application/x-font-otf application/x-font-truetype application/x-font-opentype"
        ),
    ),
    ((F.EXE,), "application/vnd.microsoft.portable-executable application/x-dosexec"),
    ((F.EXE, F.OLE), "application/x-msdownload"),  # also names installers
    ((F.ELF,), "application/x-executable application/x-elf application/x-sharedlib application/x-pie-executable"),
    ((F.WASM,), "application/wasm"),
    ((F.FLASH,), "application/x-shockwave-flash application/vnd.adobe.flash.movie"),
    ((F.NES,), "application/x-nintendo-nes-rom"),
)
"""What types allow, and the types it goes for: registered, then the names that software in use gives them."""

TYPES: Final[Mapping[str, tuple[F, ...]]] = {
    essence: formats for formats, group in _GROUPS for essence in group.split()
}
"""By the lower-case essence of the type."""

UNSIGNED: Final[frozenset[str]] = frozenset(("application/octet-stream", "application/x-brotli"))
"""Types that the library has a matcher for and that are not checked: the first says nothing, and brotli streams have
no signature (RFC 7932 section 9), whatever four bytes the library looks for."""

_FAMILIES: Final[tuple[tuple[str, tuple[F, ...]], ...]] = (
    ("application/vnd.openxmlformats-officedocument.", _OFFICE),
    ("application/vnd.oasis.opendocument.", _ZIP),
    ("application/vnd.sun.xml.", _ZIP),
)


def formats_of(essence: str) -> tuple[F, ...] | None:
    """The formats that a body of the type may have; None if the type is not checked."""
    known = TYPES.get(essence)
    return known if known is not None else _by_shape(essence)


def _by_shape(essence: str) -> tuple[F, ...] | None:
    """Office documents by the stem of their name, and every type that says it is a ZIP (RFC 6839 section 3.6)."""
    if essence.endswith(("+xml", "-flat-xml")):
        return None
    if essence.endswith("+zip"):
        return _ZIP
    if essence.startswith("application/vnd.ms-") and essence.endswith(".macroenabled.12"):
        return _OFFICE
    return next((allowed for stem, allowed in _FAMILIES if essence.startswith(stem)), None)

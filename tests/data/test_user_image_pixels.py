"""Images of users in a directory: every kind of file, with pixels checked by hand, is brought to one size and one scale."""

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from interp import data
from tests.data.image_files import RED, plain, save


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERP_CACHE_DIR", str(tmp_path / "cache"))


def one_image(root: Path, rules: dict[str, Any] | None = None, *, label: int = 0) -> np.ndarray:
    """The only test image of a class, as bytes."""
    test = data.load(root, "test", **(rules or {}))
    [row] = np.flatnonzero(test.labels == label)
    return np.asarray(np.round(test.images[row] * 255), np.uint8)


def test_every_kind_of_file_as_colour(tmp_path: Path) -> None:
    """2 x 2 pixels, so that each value can be written down."""
    root = tmp_path / "kinds"
    four = np.array([[0, 50], [100, 255]], np.uint8)
    save(root / "test/a-grey/x.png", Image.fromarray(four))
    transparent = np.array([[[255, 0, 0, 255], [0, 0, 0, 0]], [[0, 0, 0, 51], [0, 255, 0, 255]]], np.uint8)
    save(root / "test/b-alpha/x.png", Image.fromarray(transparent))
    palette = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8))
    palette.putpalette([10, 20, 30, 200, 100, 0])
    save(root / "test/c-palette/x.png", palette)
    save(root / "test/d-sixteen/x.png", Image.fromarray(np.array([[0, 255], [256, 65535]], np.uint16)))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    turned = np.array([[[1, 0, 0], [2, 0, 0]], [[3, 0, 0], [4, 0, 0]]], np.uint8)
    save(root / "test/e-turned/x.png", Image.fromarray(turned), exif=exif)
    save(root / "test/f-two-levels/x.png", Image.fromarray(np.array([[True, False], [False, True]])))
    found = data.find_dataset(root)
    assert (found.shape, found.classes, found.name) == ((2, 2, 3), 6, "kinds")
    np.testing.assert_array_equal(one_image(root, label=0), np.repeat(four[..., None], 3, -1))
    # Transparent black is white; black that is opaque by a fifth, 51/255, leaves four fifths of white, 204.
    alpha = one_image(root, label=1)
    assert alpha.tolist() == [[[255, 0, 0], [255, 255, 255]], [[204, 204, 204], [0, 255, 0]]]
    assert one_image(root, label=2).tolist() == [[[10, 20, 30], [200, 100, 0]], [[200, 100, 0], [10, 20, 30]]]
    assert one_image(root, label=3)[..., 0].tolist() == [[0, 0], [1, 255]]
    assert one_image(root, label=4)[..., 0].tolist() == [[3, 1], [4, 2]]
    assert one_image(root, label=5)[..., 2].tolist() == [[255, 0], [0, 255]]
    images = data.load(root, "test").images
    assert isinstance(images, data.ScaledPixels)
    assert images[:].dtype == np.float32


def test_a_set_all_grey_has_one_channel(tmp_path: Path) -> None:
    root = tmp_path / "grey"
    plain(root / "test/a/x.png", 7, mode="L")
    plain(root / "test/b/x.png", (9, 255), mode="LA")
    found = data.find_dataset(root)
    assert (found.shape, found.epsilons, found.usual_radius) == ((4, 4, 1), data.find_dataset("digits").epsilons, 0.1)
    assert {one_image(root, label=label).max() for label in (0, 1)} == {7, 9}


def test_channels_are_those_that_are_asked_for(tmp_path: Path) -> None:
    """A model with weights for three channels takes grey pictures, one for grey levels takes colours."""
    plain(tmp_path / "grey/test/a/x.png", 90, mode="L")
    plain(tmp_path / "grey/test/b/x.png", 120, mode="L")
    plain(tmp_path / "red/test/a/x.png", RED)
    plain(tmp_path / "red/test/b/x.png", (0, 0, 0))
    assert data.find_dataset(tmp_path / "grey").shape[2] == 1
    three = data.load(tmp_path / "grey", "test", color_mode="rgb")
    assert three.images.shape[-1] == 3
    assert set(np.unique(np.round(np.asarray(three.images) * 255))) == {90, 120}
    assert three.source.endswith(", as rgb")
    one = data.load(tmp_path / "red", "test", color_mode="grayscale")
    # Luma of BT.601: .299 of red.
    assert sorted(np.unique(np.round(np.asarray(one.images) * 255))) == [0, 76]
    assert data.load(tmp_path / "red", "test").image_shape[2] == 1, "as it was last asked for"
    assert data.load(tmp_path / "red", "test", color_mode="rgb").image_shape[2] == 3


def test_a_turned_file_has_the_size_it_is_shown_with(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    save(tmp_path / "set/test/a/x.jpg", Image.new("RGB", (6, 4)), exif=exif)
    plain(tmp_path / "set/test/b/x.jpg", RED, (4, 6))
    assert data.find_dataset(tmp_path / "set").shape == (6, 4, 3)


@pytest.mark.parametrize("settings", [{}, {"compression": "tiff_lzw"}])
def test_a_turned_tiff_file_is_not_turned_twice(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Images came cut and resized to the size before the turn, without a word."""
    exif = Image.Exif()
    exif[0x0112] = 8
    stored = np.random.RandomState(0).randint(0, 256, (4, 6, 3), np.uint8)
    for label in ("a", "b"):
        save(tmp_path / "set/test" / label / "x.tif", Image.fromarray(stored), exif=exif, **settings)
    found = data.load(tmp_path / "set", "test")
    np.testing.assert_array_equal(np.round(255 * np.asarray(found.images)), np.stack([np.rot90(stored)] * 2))


def test_sizes_are_brought_to_one(tmp_path: Path, refuses: Any) -> None:
    """Four columns: red, green, green, blue. The centred square is green; the whole, distorted, is not."""
    root, wide = tmp_path / "sizes", np.zeros((2, 4, 3), np.uint8)
    wide[:, 0, 0] = wide[:, 1:3, 1] = wide[:, 3, 2] = 255
    save(root / "test/a/x.png", Image.fromarray(wide))
    plain(root / "test/b/x.png", RED, (2, 2))
    refuses(lambda: data.load(root, "test"), "2x2 to 2x4", "--image-size 2,2")
    square = one_image(root, {"image_size": 2})
    assert (square == [0, 255, 0]).all()
    # The left of two pixels lies at 1 of 4: a triangle of half-width 2 weighs the columns 3, 3, 1 and 0 sevenths.
    distorted = one_image(root, {"image_size": (2, 2), "crop": "none"})
    np.testing.assert_allclose(distorted[0], [[255 * 3 / 7, 255 * 4 / 7, 0], [0, 255 * 4 / 7, 255 * 3 / 7]], atol=1)
    assert one_image(root, {"image_size": (1, 2), "crop": "center"}).shape == (1, 2, 3)
    assert "brought to 1x2 (crop center)" in data.load(root, "test").source


def test_sixteen_bits_that_hold_fewer_are_refused(tmp_path: Path, refuses: Any) -> None:
    for label, brightest in (("a", 65535), ("b", 4095)):
        levels = np.array([[0, 255], [256, brightest]], np.uint16)
        save(tmp_path / "set/test" / label / "x.png", Image.fromarray(levels))
    refuses(lambda: data.load(tmp_path / "set", "test"), "b/x.png", "go up to 4095 only", "0..65535")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_sixteen_bits_that_hold_fewer_are_refused(
    tmp_path: Path, refuses: Any, suffix: str, channels: int
) -> None:
    """They came nearly black, without a word; Pillow writes no such files."""
    for label, brightest in (("a", 65535), ("b", 4095)):
        colours = np.zeros((2, 2, channels), np.uint16)
        colours[0, 1, 0], colours[..., 3:] = brightest, 65535
        (tmp_path / "set/test" / label).mkdir(parents=True)
        assert cv2.imwrite(str(tmp_path / "set/test" / label / f"x{suffix}"), colours)
    refuses(lambda: data.load(tmp_path / "set", "test"), f"b/x{suffix}", "go up to 4095 only", "0..65535")


def test_a_black_image_of_sixteen_bits_is_black(tmp_path: Path) -> None:
    for label, brightest in (("a", 65535), ("b", 0)):
        save(tmp_path / "set/test" / label / "x.png", Image.fromarray(np.full((2, 2), brightest, np.uint16)))
    assert one_image(tmp_path / "set", label=1).max() == 0


def test_black_colours_of_sixteen_bits_are_black(tmp_path: Path, refuses: Any) -> None:
    """They were said to hold 8 bits; a drawing in black on nothing is such a file, too."""
    black, drawn, dark = (np.zeros((2, 2, channels), np.uint16) for channels in (3, 4, 3))
    drawn[0, 0, 3], dark[0, 0] = 65535, 200
    for label, colours in (("a", black), ("b", drawn)):
        (tmp_path / "set/test" / label).mkdir(parents=True)
        assert cv2.imwrite(str(tmp_path / "set/test" / label / "x.png"), colours)
    assert one_image(tmp_path / "set", label=0).max() == 0
    assert one_image(tmp_path / "set", label=1)[..., 0].tolist() == [[0, 255], [255, 255]]
    assert cv2.imwrite(str(tmp_path / "set/test/a/x.png"), dark)
    refuses(lambda: data.load(tmp_path / "set", "test"), "a/x.png", "go up to 200 only")


def test_a_tiff_file_whose_zero_is_white(tmp_path: Path) -> None:
    """Of 16 bits it came as its negative, without a word; Pillow writes no such files, so the tag is changed."""
    for label, dtype in (("a", np.uint8), ("b", np.uint16)):
        path = tmp_path / "set/test" / label / "x.tif"
        save(path, Image.fromarray(np.array([[0, np.iinfo(dtype).max]], dtype)))
        tag, zero_is_black = struct.pack("<HHI", 262, 3, 1), struct.pack("<H", 1)
        assert path.read_bytes().count(tag + zero_is_black) == 1
        path.write_bytes(path.read_bytes().replace(tag + zero_is_black, tag + struct.pack("<H", 0)))
    assert [one_image(tmp_path / "set", label=label).ravel().tolist() for label in (0, 1)] == [[255, 0], [255, 0]]


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_signed_numbers_are_refused(tmp_path: Path, refuses: Any, kind: type) -> None:
    """Up to 32767 they came at half of their brightness."""
    path = tmp_path / "set/test/a/x.tif"
    path.parent.mkdir(parents=True)
    tifffile.imwrite(path, np.full((2, 2), np.iinfo(kind).max, kind))
    plain(tmp_path / "set/test/b/x.png", 0, (2, 2), "L")
    refuses(lambda: data.load(tmp_path / "set", "test"), "a/x.tif", "signed numbers")


def test_transparency_of_grey_levels_of_sixteen_bits(tmp_path: Path) -> None:
    """The level that stands for transparency was a level like others; levels with transparency made a grey set one in colour."""
    levels = np.array([[5000, 60000]], ">u2")
    with_alpha = np.array([[[5000, 0], [60000, 65535]]], ">u2")
    write_png(tmp_path / "set/test/a/x.png", levels, 0, transparent=struct.pack(">H", 5000))
    write_png(tmp_path / "set/test/b/x.png", with_alpha, 4)
    assert data.find_dataset(tmp_path / "set").shape == (1, 2, 1)
    assert [one_image(tmp_path / "set", label=label).ravel().tolist() for label in (0, 1)] == [[255, 234], [255, 234]]


def write_png(path: Path, levels: np.ndarray, kind: int, *, transparent: bytes = b"") -> None:
    """A PNG file of 16 bits, of a kind of colours by its number, which Pillow cannot write."""

    def part(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    height, width = levels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    parts = [part(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))]
    parts += [part(b"tRNS", transparent)] if transparent else []
    parts += [part(b"IDAT", zlib.compress(rows)), part(b"IEND", b"")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))

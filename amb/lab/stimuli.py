"""Stimuli as the pictures that a rig shows: candidates, reference images, blanks."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from amb.contracts.generator import Generator, Grid
from amb.errors import CandidateError, LabError
from amb.foreign import contained, in_a_line
from amb.lab.experiment import Experiment, Screen
from amb.lab.history import BLANK, History, fold, reference_name
from amb.reports.images import as_picture
from amb.spec import user_path
from amb.study.untrusted import MEBIBYTE, read_bytes

FOLDER = "references"
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF")  # whatever a file is called: Pillow runs a program for others
LARGEST_PIXELS = 100_000_000
LARGEST = 256 * MEBIBYTE
"""Bytes of a picture: more than one of 8,192 x 8,192 pixels that cannot be compressed."""

Picture = NDArray[np.uint8]


def reference_files(folder: Path) -> dict[str, Path]:
    """The user's reference images, by the names of their stimuli.

    Raises:
        LabError: the names of two files differ in their suffix or case only, or one has a line break, or the folder
            cannot be read.
        SpecError: a name is not UTF-8, or too long.
    """
    files: dict[str, Path] = {}
    folded: dict[str, Path] = {}
    for path in _images(folder / FOLDER):
        name = reference_name(path.stem)
        other = folded.setdefault(fold(name), path)
        if other != path:
            raise LabError(f"pictures of {other} and {path} would have one name, {name}: rename one of them")
        files[name] = path
    return files


def refuse_shared_names(experiment: Experiment, references: Mapping[str, Path]) -> None:
    """Refuse reference images that a candidate would share its name with, and so its picture.

    Args:
        experiment: whose searches name their candidates.
        references: see `reference_files`.

    Raises:
        LabError: there is one.
    """
    searches = {fold(search.name): search.name for search in experiment.searches}
    for name, path in references.items():
        search, _, number = fold(name).rpartition("-")
        if search in searches and number.isdecimal() and len(number) >= 4:
            raise LabError(
                f"the picture of {path.name} would be called {name}, as a candidate of search {searches[search]} may "
                "be; rename the image"
            )


def _images(path: Path) -> list[Path]:
    """The image files of a folder, by name, or the one that the path is; none if there is nothing.

    Raises:
        LabError: the folder cannot be read, or a name has a line break.
        SpecError: a name is not UTF-8, or too long.
    """
    try:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
    except OSError as cause:
        raise LabError(f"cannot read {path}: {cause.strerror or cause}") from cause
    images = [p for p in inside if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    for image in images:
        user_path(image)  # their names are those of stimuli
        if {"\n", "\r"} & {*image.name}:
            raise LabError(f"the name of the image {image} has a line break, which parts rows of tables; rename it")
    return images


def images_in(paths: Sequence[Path]) -> list[Path]:
    """Image files among files and folders, in order.

    Raises:
        LabError: a path does not exist, is not an image, or a folder holds none or cannot be read.
    """
    found: list[Path] = []
    for path in paths:
        images = [p for p in _images(path) if os.path.isfile(p)]
        if not images:
            what = "holds no image" if path.is_dir() else "is not an image" if path.exists() else "does not exist"
            raise LabError(f"{path} {what}; expected {', '.join(SUFFIXES)}")
        found += images
    return found


def content_hash(path: Path) -> str:
    """A hash that tells whether a reference image was replaced.

    Raises:
        LabError: the file cannot be read.
    """
    return hashlib.sha256(image_bytes(path)).hexdigest()[:16]


def image_bytes(path: Path) -> bytes:
    """The content of an image file.

    Raises:
        LabError: it cannot be read, is no regular file (of a pipe one would wait without end), or is too large.
    """
    try:
        return read_bytes(path, LARGEST, links=True)
    except OSError as cause:
        raise LabError(f"cannot read {path}: {cause.strerror or cause}") from cause


def read_image(path: Path, background: tuple[int, ...] = (0, 0, 0)) -> Image.Image:
    """The image in a file, in RGB and upright, as viewers show it.

    Args:
        path: the file.
        background: what is seen through it where it is transparent: red, green and blue from 0 to 255.

    Raises:
        LabError: it cannot be read, or has too many pixels, or more than 8 bits for a grey value.
    """
    content = image_bytes(path)
    try:
        with catch_warnings():
            simplefilter("ignore")  # of sizes, which are refused here, and of damaged notes of cameras
            with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
                if picture.width * picture.height > LARGEST_PIXELS:
                    raise LabError(f"{path} has {picture.width} x {picture.height} pixels; make it smaller")
                if picture.mode[0] in "IF":  # Pillow would cut every value above 255 to 255
                    raise LabError(
                        f"cannot show the image {path}: its values are integers of 16 or 32 bits or floating point "
                        f"(mode {picture.mode}); save it with 8 bits per channel"
                    )
                upright = ImageOps.exif_transpose(picture)
                if upright.has_transparency_data:
                    ground = Image.new("RGBA", upright.size, background)
                    upright = Image.alpha_composite(ground, upright.convert("RGBA"))
                return upright.convert("RGB")
    except LabError:
        raise
    except UnidentifiedImageError as cause:
        raise LabError(f"cannot read the image {path}: it is none of type {', '.join(_FORMATS)}") from cause
    except Exception as cause:  # Pillow's readers raise whatever damage leads to
        raise LabError(f"cannot read the image {path}: {in_a_line(cause)}") from cause


class Pictures:
    """Draws the stimuli of an experiment."""

    def __init__(self, screen: Screen, generator: Generator, grid: Grid, references: Mapping[str, Path]) -> None:
        self._screen = screen
        self._generator = generator
        self._grid = grid
        self._references = references

    def draw(self, names: Sequence[str], history: History) -> Mapping[str, Picture]:
        """The pictures of some stimuli, uint8[height, width, 3] each, made when they are looked up, and not kept.

        Raises:
            LabError: a reference image cannot be read, or is not the one that was presented under its name, or a
                candidate is none of the generator's grid. Looking one up raises it, too.
        """
        candidates = [name for name in names if name in history.candidates]
        images: dict[str, Picture] = {}
        if candidates:
            try:
                levels = self._grid.space.check([history.candidates[name].levels for name in candidates])
            except CandidateError as cause:
                raise LabError(f"the journal is of another generator or grid ({cause}); restore it") from cause
            with contained():
                found = self._generator.images(self._grid.latents(levels))
            images = dict(zip(candidates, found, strict=True))
        makers: dict[str, Callable[[], Picture]] = {}
        for name in names:
            if name == BLANK.stimulus:
                makers[name] = self._blank
            elif name in images:
                makers[name] = partial(self._framed, images[name])
            else:
                makers[name] = partial(self._reference, self._path_of(name, history.references.get(name)))
        return _Drawn(makers)

    def _blank(self) -> Picture:
        return np.asarray(self._ground())

    def _framed(self, image: Picture) -> Picture:
        return self._placed(as_picture(image))

    def _placed(self, picture: Image.Image) -> Picture:
        """A picture, its central square enlarged to the size of the stimulus, on the background."""
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side))
        size = self._screen.size
        way = Image.Resampling[self._screen.resampling.upper()]
        enlarged = square if side == size else square.resize((size, size), way)
        ground = self._ground()
        ground.paste(enlarged, ((self._screen.width - size) // 2, (self._screen.height - size) // 2))
        return np.asarray(ground)

    def _ground(self) -> Image.Image:
        return Image.new("RGB", (self._screen.width, self._screen.height), self._background())

    def _background(self) -> tuple[int, ...]:
        colour = self._screen.background
        return (colour,) * 3 if isinstance(colour, int) else tuple(colour)

    def _path_of(self, name: str, expected: str | None) -> Path:
        path = self._references.get(name)
        if path is None:
            raise LabError(f"the image of {name} is no longer in {FOLDER}/; put it back")
        if expected is not None and content_hash(path) != expected:
            raise LabError(f"{path} is not the image that was presented before as {name}; give the new one a new name")
        return path

    def _reference(self, path: Path) -> Picture:
        return self._placed(read_image(path, self._background()))


class _Drawn(Mapping[str, Picture]):
    """Pictures that are made each time when they are looked up."""

    def __init__(self, makers: Mapping[str, Callable[[], Picture]]) -> None:
        self._makers = makers

    def __getitem__(self, name: str) -> Picture:
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def png(picture: Picture) -> bytes:
    """A picture as the content of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture, "RGB").save(buffer, "PNG")
    return buffer.getvalue()

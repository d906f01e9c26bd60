"""How a most exciting input evolved during its search: frames, and a GIF or MP4 of them."""

from numbers import Real
from pathlib import Path

import numpy as np

from amb.contracts import asking
from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.space import IntArray
from amb.errors import DataError, SpecError, StudyError
from amb.reports.images import as_picture, encoded
from amb.spec import user_path
from amb.study.durable import write_whole
from amb.study.runs import RunRecord, Trace, improvements

SIDE = 256
"""Side of a frame in a file, in pixels: images are enlarged without smoothing."""
STILL = 6
"""How many frames the last image stays."""
SHORTEST = 0.01
"""Seconds that a frame of a GIF takes at least."""
LONGEST = 600.0
"""Seconds that an animation takes at most: the format has 16 bits for hundredths, and equal frames become one."""


def frames_of(trace: Trace, most: int) -> IntArray:
    """Queries, from 0, at which a trace improved and whose candidates are known: at most `most`, evenly chosen.

    The first and the last improvement are among them.
    """
    rows = improvements(trace.values)
    rows = rows[trace.kept[rows]]
    if len(rows) > most:
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))]
    return rows


def evolution_of(problem: Problem, record: RunRecord, trace: Trace, most: int = 24) -> tuple[IntArray, UInt8Array]:
    """Queries, from 1, at which a run improved, and their images, uint8[frames, h, w, c]; the last is its result.

    Raises:
        StudyError: the run recommends nothing.
    """
    if not record.recommended:
        raise StudyError(f"{record.plan.name} recommends nothing, so there is no evolution to show")
    rows = frames_of(trace, most - 1)
    return np.append(rows + 1, record.queries), asking.images(problem, candidates_of(record, trace, rows))


def candidates_of(record: RunRecord, trace: Trace, rows: IntArray) -> IntArray:
    """The candidates of an evolution, int64[rows + 1, d]: those of queries of its run, from 0, then its result."""
    return np.concatenate([trace.candidates[rows], np.array([record.recommended], np.int64)])


def check_animation(file: str | Path) -> Path:
    """The file of an animation, refused before any work if it cannot be one.

    Raises:
        DataError: a suffix other than .gif and .mp4, a folder, or an .mp4 without ffmpeg.
    """
    file = user_path(file)
    if file.suffix.lower() not in (".gif", ".mp4"):
        raise DataError(f"cannot write {file}: an animation is a .gif or an .mp4 file")
    if file.is_dir():
        raise DataError(f"cannot write {file}: it is a folder")
    if file.suffix.lower() == ".mp4":
        from matplotlib.animation import FFMpegWriter

        if not FFMpegWriter.isAvailable():
            raise DataError("cannot write an .mp4: ffmpeg is not installed; install it, or write a .gif")
    return file


def animate(images: UInt8Array, file: str | Path, *, seconds: float = 0.25) -> Path:
    """Write images as an animation: a GIF, or an MP4 where matplotlib finds ffmpeg.

    Args:
        images: uint8[frames, h, w, c], one image or more.
        file: its suffix, .gif or .mp4, chooses the format.
        seconds: for each frame, from 0.01; the last one stays longer. All of them take at most ten minutes.

    Raises:
        DataError: another suffix, no ffmpeg, or the file cannot be written.
        SpecError: no such images, or another number of seconds.
    """
    file = check_animation(file)
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape:
        shape = list(images.shape)
        raise SpecError(f"an animation takes images uint8 [frames, h, w, c], one or more, not {images.dtype} {shape}")
    longest = LONGEST / (len(images) + STILL)
    if not isinstance(seconds, Real) or not SHORTEST <= seconds <= longest:
        raise SpecError(
            f"seconds must be a number from {SHORTEST} to {longest:.3g} for {len(images)} images, got {seconds!r:.80}"
        )
    pictures = [as_picture(image) for image in images]
    scale = max(1, SIDE // max(pictures[0].size))
    large = [picture.resize((scale * picture.width, scale * picture.height), 0) for picture in pictures]
    large += [large[-1]] * STILL
    try:
        if file.suffix.lower() == ".gif":
            options = {"duration": round(1000 * seconds), "loop": 0, "optimize": False}
            content = encoded(large[0], file, save_all=True, append_images=large[1:], **options)
            write_whole(file, content, error=None)
        else:
            frames = [np.asarray(picture) for picture in large]
            write_whole(file, lambda place: _write_mp4(frames, place, 1 / seconds), error=None)
    except OSError as cause:
        raise DataError(f"cannot write {file}: {cause.strerror or cause}") from cause
    return file


def _write_mp4(frames: list[np.ndarray], file: Path, rate: float) -> None:
    from matplotlib.animation import FFMpegWriter
    from matplotlib.figure import Figure

    figure = Figure(figsize=(frames[0].shape[1] / 100, frames[0].shape[0] / 100), dpi=100)
    shown = figure.add_axes((0, 0, 1, 1))
    shown.axis("off")
    artist = shown.imshow(frames[0])
    extra_args = ["-f", "mp4"]  # the name does not say it
    writer = FFMpegWriter(fps=rate, extra_args=extra_args)  # type: ignore[arg-type] # ffmpeg takes fractions
    with writer.saving(figure, str(file), 100):
        for frame in frames:
            artist.set_data(frame)
            writer.grab_frame()

"""The fifteen corruptions of MNIST-C (Mu and Gilmer, 2019), written anew from their parameters.

Each takes a grey image (H, W) in [0, 1] and a random generator, some also a severity whose
published value stands in the table CORRUPTIONS. Not bit by bit the published files: the random
draws are others, and images of any size are taken.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from skimage import feature, filters, transform, util

Generator = np.random.Generator

LINE_WIDTH = 2.3  # of the falloff log(1 - d / 2.3) + 1


def brightness(image: np.ndarray, rng: Generator, added: float) -> np.ndarray:
    """All pixels brighter."""
    return image + added


def canny_edges(image: np.ndarray, rng: Generator) -> np.ndarray:
    """Only the edges."""
    return feature.canny(image, sigma=1).astype(float)


def dotted_line(image: np.ndarray, rng: Generator) -> np.ndarray:
    """A dotted line from left to right: two columns without it, two with it; the last is empty."""
    height, width = image.shape
    line = _line(image.shape, 0, rng.integers(height - 1), width - 1, rng.integers(height - 1))
    line[:, np.arange(width) // 2 % 2 == 0] = 0
    return image + line


def zigzag(image: np.ndarray, rng: Generator) -> np.ndarray:
    """A zigzag line from left to right, two pixels up and down."""
    height, width = image.shape
    left, right = 2.0, width - 3.0
    begin = rng.integers(height - 1)
    angle = math.atan2(rng.integers(-5, 5), right - left)
    along, across = _zigzag((right - left) / math.cos(angle))
    columns = left + along * math.cos(angle) - across * math.sin(angle)
    rows = begin + along * math.sin(angle) + across * math.cos(angle)
    corners = list(zip(columns, rows, strict=True))
    pieces = [_line(image.shape, *a, *b) for a, b in itertools.pairwise(corners)]
    return image + np.clip(sum(pieces), 0, 1)


def fog(image: np.ndarray, rng: Generator, density: float) -> np.ndarray:
    """Clouds in front; contrast falls as they get denser."""
    height, width = image.shape
    size = 2 ** max(8, math.ceil(math.log2(max(height, width))))
    foggy = image + density * _clouds(size, rng, decay=1.4)[:height, :width]
    return foggy * image.max() / (image.max() + density)


def glass_blur(image: np.ndarray, rng: Generator) -> np.ndarray:
    """Half of the pixels trade places with a neighbour, twice, between two blurs.

    Blurred along columns only and cut to whole grey levels after the first blur, as the published
    images are.
    """
    image = np.floor(255 * filters.gaussian(image, sigma=(0.7, 0))) / 255
    height, width = image.shape
    for _ in range(2):
        moves = rng.integers(-1, 1, (height, width, 2))
        moves[rng.random((height, width)) < 0.5] = 0  # stays where it is
        for row in range(height - 1, 1, -1):
            for column in range(width - 1, 1, -1):
                there = row + moves[row, column, 0], column + moves[row, column, 1]
                image[row, column], image[there] = image[there], image[row, column]
    return filters.gaussian(image, sigma=(0.7, 0))


def impulse_noise(image: np.ndarray, rng: Generator, share: float) -> np.ndarray:
    """A share of the pixels black or white."""
    return util.random_noise(image, mode="s&p", amount=share, rng=rng)


def motion_blur(image: np.ndarray, rng: Generator) -> np.ndarray:
    """Smeared in one direction: half a Gaussian of 21 pixels, at most 45 degrees from the rows."""
    angle = math.radians(rng.uniform(-45, 45))
    weights = np.exp(-np.square(np.arange(21)) / (2 * 3.0**2))
    height, width = image.shape
    padded = np.pad(image, 21, mode="edge")
    blurred = np.zeros_like(image)
    for distance, weight in enumerate(weights / weights.sum()):
        down, right = round(distance * math.sin(angle)), round(distance * math.cos(angle))
        blurred += weight * padded[21 + down :, 21 + right :][:height, :width]
    return blurred


def rotate(image: np.ndarray, rng: Generator, angle: float) -> np.ndarray:
    """Turned about the centre, either way."""
    angle *= rng.choice((-1, 1))
    turn = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    return _warp(image, turn)


def scale(image: np.ndarray, rng: Generator, factor: float) -> np.ndarray:
    """Smaller."""
    return _warp(image, [[1 / factor, 0], [0, 1 / factor]])


def shear(image: np.ndarray, rng: Generator, angle: float) -> np.ndarray:
    """Slanted, either way."""
    angle *= rng.choice((-1, 1))
    return _warp(image, [[1, -math.sin(angle)], [0, math.cos(angle)]])


def shot_noise(image: np.ndarray, rng: Generator, photons: float) -> np.ndarray:
    """So few photons that their number varies."""
    return rng.poisson(image * photons) / photons


def spatter(image: np.ndarray, rng: Generator) -> np.ndarray:
    """Dark grey drops."""
    liquid = filters.gaussian(rng.normal(0.65, 0.3, image.shape), sigma=1)
    drops = filters.gaussian((liquid > 0.65).astype(float), sigma=1.5)
    drops[drops < 0.8] = 0
    return image * (1 - drops) + 63 / 255 * drops


def stripe(image: np.ndarray, rng: Generator) -> np.ndarray:
    """The outer quarters of the columns inverted."""
    result, quarter = image.copy(), image.shape[1] // 4
    for part in (np.s_[:, :quarter], np.s_[:, -quarter:]):
        result[part] = 1 - image[part]
    return result


def translate(image: np.ndarray, rng: Generator, pixels: float) -> np.ndarray:
    """Moved along both axes, either way."""
    return _warp(image, np.eye(2), shift=pixels * rng.choice((-1, 1), 2))


def _line(
    shape: tuple[int, int], column: float, row: float, to_column: float, to_row: float
) -> np.ndarray:
    """A soft line between two points, 1 on it and 0 from one and a half pixels above or below."""
    if to_column <= column:
        return np.zeros(shape)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    middle = row + (to_row - row) / (to_column - column) * (columns - column)
    distance = np.minimum(np.abs(rows - middle), LINE_WIDTH * (1 - 1e-9))
    line = np.clip(np.log(1 - distance / LINE_WIDTH) + 1, 0, 1)
    line[:, : math.floor(column)] = 0
    line[:, math.ceil(to_column) :] = 0
    return line


def _zigzag(length: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a zigzag: along its axis (n,), of this length, and across it (n,), in pixels.

    A peak every four pixels. Its end lies off the axis, on the side of the last peak, by this
    peak's height over twice what the length has beyond whole periods, as in the published code; but
    at most as far as a peak, which changes nothing for 28 columns.
    """
    step = height = 2.0
    peaks = np.arange(int((length - step) // (2 * step)) + 1)
    along, across = (2 * peaks + 1) * step, height * (-1.0) ** peaks
    rest = length % (2 * step)
    if rest:
        along = np.append(along, length)
        across = np.append(across, across[-1:] / max(2 * rest, 1))
    return np.append(0, along), np.append(0, across)


def _warp(image: np.ndarray, linear: list, shift: np.ndarray | tuple = (0.0, 0.0)) -> np.ndarray:
    """Each pixel from where a linear map about the centre, then a shift, takes it; black outside.

    Coordinates are (column, row).
    """
    center = (np.array(image.shape[::-1]) - 1) / 2
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = center - matrix[:2, :2] @ center + shift
    return transform.warp(image, transform.AffineTransform(matrix=matrix))


def _clouds(size: int, rng: Generator, decay: float) -> np.ndarray:
    """Plasma fractal in [0, 1] by diamonds and squares on a torus; size a power of two."""
    field = np.zeros((size, size))
    step, wobble = size, 100.0

    def noisy(total: np.ndarray) -> np.ndarray:
        return total / 4 + rng.uniform(-(wobble**2), wobble**2, total.shape)

    while step >= 2:
        half = step // 2
        corners = field[::step, ::step]
        squares = corners + np.roll(corners, -1, axis=0)
        field[half::step, half::step] = noisy(squares + np.roll(squares, -1, axis=1))
        middles = field[half::step, half::step]
        rows = middles + np.roll(middles, 1, axis=0) + corners + np.roll(corners, -1, axis=1)
        field[::step, half::step] = noisy(rows)
        columns = middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=0)
        field[half::step, ::step] = noisy(columns)
        step, wobble = half, wobble / decay
    field -= field.min()
    return field / field.max()

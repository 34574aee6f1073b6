"""Seconds, metres and speeds; nothing else in the project converts between them."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

SECONDS_PER_MINUTE = 60.0
METRES_PER_KM = 1000.0
KM_PER_MILE = 1.609344
SECONDS_PER_HOUR = 3600.0

TIME_TOLERANCE_S = 1e-6
"""A time counts as within its threshold up to this much above it.

Thresholds are inclusive (t <= T), and the sum of many floating-point edge times that is 900 s on paper
may come out as 900.0000000001 s. A microsecond is about a micrometre on foot.
"""


def minutes_to_s(minutes: float) -> float:
    """Return `minutes` in seconds."""
    return minutes * SECONDS_PER_MINUTE


def speed_m_per_s(kmh: float) -> float:
    """Return a speed given in km/h in metres per second."""
    return kmh * METRES_PER_KM / SECONDS_PER_HOUR


def travel_time_s(length_m: float | FloatArray, kmh: float | FloatArray) -> FloatArray:
    """Return the time in seconds to cover `length_m` metres at `kmh` kilometres per hour.

    The order of the operations is chosen so that 1000 m at 4 km/h is 900 s exactly.
    """
    return np.asarray(length_m, dtype=np.float64) * (SECONDS_PER_HOUR / METRES_PER_KM) / np.asarray(kmh, np.float64)


def distance_m(time_s: float | FloatArray, kmh: float | FloatArray) -> FloatArray:
    """Return the distance in metres covered in `time_s` seconds at `kmh` kilometres per hour."""
    return np.asarray(time_s, dtype=np.float64) * np.asarray(kmh, np.float64) / (SECONDS_PER_HOUR / METRES_PER_KM)


def m2_to_km2(area_m2: FloatArray) -> FloatArray:
    """Return an area in square metres in square kilometres."""
    return area_m2 / METRES_PER_KM**2


def within(time_s: FloatArray, threshold_s: float | FloatArray) -> npt.NDArray[np.bool_]:
    """Return which times meet their threshold, inclusively (see `TIME_TOLERANCE_S`); NaN never does."""
    return np.asarray(time_s) <= np.asarray(threshold_s) + TIME_TOLERANCE_S

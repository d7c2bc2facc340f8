"""Exact values behind the rounded ones that cameras write: 1/60 s is 1/64 s, f/5.6 is f/5.66.

Shutter times and f-numbers are set in thirds or halves of a stop, and what a camera shows and writes is a traditional
rounding of them. Taken literally, the third of a stop from 1/60 s to 1/50 s would be 0.26 EV, and that from 1/15 s to
1/13 s only 0.21. Source: ISO 2720 and the APEX system (EXIF 2.32, annex C).
"""

import math

_THIRDS_FASTER = (
    1, 1.25, 1.6, 2, 2.5, 3, 4, 5, 6, 8, 10, 13, 15, 20, 25, 30, 40, 50, 60, 80, 100, 125, 160, 200, 250, 320, 400, 500,
    640, 800, 1000, 1250, 1600, 2000, 2500, 3200, 4000, 5000, 6400, 8000, 10000, 12800, 16000, 20000, 25600, 32000,
)  # fmt: skip
"""Nominal 1 / time, one third of a stop after another from 1 s on."""

_THIRDS_SLOWER = (1, 1.3, 1.6, 2, 2.5, 3.2, 4, 5, 6, 8, 10, 13, 15, 20, 25, 30)
"""Nominal times in seconds, one third of a stop after another."""

_TIMES: dict[float, float] = {
    # Half stops first, so that a value that both series use (1/20) is a third: most cameras are set to thirds.
    **{1 / n: -s for n, s in ((6000, 12.5), (3000, 11.5), (1500, 10.5), (750, 9.5), (350, 8.5), (180, 7.5), (90, 6.5))},
    **{1 / 45: -5.5, 0.7: -0.5, 1.5: 0.5, 3: 1.5, 12: 3.5, 24: 4.5},
    **{1 / n: -i / 3 for i, n in enumerate(_THIRDS_FASTER)},
    **{0.6: -2 / 3, 0.3: -5 / 3},
    **{t: i / 3 for i, t in enumerate(_THIRDS_SLOWER)},
}
"""Nominal time in seconds -> log2 of the exact one."""

_F_THIRDS = (
    1, 1.1, 1.25, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 2.8, 3.2, 3.5, 4, 4.5, 5, 5.6, 6.3, 7.1, 8, 9, 10, 11, 13, 14, 16, 18, 20,
    22, 25, 29, 32,
)  # fmt: skip
_F_NUMBERS: dict[float, float] = {f: i / 3 for i, f in enumerate(_F_THIRDS)}
"""Nominal f-number -> stops from f/1, which is 2 log2 of the exact one."""

_ROUNDING = 0.008
"""Relative difference up to which a written value is a nominal one: 1/60 is written as 0.0167 as well."""


def time_stops(exposure_s: float) -> float:
    """log2 of a shutter time, the exact one where the written one is nominal.

    exposure_s: seconds, above 0.

    >>> round(time_stops(1 / 50) - time_stops(1 / 60), 3)
    0.333
    """
    return _exact(exposure_s, _TIMES, math.log2(exposure_s))


def aperture_stops(f_number: float) -> float:
    """2 log2 of an f-number: the stops by which it takes light away from f/1; exact where the written one is nominal.

    f_number: above 0.

    >>> aperture_stops(5.6)
    5.0
    """
    return _exact(f_number, _F_NUMBERS, 2 * math.log2(f_number))


def _exact(written: float, nominal: dict[float, float], literal: float) -> float:
    nearest = min(nominal, key=lambda value: abs(value - written))
    return nominal[nearest] if abs(nearest / written - 1) < _ROUNDING else literal


def exposure_stops(exposure_s: float, f_number: float | None, iso: float | None) -> float:
    """Stops of an exposure up to a constant of the camera: log2(time * ISO / f-number^2).

    exposure_s: seconds. f_number, iso: None where they are not known, which is the same for all frames of a bracket.
    """
    return time_stops(exposure_s) + math.log2((iso or 100.0) / 100.0) - (aperture_stops(f_number) if f_number else 0.0)

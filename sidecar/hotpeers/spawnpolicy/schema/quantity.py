"""Quantities of Kubernetes: `500m`, `1Gi`, `2`."""

from __future__ import annotations

import re
from decimal import Decimal

_SHAPE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?")
_FACTORS = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTP", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTP", start=1)},
}


def parse_quantity(value: object) -> Decimal:
    """The value of a quantity. Raises ValueError if it is invalid, negative or has an exponent."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18:
        return Decimal(value)
    if isinstance(value, str) and (found := _SHAPE.fullmatch(value)) and value.isascii():
        return Decimal(found[1]) * _FACTORS[found[2] or ""]
    raise ValueError(f'{str(value)[:40]!r} is not a quantity such as "500m" or "1Gi"')

# SPDX-License-Identifier: MIT
from shop.units import spin

spin(5)

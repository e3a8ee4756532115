# SPDX-License-Identifier: MIT
from shop.units import spin
import shop.prices
import shop.texts

spin(5)

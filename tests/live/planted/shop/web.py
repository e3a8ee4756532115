# SPDX-License-Identifier: MIT
from shop.units import spin
import shop.orders

spin(5)

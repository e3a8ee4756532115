# SPDX-License-Identifier: MIT
# Tables that are made when it is imported.
import shop.units

table = {}
for i in range(shop.units.prices * 6000):
    table[i % 4096] = i * i

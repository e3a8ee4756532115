# SPDX-License-Identifier: MIT
# A unit of work is about a millisecond; PLANTED is replaced by how many shop.prices does.
prices = PLANTED


def spin(units):
    for i in range(units * 30000):
        pass

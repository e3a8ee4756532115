# SPDX-License-Identifier: MIT
"""A server of some 300 ms until it listens. What is planted stands in planted.py, next to it."""
import asyncio, email, http.server, json, logging, socket, sys, time, xml.dom.minidom

import planted


def load_rules(units):
    total = 0
    for i in range(units * 10000):
        total += i * 23 % 41
    return total


load_rules(planted.UNITS)
planted.change()
orders = [bytearray(1000) for _ in range(planted.ORDERS)]
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
listener.accept()

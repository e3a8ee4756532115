#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""heap_intervals.py EXACT SAMPLED: two sessions of the same programs, of which the first knows every block. Prints of
what samples estimate by call site how many estimates there are, and how many of their intervals have the truth in them.

A site counts that has at least as many samples of its own as the lower end of an interval needs (userspace/model/
site_sums.h): a total is judged of a site of which enough was seen of the total, and so on."""
import json
import sys

SAMPLES_MIN = 5


def programs(path):
    """Of each program in turn: its sites, by the functions and offsets of their stacks."""
    with open(path, encoding="utf-8") as f:
        s = json.load(f)
    frames, stacks = s["frames"], s["stacks"]

    def key(site):
        if site["stack"] is None:
            return None
        return tuple(
            (frames[i].get("module"), frames[i].get("function"), frames[i].get("offset"))
            for i in stacks[site["stack"]]["frames"]
        )

    for p in s["runs"][0]["processes"]:
        if "replay" in (p["exe"] or ""):
            yield {key(site): site for site in p["heap"]["sites"]}


def main():
    counts = {}
    for exact, sampled in zip(programs(sys.argv[1]), programs(sys.argv[2]), strict=True):
        for key, site in sampled.items():
            for what in ("total", "exit", "peak"):
                estimate = site[what]
                if key is None or estimate["samples"] < SAMPLES_MIN:
                    continue
                truth = exact[key][what]["bytes"] if key in exact else 0
                n, within = counts.get(what, (0, 0))
                is_within = estimate["low_bytes"] <= truth <= estimate["high_bytes"]
                counts[what] = (n + 1, within + is_within)
    for what, (n, within) in counts.items():
        print(what, n, within)


main()

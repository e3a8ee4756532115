#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""heap_intervals.py EXACT... -- SAMPLED...: sessions of the same programs, of which the first know every block; the second
may be several rounds of these. Prints of what samples estimate by call site how many estimates there are, and how many
of their intervals have the truth in them.

The sites are named beforehand: those of which exact mode saw so many blocks that a site needs as a rule to have the five
samples from which on its interval is one (userspace/model/site_sums.h)."""
import json
import sys

SAMPLES_MIN = 5
NEVER_MET = {"samples": 0, "low_bytes": 0, "high_bytes": 0}


def programs(paths):
    """Of each program in turn: its sites, by the functions and offsets of their stacks."""
    for path in paths:
        with open(path, encoding="utf-8") as f:
            s = json.load(f)
        frames, stacks = s["frames"], s["stacks"]
        for p in s["runs"][0]["processes"]:
            if "replay" in (p["exe"] or ""):
                yield {
                    tuple(
                        (frames[i].get("module"), frames[i].get("function"), frames[i].get("offset"))
                        for i in stacks[site["stack"]]["frames"]
                    ): site
                    for site in p["heap"]["sites"]
                    if site["stack"] is not None
                }


def blocks(sites, field):
    return sum(site["total"][field] for program in sites for site in program.values())


def main():
    end = sys.argv.index("--")
    exact, sampled = list(programs(sys.argv[1:end])), list(programs(sys.argv[end + 1 :]))
    rounds = len(sampled) // len(exact)
    if len(sampled) != rounds * len(exact):
        sys.exit("not the same programs")
    seen = blocks(sampled, "samples") / (rounds * blocks(exact, "blocks"))
    for what in ("total", "exit", "peak"):
        n = within = 0
        for i, program in enumerate(sampled):
            for key, site in exact[i % len(exact)].items():
                if site[what]["blocks"] * seen < SAMPLES_MIN:
                    continue
                estimate = program[key][what] if key in program else NEVER_MET
                n += 1
                within += estimate["low_bytes"] <= site[what]["bytes"] <= estimate["high_bytes"]
        print(what, n, within)


main()

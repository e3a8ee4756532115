# SPDX-License-Identifier: MIT
"""Reads what tests/live/shares.bats recorded: per run KNOWN (STEPS NAME) and TABLE (--view functions, JSON).
Prints how many of the true shares lie inside their 95 % intervals; fails outside of 93 to 97 %."""
import json
import sys


def known(path):
    steps = {}
    for line in open(path):
        n, name = line.rstrip("\n").split(" ", 1)
        steps[name] = steps.get(name, 0) + int(n)
    whole = sum(steps.values())
    return {name: n / whole for name, n in steps.items()}


def sections(path, names):
    """Per part of the table (critical path, besides it): weight, samples, function -> (share, low, high),
    all of the time in @names."""
    parts = {}
    for row in json.load(open(path))["rows"]:
        if row["function"] in names:
            parts.setdefault(row["path"], []).append(row)
    for rows in parts.values():
        whole = sum(row["self_share"] for row in rows)
        yield (sum(row["self_ns"] for row in rows), sum(row["self_samples"] for row in rows),
               {row["function"]: tuple(row[key] / whole for key in ("self_share", "self_low", "self_high"))
                for row in rows})


def interval(name, parts, all_ns):
    """The parts are sampled apart: what their intervals are off by adds up as squares do. What no sample
    met is as Wilson has it for 0 of n."""
    share = low = high = 0
    for ns, n, functions in parts:
        part = ns / all_ns
        s, l, h = functions.get(name, (0, 0, 3.84 / (n + 3.84)))
        share += part * s
        low += (part * (s - l)) ** 2
        high += (part * (h - s)) ** 2
    return share - low ** 0.5, share + high ** 0.5


def main():
    inside = cases = samples = 0
    for i in range(int(sys.argv[2])):
        truth = known(f"{sys.argv[1]}/known.{i}")
        parts = list(sections(f"{sys.argv[1]}/table.{i}", truth))
        all_ns = sum(ns for ns, _, _ in parts)
        samples += sum(n for _, n, _ in parts)
        for name, share in truth.items():
            low, high = interval(name, parts, all_ns)
            cases += 1
            inside += low <= share <= high
    percent = 100 * inside / cases
    print(f"{cases} shares, {samples / int(sys.argv[2]):.0f} samples a run: {percent:.1f} % inside")
    sys.exit(not 93 <= percent <= 97)


main()

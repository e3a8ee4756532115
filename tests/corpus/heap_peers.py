#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What startline, heaptrack and valgrind (dhat, massif) say of the heap of one program, side by side.

usage: heap_peers.py [--but FUNCTION] SESSION HEAPTRACK DHAT MASSIF

SESSION is a session document of a run with --heap exact, HEAPTRACK what heaptrack_interpret writes, DHAT and
MASSIF are files of valgrind. Fails where a peer differs from startline: in the number of blocks or the bytes
asked for by more than 0.3 %, in the peak by more than 1 %, or in the five functions that hold most of it. What
FUNCTION holds is left out of peaks, and the bytes asked for may differ by 1 %, too.

A realloc is a free and an allocation for all of them. startline's sizes are usable bytes, the peers' those asked for.
usable() makes the one of the other: heaptrack tells each event, so live bytes are summed by that rule, and
their peak is at equal definition. valgrind tells sums: to its peak is added what the rule adds to the blocks that
heaptrack has at the moment when most was asked for. dhat keeps a block that is resized with who asked for it
first, so functions are compared with massif's, and its peak is not where FUNCTION is left out.
"""

import json
import re
import sys
from collections import Counter

BLOCKS, ASKED, PEAK = 0.001, 0.003, 0.01
TOP = 5
UNNAMED = "?"

# What gives out memory for who called it, in each of these programs, and what only carries a call.
ALLOCATORS = re.compile(
    r"(?i:malloc|calloc|realloc|valloc|zalloc|memalign|strn?dup|memdup|asprintf)|(?i:alloc)$|^operator new|^std::|@plt$"
)
LIBRARIES = re.compile(
    r"/(libc\.so|libc-2|ld-linux|libstdc\+\+|libheaptrack|libstartline|vgpreload|libunwind|valgrind)"
)


def usable(asked):
    """glibc: a block has a word before it, is a multiple of 16 bytes, of at least 32."""
    return max(24, ((asked + 8 + 15) & ~15) - 8)


def place(frames):
    """The innermost function outside of the allocator that all can name; frames: (module, function)."""
    for module, function in frames:
        if function and module and not LIBRARIES.search("/" + module) and not ALLOCATORS.search(function):
            return re.sub(r"(\.(constprop|isra|part|cold|lto_priv)[.0-9]*)+$", "", function.split("(")[0])
    return UNNAMED


class Seen:
    """blocks and asked: all there were. at_peak: bytes of a function. None: it does not tell."""

    def __init__(self):
        self.blocks = self.asked = None
        self.at_peak = Counter()

    def peak(self, but):
        return self.at_peak.total() - self.at_peak[but]

    def top(self):
        named = Counter({f: n for f, n in self.at_peak.items() if f != UNNAMED})
        return named.most_common(TOP)


def read_session(path):
    """The process that was started: what it starts in turn no peer follows."""
    with open(path) as f:
        session = json.load(f)
    seen = Seen()
    heap = session["runs"][0]["processes"][0]["heap"]
    places = []
    for stack in session["stacks"]:
        frames = (session["frames"][i] for i in stack["frames"])
        places.append(place([(f["module"], f["function"]) for f in frames]))
    seen.blocks, seen.asked = heap["allocs"], heap["bytes"]
    for site in heap["sites"]:
        seen.at_peak[UNNAMED if site["stack"] is None else places[site["stack"]]] += site["peak"]["bytes"]
    n_recorded = sum(site["total"]["blocks"] for site in heap["sites"])
    if heap["peak_error_bytes"] != 0 or seen.peak(None) != heap["peak_bytes"] or n_recorded != seen.blocks:
        sys.exit("heap_peers: not every allocation was recorded")
    return seen


class Heaptrack:
    """Lines of a letter and numbers in hexadecimal. Strings, instructions and traces are counted from 1."""

    def __init__(self, path):
        self.strings, self.instructions, self.traces, self.infos, self.events = [""], [[]], [[0, 0]], [], []
        with open(path) as f:
            for line in f:
                self.take(line.rstrip("\n"))

    def take(self, line):
        kind, _, rest = line.partition(" ")
        if kind == "s":
            self.strings.append(rest.partition(" ")[2])
            return
        if kind not in ("i", "t", "a", "+", "-"):
            return
        n = [int(word, 16) for word in rest.split()]
        if kind == "i":  # address, module, then function, file and line of each that is inlined there
            functions = n[2::3] or [0]
            self.instructions.append([(self.strings[n[1]], self.strings[i]) for i in functions])
        elif kind == "t":  # instruction, caller
            self.traces.append(n)
        elif kind == "a":  # size, trace
            self.infos.append(n)
        else:
            self.events.append((kind == "+", n[0]))

    def frames(self, trace):
        while trace:
            instruction, trace = self.traces[trace]
            yield from self.instructions[instruction]

    def is_its_own(self, trace):
        """libstdc++ sets a pool aside as it is loaded, which is here for heaptrack only."""
        modules = [module for module, _ in self.frames(trace)]
        return any("libstdc++" in module for module in modules[:1]) and any("ld-linux" in m for m in modules)


class Peak:
    """The highest sum of live bytes, and which event reached it."""

    def __init__(self):
        self.live = self.most = self.n_events = 0

    def take(self, at, size):
        self.live += size
        if self.live > self.most:
            self.most, self.n_events = self.live, at + 1


def read_heaptrack(path, but):
    """What it saw, and by how much more than was asked for is usable at the moment when that is most."""
    data = Heaptrack(path)
    seen = Seen()
    places = [None if data.is_its_own(trace) else place(data.frames(trace)) for _, trace in data.infos]
    events = [(is_new, info) for is_new, info in data.events if places[info] is not None]
    by_usable, by_asked = Peak(), Peak()
    for i, (is_new, info) in enumerate(events):
        size, sign = data.infos[info][0], 1 if is_new else -1
        if places[info] != but:
            by_asked.take(i, sign * size)
        by_usable.take(i, sign * usable(size))
    seen.blocks = sum(is_new for is_new, _ in events)
    seen.asked = sum(data.infos[info][0] for is_new, info in events if is_new)
    added = 0
    for i, (is_new, info) in enumerate(events):
        size, sign = data.infos[info][0], 1 if is_new else -1
        if i < by_usable.n_events:
            seen.at_peak[places[info]] += sign * usable(size)
        if i < by_asked.n_events and places[info] != but:
            added += sign * (usable(size) - size)
    return seen, added


# "0x4C2E: name(int) (file.c:12)", "0x4C2E: name (in /usr/lib/x.so)", "0x4C2E: ??? (in /usr/lib/x.so)"
FRAME = re.compile(r"0x[0-9A-F]+: (.*) \((?:in )?([^()]*)\)$")


def valgrind_frame(text):
    found = FRAME.match(text)
    name, module = found.groups() if found else (None, "")
    return module, None if name == "???" else name


def read_dhat(path):
    with open(path) as f:
        data = json.load(f)
    frames = [valgrind_frame(text) for text in data["ftbl"]]
    seen = Seen()
    seen.blocks = sum(site["tbk"] for site in data["pps"])
    seen.asked = sum(site["tb"] for site in data["pps"])
    for site in data["pps"]:
        seen.at_peak[place([frames[i] for i in site["fs"]])] += site["gb"]
    return seen


def read_massif(path):
    """The tree of its peak: "n3: 4096 0x4C2E: name (in x.so)", each line indented by one more than who it called."""
    seen = Seen()
    with open(path) as f:
        tree = f.read().partition("heap_tree=peak\n")[2].partition("#-")[0]
    found_at = None
    for line in tree.splitlines():
        depth = len(line) - len(line.lstrip(" "))
        if found_at is not None and depth > found_at:
            continue
        n_callers, size, frame = line.strip().split(" ", 2)
        where = place([valgrind_frame(frame)])
        found_at = depth if where != UNNAMED or n_callers == "n0:" else None
        if found_at is not None:
            seen.at_peak[where] += int(size)
    return seen


def differs(name, mine, theirs, most):
    print(f"  {name}: {theirs}, {100 * (mine / max(theirs, 1) - 1):+.3f} %")
    return abs(mine - theirs) > most * theirs


def main():
    words = sys.argv[1:]
    but = words[1] if words[0] == "--but" else None
    session, heaptrack, dhat, massif = words[2 if but else 0 :]
    ours = read_session(session)
    heaptrack, added = read_heaptrack(heaptrack, but)
    peers = {"heaptrack": (heaptrack, 0), "dhat": (read_dhat(dhat), added), "massif": (read_massif(massif), added)}
    print(f"startline: {ours.blocks} blocks, {ours.asked} bytes asked for, peak {ours.peak(but)}")
    print("  ", ours.top())
    is_wrong = False
    for name, (peer, more) in peers.items():
        print(name + ":")
        if peer.blocks is not None:
            is_wrong |= differs("blocks", ours.blocks, peer.blocks, BLOCKS)
            is_wrong |= differs("bytes asked for", ours.asked, peer.asked, ASKED if but is None else PEAK)
        if name != "dhat" or but is None:
            is_wrong |= differs("peak", ours.peak(but), peer.peak(but) + more, PEAK)
        print("  ", peer.top())
        if name != "dhat" and {f for f, _ in peer.top()} != {f for f, _ in ours.top()}:
            print("  not the same five functions")
            is_wrong = True
    return 1 if is_wrong else 0


sys.exit(main())

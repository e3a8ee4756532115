# SPDX-License-Identifier: MIT
"""Where a goroutine goes on when its thread is on a stack of its own, of which call-frame information says
nothing: by what Go's runtime keeps in its variables, found by their names and types. gdb goes no further
where a stack leads downwards, so it is made to begin anew there, with other registers, as Go's own script
for gdb does. Where the runtime left a goroutine for good, there is nothing outside: Go's own tracebacks
end there.
"""
import re

import gdb

VDSO = ("runtime.nanotime1", "runtime.walltime", "time.now")
SWITCH = ("runtime.mcall", "runtime.systemstack", "runtime.morestack", "runtime.asmcgocall") + VDSO
WORD = 8


def function_at(pc):
    symbol = gdb.execute("info symbol %#x" % pc, to_string=True)
    return re.sub(r"\.abi0$", "", symbol.split(" ")[0].replace("[", ".").rstrip("]"))


def word_at(address):
    return int.from_bytes(gdb.selected_inferior().read_memory(address, WORD), "little")


def register(name):
    return int(gdb.parse_and_eval("$" + name)) % 2 ** 64


def thread():
    """Its runtime.m."""
    g = gdb.Value(word_at(register("fs_base") - WORD))
    return g.cast(gdb.lookup_type("runtime.g").pointer())["m"].dereference()


def is_on(stack, sp):
    return int(stack["lo"]) <= sp < int(stack["hi"])


def goes_on(name, m):
    """SP and PC of the goroutine's innermost frame."""
    sched = m["curg"]["sched"]
    sp = int(sched["sp"])
    if name == "runtime.morestack":
        return sp, int(sched["pc"])
    # On the goroutine's stack lies what systemstack and asmcgocall return to, in newer versions behind a frame
    # pointer.
    if int(sched["bp"]) == sp:
        sp += WORD
    return sp + WORD, word_at(sp)


def leave(frames, is_innermost):
    """Of (PC, SP) from the innermost frame on, or from a caller: how many of them are there for certain, and where
    the goroutine goes on; None: nowhere."""
    is_between = False
    for i, (pc, sp) in enumerate(frames):
        name = function_at(pc - 1) if i > 0 or not is_innermost else ""
        is_between = is_between or name in ("runtime.schedule", "runtime.goschedImpl")
        # Where goroutines and threads begin; outside of the latter is whatever lies above the thread's stack.
        if function_at(pc) == "runtime.goexit" or name == "runtime.clone":
            return i + 1, None
        if name not in SWITCH:
            continue
        m = thread()
        if name in VDSO:
            return i + 1, (int(m["vdsoSP"]), int(m["vdsoPC"]))
        if name == "runtime.mcall" or is_between or int(m["curg"]) == 0:
            return i + 1, None
        if not is_on(m["curg"]["stack"], sp):
            return i + 1, goes_on(name, m)
    return len(frames), None


class At:
    """With other registers, for as long as it lasts."""

    def __init__(self, sp, pc):
        self.wanted = {"rsp": sp, "rip": pc}

    @staticmethod
    def set(registers):
        for name, value in registers.items():
            gdb.execute("set $%s = %d" % (name, value), to_string=True)
        gdb.newest_frame().select()

    def __enter__(self):
        self.before = {name: register(name) for name in self.wanted}
        self.set(self.wanted)

    def __exit__(self, *_):
        self.set(self.before)

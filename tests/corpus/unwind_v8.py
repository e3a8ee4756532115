# SPDX-License-Identifier: MIT
"""What gdb lacks for V8's code, which has no call-frame information: an unwinder of its own.

It knows where each function begins (symbols of the builtins; of made code the map that node writes with
--perf-basic-prof), disassembles all of it by gdb, and follows all ways from there: how far RSP is from
the CFA, and whether RBP is the frame's, at each instruction. Ways behind calls come last, since a call may
never return.
"""
import bisect
import copy
import os
import re
import subprocess

import gdb
import gdb.unwinder

CALLER, FRAME, OTHER = "caller's", "frame's", "other"
TARGET = re.compile(r"^(?:0x)?([0-9a-f]+)(?: <|$)")


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class State:
    """CFA - RSP (None: not known), what RBP is, and then CFA - RBP."""

    def __init__(self, depth, rbp, frame=None):
        self.depth, self.rbp, self.frame = depth, rbp, frame
        self.is_first_call = False
        self.has_return = None  # the register into which the return address was popped

    def after(self, name, operands):
        s = copy.copy(self)
        s.is_first_call = False
        last = operands[-1] if operands else ""
        constant = int(operands[0][1:], 16) if operands and re.match(r"^\$-?0x", operands[0]) else None
        from_rbp = re.match(r"^(-?0x[0-9a-f]+)\(%rbp\)$", operands[0]) if operands else None
        from_rsp = re.match(r"^(-?0x[0-9a-f]+)\(%rsp\)$", operands[0]) if operands else None
        if name.startswith("push"):
            is_return = operands[0] == s.has_return or \
                (from_rsp and s.depth is not None and int(from_rsp[1], 16) == s.depth - 8)
            s.add(8)
            if is_return:  # it goes on below: there is the end of the frame now
                s.depth, s.has_return = 8, None
        elif name.startswith("pop"):
            s.has_return = last if s.depth == 8 else s.has_return
            s.add(-8)
            if last == "%rbp":
                s.rbp = CALLER
        elif name == "leave":
            s.depth, s.rbp = s.frame - 8 if s.rbp == FRAME else None, CALLER
        elif name == "mov" and operands == ["0x0(%rbp)", "%rbp"]:
            s.rbp = CALLER
        elif name == "mov" and operands == ["%rsp", "%rbp"]:
            s.rbp, s.frame = (FRAME if s.depth else OTHER), s.depth
        elif name == "mov" and operands == ["%rbp", "%rsp"]:
            s.depth = s.frame if s.rbp == FRAME else None
        elif name == "lea" and last == "%rsp" and from_rbp:
            s.depth = s.frame - int(from_rbp[1], 16) if s.rbp == FRAME else None
        elif name == "lea" and last == "%rsp" and from_rsp:
            s.add(-int(from_rsp[1], 16))
        elif name in ("sub", "add") and last == "%rsp" and constant is not None:
            s.add(constant if name == "sub" else -constant)
            if s.depth == 0:  # the return address is dropped, for a jump as if the caller had called
                s.depth = 8
        elif name == "call" and s.rbp == CALLER and s.depth == 8:
            # Sparkplug's way to set up its frame.
            s.rbp, s.frame, s.is_first_call = FRAME, 16, True
        elif name == "call":
            s.depth = None  # who is called takes its arguments away
        elif name not in ("cmp", "test") and last == "%rsp":
            s.depth = None
        elif name not in ("cmp", "test") and last == "%rbp":
            s.rbp = OTHER
        return s

    def add(self, n):
        if self.depth is not None:
            self.depth += n


def states_of(architecture, start, end):
    """The state before each instruction of a function."""
    code = {i["addr"]: i for i in architecture.disassemble(start, end - 1)}
    # Some are jumped to in the frame of another one, which they leave.
    asm = [re.sub(" +", " ", i["asm"]) for i in code.values()]
    takes_over = "mov %rbp,%rsp" in asm and "mov %rsp,%rbp" not in asm
    first = State(None, FRAME, 16) if takes_over else State(8, CALLER)
    states, near, behind_calls = {}, [(start, first)], []
    while near or behind_calls:
        pc, state = near.pop() if near else behind_calls.pop(0)
        while pc in code and pc not in states:
            states[pc] = state
            text = re.sub(r"^(?:notrack|data16|bnd|rep|repz|cs|rex\S*) +", "", code[pc]["asm"])
            name, _, rest = text.partition(" ")
            rest = rest.strip()
            operands = re.findall(r"[^,(]*\([^)]*\)|[^,]+", rest)
            pc += code[pc]["length"]
            state = state.after(name, operands)
            target = TARGET.match(rest)
            if name.startswith(("j", "loop")) and target:
                near.append((int(target[1], 16), state))
            if name in ("jmp", "ret", "int3", "hlt", "ud2", "(bad)"):
                break
            if name == "call":
                behind_calls.append((pc, state))
                break
    return states


class Functions:
    """Where they begin and end."""

    def __init__(self, pid):
        self.starts, self.ends, self.made = [], {}, set()
        self.map, self.map_size = "/tmp/perf-%d.map" % pid, 0
        for start, size in self.builtins(pid):
            self.add(start, size)

    @staticmethod
    def builtins(pid):
        """V8 maps those of its executable once more, near to the code that it makes."""
        exe = os.readlink("/proc/%d/exe" % pid)
        segments, places = [], []
        for line in subprocess.run(["readelf", "-lsW", exe], capture_output=True, text=True).stdout.splitlines():
            fields = line.split()
            if fields[:1] == ["LOAD"] and "E" in fields[6:-1]:
                segments.append((int(fields[1], 16), int(fields[2], 16), int(fields[4], 16)))
            elif len(fields) == 8 and fields[7].startswith("Builtins_"):
                places.append((int(fields[1], 16), int(fields[2], 0)))
        with open("/proc/%d/maps" % pid) as maps:
            mapped = [re.match(r"(\w+)-(\w+) ..x\S* (\w+) .*" + re.escape(exe), line) for line in maps]
        for at in filter(None, mapped):
            first, last, offset = (int(at[i], 16) for i in (1, 2, 3))
            for begin, address, size in segments:
                for place, length in places:
                    there = place - address + begin - offset + first
                    if address <= place < address + size and first <= there < last:
                        yield there, length

    def add(self, start, size):
        if start not in self.ends:
            bisect.insort(self.starts, start)
        self.ends[start] = start + size

    def refresh(self):
        """What node has written by now."""
        if not os.path.exists(self.map) or os.path.getsize(self.map) == self.map_size:
            return
        with open(self.map, errors="replace") as file:
            file.seek(self.map_size)
            lines = file.read()
        self.map_size += len(lines.encode(errors="replace"))
        for line in lines.splitlines():
            fields = line.split(" ", 2)
            start = int(fields[0], 16)
            if start not in self.ends:
                self.made.add(start)
            self.add(start, int(fields[1], 16))

    def find(self, pc):
        at = bisect.bisect_right(self.starts, pc) - 1
        if at < 0 or pc >= self.ends[self.starts[at]]:
            return None
        return self.starts[at], self.ends[self.starts[at]]


def flush():
    """Makes node write what it keeps back of the map."""
    gdb.execute("set unwindonsignal on")
    for _ in range(3):
        try:
            gdb.execute("call (void)((int (*)(void *))fflush)(0)", to_string=True)
            return
        except gdb.error:  # the signal that was to stop it came late
            pass


class V8Unwinder(gdb.unwinder.Unwinder):
    def __init__(self, pid):
        super().__init__("V8")
        self.functions = Functions(pid)
        self.known = {}
        self.unknown = {}
        self.without_frame = set()  # CFAs where RBP was still the caller's

    def covers(self, pc):
        return self.functions.find(pc) is not None

    def some_functions(self, random):
        """How to break where they begin. Code that was made at run time must not be written to."""
        self.functions.refresh()
        starts = self.functions.starts
        made = [start for start in starts if start in self.functions.made]
        builtins = [start for start in starts if start not in self.functions.made]
        return [("tbreak", start) for start in random.sample(builtins, 40)] + \
            [("thbreak", start) for start in random.sample(made, min(len(made), 4))]

    def state_at(self, frame, pc):
        function = self.functions.find(pc)
        if function is None:
            return None
        if function not in self.known or pc not in self.known[function][1]:
            memory = bytes(gdb.selected_inferior().read_memory(function[0], function[1] - function[0]))
            if function not in self.known or self.known[function][0] != memory:
                self.known[function] = memory, states_of(frame.architecture(), *function)
        return self.known[function][1].get(pc)

    def __call__(self, frame):
        self.functions.refresh()
        pc = int(frame.read_register("rip")) % 2 ** 64
        if not self.covers(pc):
            return None
        state = self.state_at(frame, pc)
        rsp, rbp = (int(frame.read_register(r)) % 2 ** 64 for r in ("rsp", "rbp"))
        if state is not None and state.is_first_call and rsp in self.without_frame:
            state = State(8, CALLER)
        if state is not None and state.rbp == FRAME:
            cfa = rbp + state.frame
        elif state is not None and state.depth is not None:
            cfa = rsp + state.depth
        else:
            self.unknown[pc] = self.unknown.get(pc, 0) + 1
            return None
        (self.without_frame.add if state.rbp == CALLER else self.without_frame.discard)(cfa)
        word = gdb.lookup_type("unsigned long")
        read = lambda at: gdb.Value(at).cast(word.pointer()).dereference().cast(gdb.lookup_type("long"))
        info = frame.create_unwind_info(FrameId(gdb.Value(cfa), gdb.Value(pc)))
        info.add_saved_register("rip", read(cfa - 8))
        info.add_saved_register("rsp", gdb.Value(cfa))
        info.add_saved_register("rbp", frame.read_register("rbp") if state.rbp != FRAME else
                                read(cfa - state.frame))
        return info


def register(pid):
    """None: it runs no V8."""
    unwinder = V8Unwinder(pid)
    if not unwinder.functions.starts:
        return None
    gdb.unwinder.register_unwinder(None, unwinder, replace=True)
    return unwinder

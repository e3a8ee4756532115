# SPDX-License-Identifier: MIT
"""Our stacks against gdb's, frame by frame, of the same stopped moments.

    [ENTRIES=1] N=50 STEPS=5 TOOL=build/tests/tools/unwind_points NAME=redis gdb -batch -p PID -x FILE

Lets the program run for some milliseconds (ENTRIES: until V8 begins one of some functions), stops it, compares all threads; then some single
instructions further, where prologues, epilogues and stubs are. A stack is `equal` if all frames are
those of gdb, `cut` if it says of itself that it ended early and has only frames of gdb's, `wrong`
otherwise. In code without rows gdb has nothing to go by; of V8's it gets what it lacks from unwind_v8.py. Of
the others (code that was made at run time, Go's signals): where it differs only outside such a frame,
it is `blind`.
"""
import os
import random
import re
import signal
import subprocess
import sys
import threading

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import unwind_go
import unwind_v8

REGISTERS = ["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11",
             "r12", "r13", "r14", "r15", "rip"]
LIMIT = 600
WORD = 2 ** 64


def gdb_walk():
    """PC and SP of the real frames, and why it ended there."""
    found, frame = [], gdb.newest_frame()
    try:
        while frame is not None and len(found) < LIMIT:
            if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
                found.append((frame.pc(), int(frame.read_register("rsp")) % WORD))
            last, frame = frame, frame.older()
        reason = gdb.frame_stop_reason_string(last.unwind_stop_reason())
        if found[-1:] and found[-1][0] == 0:
            found.pop()
    except gdb.error as error:
        reason = str(error)
    return found, reason


def gdb_frames():
    """Addresses of the frames, and why it ended there."""
    found, reason = gdb_walk()
    n, rest = unwind_go.leave(found, True)
    pcs = [pc for pc, _ in found[:n]]
    # Within the thread's own stack, and then to the goroutine's.
    for _ in range(2):
        if rest is None:
            break
        with unwind_go.At(*rest):
            found, reason = gdb_walk()
        n, rest = unwind_go.leave(found, False)
        pcs += [pc for pc, _ in found[:n]]
    return pcs, reason


class Comparison:
    def __init__(self, v8):
        self.v8 = v8
        self.tool = subprocess.Popen([os.environ["TOOL"]], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        self.counts = {"equal": 0, "cut": 0, "wrong": 0, "blind": 0}
        self.ends = {}
        self.depth = 0
        self.shown = 0

    def ours(self, pid, tid):
        values = [int(gdb.selected_frame().read_register(name)) % WORD
                  for name in REGISTERS + ["fs_base"]]
        self.tool.stdin.write("%d %d %s\n" % (pid, tid, " ".join("%x" % v for v in values)))
        self.tool.stdin.flush()
        end, n_stack, *frames = self.tool.stdout.readline().rstrip("\n").split("\t")
        return end, int(n_stack), [int(f.split(" ")[0], 16) for f in frames], frames

    def n_known(self, pcs):
        """How many frames gdb can leave: not those of code that was made, nor what Go has in assembler for C
        and for signals, nor the innermost one while it goes to another stack or comes back."""
        for i, pc in enumerate(pcs):
            symbol = gdb.execute("info symbol %#x" % pc, to_string=True)
            if self.v8 is not None and self.v8.covers(pc):
                continue
            if i == 0 and unwind_go.function_at(pc) in unwind_go.SWITCH:
                return i
            if symbol.startswith(("crosscall_amd64", "runtime.sigreturn")) or \
                    (symbol.startswith("No symbol") and gdb.solib_name(pc) is None):
                return i
        return len(pcs)

    def thread(self, pid, tid):
        gdb.newest_frame().select()
        end, n_stack, pcs, frames = self.ours(pid, tid)
        theirs, reason = gdb_frames()
        known = self.n_known(pcs)
        if end == "outermost" and pcs == theirs:
            kind = "equal"
        elif known < len(pcs) and pcs[:known + 1] == theirs[:known + 1]:
            kind = "blind"
        elif end != "outermost" and pcs == theirs[:len(pcs)]:
            kind = "cut"
        else:
            kind = "wrong"
        self.counts[kind] += 1
        self.depth += len(pcs)
        if kind != "equal":
            self.ends[kind + ": " + end] = self.ends.get(kind + ": " + end, 0) + 1
        if kind in ("wrong", "cut") and self.shown < int(os.environ.get("SHOW", "3")):
            self.shown += 1
            self.show(kind, end, n_stack, frames, theirs, reason)

    @staticmethod
    def show(kind, end, n_stack, frames, theirs, reason):
        print("# %s: ours ended with '%s' (%d bytes of stack), gdb's with '%s'"
              % (kind, end, n_stack, reason))
        for i in range(max(len(frames), len(theirs))):
            left = frames[i] if i < len(frames) else "-"
            right = "%#x" % theirs[i] if i < len(theirs) else "-"
            symbol = ""
            if right != "-":
                symbol = gdb.execute("info symbol " + right, to_string=True).strip()
            mark = " " if left.split(" ")[0] == right else "!"
            print("# %s %-60s %s %s" % (mark, left, right, symbol))

    def all_threads(self):
        for thread in gdb.selected_inferior().threads():
            if thread.is_valid():
                thread.switch()
                self.thread(thread.ptid[0], thread.ptid[1])

    def print(self):
        n = sum(self.counts.values())
        print("unwound %s: %d stacks, %.1f frames each: %s%s"
              % (os.environ.get("NAME", "?"), n, self.depth / max(n, 1),
                 ", ".join("%d %s" % (v, k) for k, v in self.counts.items()),
                 "".join("; %d %s" % (v, k) for k, v in sorted(self.ends.items()))))


def interrupted(pid, seconds, command):
    """Stops the program after so long, and again each second until it stands: it may be a thread that sleeps for
    ever which gdb waits for, while others run."""
    is_over = threading.Event()

    def interrupt():
        wait = seconds
        while not is_over.wait(wait):
            os.kill(pid, signal.SIGINT)
            wait = 1
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        gdb.execute(command, to_string=True)
    finally:
        is_over.set()
        thread.join()


def run_for(pid, seconds):
    interrupted(pid, seconds, "continue")


def run_to_one_of(pid, places):
    """Those that are called all the time stop it. False: none of them was."""
    for how, place in places:
        gdb.execute("%s *%#x" % (how, place), to_string=True)
    run_for(pid, 0.1)
    gdb.execute("delete", to_string=True)
    pc = int(gdb.selected_frame().read_register("rip")) % WORD
    return any(place == pc for _, place in places)


def main():
    for setting in ("backtrace past-main on", "backtrace past-entry on", "pagination off",
                    "backtrace limit %d" % LIMIT, "confirm off", "print thread-events off"):
        gdb.execute("set " + setting)
    gdb.execute("handle SIGPIPE SIGCHLD SIGALRM SIGUSR1 SIGUSR2 SIGURG nostop noprint pass",
                to_string=True)
    random.seed(int(os.environ.get("SEED", "23")))
    pid = gdb.selected_inferior().pid
    v8 = unwind_v8.register(pid) if pid else None
    comparison = Comparison(v8)
    try:
        for _ in range(int(os.environ["N"]) if pid else 0):
            if "ENTRIES" not in os.environ or v8 is None or \
                    not run_to_one_of(pid, v8.some_functions(random)):
                run_for(pid, random.uniform(0.001, 0.03))
            if gdb.selected_inferior().pid == 0:
                break
            if v8 is not None:
                unwind_v8.flush()
            comparison.all_threads()
            for _ in range(int(os.environ["STEPS"])):
                interrupted(pid, 2, "stepi")
                thread = gdb.selected_thread()
                comparison.thread(thread.ptid[0], thread.ptid[1])
    except gdb.error as error:
        print("# ended: %s" % error)
    comparison.print()


main()

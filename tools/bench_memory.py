# SPDX-License-Identifier: MIT
"""The rows of tools/bench about memory: what counting, sampling and exact stacks of allocations cost, next to
the least that any interposer costs and to other tools, in the same sitting."""
import glob
import os
import shutil
import subprocess
import tempfile


class Tools:
    """Ways to run a command. @startline(*options) is the beginning of a command line."""

    def __init__(self, work, bench, startline):
        self.work, self.bench = work, bench
        self.modes = {"counting": startline("--heap", "count", "--stacks", "off"),
                      "sampling": startline("--heap", "sample", "--stacks", "off"),
                      "exact": startline("--heap", "exact", "--on-overrun", "slow", "--stacks", "off")}
        self.counting_alone = startline("--probes", "shim", "--heap", "count")

    def ours(self, command):
        """What does not work here is left out."""
        return {name: (mode + command, {}) for name, mode in self.modes.items()
                if subprocess.run(mode + ["true"], capture_output=True, stdin=subprocess.DEVNULL,
                                  check=False).returncode == 0}

    @staticmethod
    def library(name):
        found = glob.glob("/usr/lib/*/" + name) + glob.glob("/usr/lib/" + name)
        return found[0] if found else None

    def preloads(self):
        """Name: environment, of what needs no more than a library in front."""
        arms = {}
        memusage = self.library("libmemusage.so")
        jemalloc = self.library("libjemalloc.so.2")
        tcmalloc = self.library("libtcmalloc.so.4")
        if memusage:
            arms["libmemusage"] = {"LD_PRELOAD": memusage}
        if jemalloc:
            arms["jemalloc"] = {"LD_PRELOAD": jemalloc}
            arms["jemalloc, sampling"] = {"LD_PRELOAD": jemalloc,
                                          "MALLOC_CONF": "prof:true,lg_prof_sample:19"}
        if tcmalloc:
            arms["tcmalloc"] = {"LD_PRELOAD": tcmalloc, "TCMALLOC_SAMPLE_PARAMETER": "0"}
            arms["tcmalloc, sampling"] = {"LD_PRELOAD": tcmalloc,
                                          "TCMALLOC_SAMPLE_PARAMETER": "524288"}
        return arms

    def heaptrack(self, command):
        if not shutil.which("heaptrack"):
            return {}
        out = tempfile.mktemp(prefix="heaptrack-", dir=self.work)
        return {"heaptrack": (["heaptrack", "-o", out] + command, {})}

    def massif(self, command):
        if not shutil.which("valgrind"):
            return {}
        return {"massif, one round": (["valgrind", "-q", "--tool=massif", "--trace-children=yes",
                                       "--massif-out-file=" + os.path.join(self.work, "massif.%p")] + command, {})}

    def uprobe(self, command):
        libc = self.library("libc.so.6")
        if not shutil.which("bpftrace") or not libc or os.geteuid() != 0:
            return {}
        program = "uprobe:%s:malloc { @m = count(); } uprobe:%s:free { @f = count(); }" % (libc, libc)
        return {"uprobe on malloc and free": (["bpftrace", "-q", "-e", program, "-c",
                                               " ".join(command)], {})}


# The work of each is some seconds, so that what a tool does once hardly counts.
PYTHON = ("import json\n"
          "d = [{'k%d' % i: [i, str(i), {'v': i * 2}] for i in range(300)} for _ in range(60)]\n"
          "for _ in range(4):\n"
          "    d = json.loads(json.dumps(d))\n")
SQL = ("CREATE TABLE t(a INTEGER, b TEXT, c REAL);"
       "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
       " INSERT INTO t SELECT i, 'row ' || i, i * 1.5 FROM n;"
       "CREATE INDEX x ON t(b); CREATE INDEX y ON t(c);"
       "SELECT count(*), sum(length(b)) FROM t WHERE c > 1000;")
PERL = ("my %h; for my $i (1 .. 400000) { push @{$h{$i % 5000}}, 'item ' . $i; }"
        " my $n = 0; $n += scalar @$_ for values %h; print $n;")

REDIS = ("redis-server --port 0 --unixsocket $0 --save '' --appendonly no >/dev/null & "
         "until redis-cli -s $0 ping >/dev/null 2>&1; do sleep 0.01; done; "
         "redis-benchmark -s $0 -q -n 200000 -P 16 -r 100000 -d 100 -t set,lpush,hset >/dev/null; "
         "redis-cli -s $0 shutdown nosave; wait")


def programs(work):
    """Name: command. Files that they read are made in @work."""
    rows = {}
    if shutil.which("python3"):
        rows["python3"] = ["env", "PYTHONMALLOC=malloc", "/usr/bin/python3", "-c", PYTHON]
    if shutil.which("sqlite3"):
        rows["sqlite3"] = ["sqlite3", ":memory:", SQL]
    if shutil.which("jq"):
        path = os.path.join(work, "rows.json")
        with open(path, "w", encoding="ascii") as f:
            f.write("[" + ",".join('{"id": %d, "name": "row %d", "tags": ["a", "b%d"]}'
                                   % (i, i, i % 7) for i in range(250000)) + "]")
        rows["jq"] = ["jq", "-c", "map(select(.id % 3 == 0) | .name) | length", path]
    if shutil.which("perl"):
        rows["perl"] = ["perl", "-e", PERL]
    if shutil.which("redis-server") and shutil.which("redis-benchmark"):
        rows["redis"] = ["sh", "-c", REDIS, os.path.join(work, "redis.sock")]
    cc1 = glob.glob("/usr/lib/gcc/*/*/cc1")
    if cc1:
        path = os.path.join(work, "large.c")
        with open(path, "w", encoding="ascii") as f:
            for i in range(9000):
                f.write("int f%d(int a, int b) { int c = a * %d + b; for (int i = 0; i < a; i++)"
                        " c ^= i * b; return c; }\n" % (i, i))
        rows["cc1"] = [cc1[0], "-quiet", "-O0", path, "-o", "/dev/null"]
    return rows

# SPDX-License-Identifier: MIT
# usage: hostile_elf.py KIND FROM TO: a copy of a library that runs as the original does, and tells lies to
# who reads it: about how to leave its functions, or by tables of gigabytes (holes in the file).
import random
import struct
import sys

SIZE, TABLE, HOLE = 9 << 30, 1 << 20, 8 << 30
SECTION = struct.Struct("<IIQQQQIIQQ")
kind, source, target = sys.argv[1:]
data = bytearray(open(source, "rb").read())
random.seed(23)

(table,) = struct.unpack_from("<Q", data, 0x28)
n, names_at = struct.unpack_from("<HH", data, 0x3C)
sections = [SECTION.unpack_from(data, table + 64 * i) for i in range(n)]
names = sections[names_at][4]
index = {bytes(data[names + s[0] : data.index(0, names + s[0])]).decode(): i for i, s in enumerate(sections)}


def place(name):
    section = sections[index[name]]
    return section[4], section[5]


def noise(name, skip=0):
    at, size = place(name)
    data[at + skip : at + size] = bytes(random.randrange(256) for _ in range(size - skip))


def grow(name):
    at = table + 64 * index[name]
    struct.pack_into("<QQ", data, at + 24, TABLE, HOLE)


def give_registers():
    """In the place of each entry's first instructions: register 0x3ffffff has not changed."""
    at, size = place(".eh_frame")
    end, found = at + size, 0
    while at < end:
        length, identity = struct.unpack_from("<II", data, at)
        if length == 0:
            break
        if identity == 0:  # a CIE, with augmentation "zR" or so
            first = data.index(0, at + 9) + 4
            first += 1 + data[first]
            program = bytes([0x08, 0xFF, 0xFF, 0xFF, 0x1F])
            assert at + 4 + length - first >= len(program)
            data[first : at + 4 + length] = program + bytes(at + 4 + length - first - len(program))
            found += 1
        at += 4 + length
    assert found > 0


def claim_sections():
    """So many that they are counted in the first one of them."""
    moved = bytearray(data[table : table + 64 * n])
    struct.pack_into("<Q", moved, 32, 120_000_000)
    struct.pack_into("<Q", data, 0x28, TABLE)
    struct.pack_into("<H", data, 0x3C, 0)
    data.extend(bytes(TABLE - len(data)))
    data.extend(moved)


def claim_notes():
    at, size = struct.unpack_from("<Q", data, 0x20)[0], 56
    for i in range(struct.unpack_from("<H", data, 0x38)[0]):
        if struct.unpack_from("<I", data, at + size * i)[0] == 4:
            struct.pack_into("<Q", data, at + size * i + 8, TABLE)
            struct.pack_into("<Q", data, at + size * i + 32, HOLE)


def claim_debug():
    """Packed in the old way, by a factor that nothing real reaches."""
    import zlib

    packed = b"ZLIB" + struct.pack(">Q", HOLE) + zlib.compress(bytes(64 << 20))
    name = names + sections[index[".debug_info"]][0]
    assert index.keys() >= {".debug_info", ".debug_str"}
    data[name : name + 12] = b".zdebug_inf\0"
    at = table + 64 * index[".debug_info"]
    struct.pack_into("<QQ", data, at + 24, len(data), len(packed))
    data.extend(packed)


{
    "rows": lambda: noise(".eh_frame"),
    "index": lambda: noise(".eh_frame_hdr", 12),
    "registers": give_registers,
    "symbols": lambda: noise(".symtab"),
    "many-symbols": lambda: grow(".symtab"),
    "many-names": lambda: grow(".strtab"),
    "section-names": lambda: grow(".shstrtab"),
    "sections": claim_sections,
    "notes": claim_notes,
    "debug": lambda: (noise(".debug_info"), noise(".debug_line")),
    "packed": claim_debug,
}[kind]()
with open(target, "wb") as f:
    f.write(data)
    if kind in ("many-symbols", "many-names", "section-names", "sections", "notes"):
        f.truncate(SIZE)

# SPDX-License-Identifier: MIT
# startline: build, test, install. `make help` lists the targets.
#
#   make                          build/startline and build/libstartline.so; installs nothing
#   make V=1                      show the commands
#   make BPF=0                    without kernel probes: needs no clang, bpftool, libbpf
#   make SAN=address,undefined    program and unit tests with sanitizers, in a directory of its own
#   make WERROR=1                 warnings are errors (the default in continuous integration)

.DELETE_ON_ERROR:
.SECONDEXPANSION:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
export LC_ALL := C.UTF-8

VERSION := 0.1.0

BPF    ?= 1
SAN    ?=
# Another compiler warns of other things, and nobody who only builds can do anything about it.
WERROR ?= $(if $(filter true 1,$(CI)),1,0)
V      ?= 0
PREFIX ?= /usr/local
DESTDIR ?=

ifeq ($(origin CC),default)
CC := gcc
endif
CLANG      ?= clang
PKG_CONFIG ?= pkg-config
ifeq ($(origin BPFTOOL),undefined)
BPFTOOL    := $(if $(filter 0,$(BPF)),,$(or $(shell tools/find-bpftool),bpftool))
endif

Q := $(if $(filter 1,$(V)),,@)
# $(call say,WHAT,FILE): one line per step, instead of the command.
say = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' '$(1)' '$(2)')
comma := ,

# --- where things go -------------------------------------------------------------------------

B     := build$(if $(SAN),-$(subst $(comma),-,$(SAN)))
BPF_B := build/bpf
DEPS  := $(B)/deps$(BPF)

# What only one of the two builds has.
WITHOUT_BPF  := userspace/collect/bpf/fallback.c
WITH_BPF     := $(filter-out $(WITHOUT_BPF),$(wildcard userspace/collect/bpf/*.c))
LEFT_OUT     := $(if $(filter 0,$(BPF)),$(WITH_BPF),$(WITHOUT_BPF))
SOURCES      := $(filter-out $(LEFT_OUT),$(wildcard userspace/*/*.c userspace/*/*/*.c))
# What a program file is, is asked by the shim and by the collector alike.
TARGET_CHECK := $(B)/preload-test/target_check.o $(B)/preload-test/readable.o
OBJECTS      := $(SOURCES:%.c=$(B)/%.o) $(TARGET_CHECK)
SHIM_OBJECTS := $(patsubst %.c,$(B)/%.o,$(wildcard preload/*.c))
BPF_OBJECTS  := $(patsubst bpf/%.bpf.c,$(BPF_B)/%.o,$(wildcard bpf/*.bpf.c))
SKELETON     := $(BPF_B)/startline.skel.h
UNIT_TESTS   := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
WORKLOADS    := $(patsubst tests/workloads/%,build/workloads/%,$(basename $(wildcard tests/workloads/*.c tests/workloads/*.cc)))
TEST_TOOLS   := $(patsubst %.c,$(B)/%,$(wildcard tests/tools/*.c))
FUZZERS      := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
MAN_PAGES    := $(patsubst docs/man/%.md,build/man/%,$(wildcard docs/man/*.md))

PROGRAM := $(B)/startline
SHIM    := $(B)/libstartline.so

# --- flags -----------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wundef -Wvla -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings \
	-Wformat=2 -Wswitch-enum -Wimplicit-fallthrough -Wnull-dereference -Wconversion \
	-Wno-sign-conversion $(if $(filter 1,$(WERROR)),-Werror)

PACKAGES      := libelf libdw liblzma zlib libcjson libmd sqlite3 yaml-0.1 expat $(if $(filter 0,$(BPF)),,libbpf)
PACKAGE_FLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
# Has no description for pkg-config.
PACKAGE_LIBS  := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null) -liberty

ifeq ($(SAN),)
MODE_CFLAGS  := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
MODE_LDFLAGS := -Wl,-z,relro,-z,now
else
MODE_CFLAGS  := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
MODE_LDFLAGS := -fsanitize=$(SAN)
endif

COMMON_CFLAGS := -std=gnu17 -D_GNU_SOURCE -I. $(WARNINGS) -MMD -MP
PROGRAM_CFLAGS = $(COMMON_CFLAGS) $(MODE_CFLAGS) $(PACKAGE_FLAGS) \
	-DSTARTLINE_VERSION='"$(VERSION)"' $(CFLAGS)

# The shim runs inside other people's programs: no libc start-up, no stack protector (its canary
# lives in a TLS the program may not have set up), no sanitizer, whatever the rest is built with.
# gcc, because this set of flags is what the tests prove. Words that were just stored one by one are not to be loaded
# two at a time: that waits until they have left the store buffer.
SHIM_CC     ?= gcc
SHIM_CFLAGS := $(COMMON_CFLAGS) -O2 -g -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-plt \
	-ffreestanding -fno-stack-protector -U_FORTIFY_SOURCE -fno-tree-loop-distribute-patterns \
	-fno-tree-vectorize -fasynchronous-unwind-tables
# initfirst: before the program's preinit functions and all constructors, which are not to see what
# brought the shim. noseparate-code and norelro save the loader two mappings and a system call in every process.
SHIM_LDFLAGS := -shared -nostdlib -Wl,--version-script=preload/exports.map -Wl,-z,defs \
	-Wl,-Bsymbolic -Wl,-z,now -Wl,-z,nodelete -Wl,-z,initfirst -Wl,-z,noseparate-code -Wl,-z,norelro \
	-Wl,--hash-style=gnu -Wl,-soname,libstartline.so -Wl,-T,preload/layout.ld

# ms-extensions: a struct may begin with the members of another one.
# Debian keeps asm/types.h below the multiarch directory, where -target bpf does not look. Headers of
# Linux 5.15 lack futex_waitv.
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -D__NR_futex_waitv=449 -I. -Wall -Wextra -Wno-unused-parameter \
	-fms-extensions -Wno-microsoft-anon-tag \
	$(if $(filter 1,$(WERROR)),-Werror) \
	-idirafter /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null) -MMD -MP

# --- building --------------------------------------------------------------------------------

.PHONY: all
all: $(PROGRAM) $(SHIM) man

$(PROGRAM): $(OBJECTS) $(B)/flags | $(DEPS)
	$(call say,LD,$@)
	$(Q)$(CC) $(MODE_LDFLAGS) $(LDFLAGS) -o $@ $(OBJECTS) $(PACKAGE_LIBS) -lm

$(B)/userspace/%.o: userspace/%.c $(B)/flags | $(DEPS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PROGRAM_CFLAGS) -c -o $@ $<

# -isystem: the skeleton is generated and does not know our warnings.
SKELETON_USERS := $(if $(filter 0,$(BPF)),,$(filter $(B)/userspace/collect/bpf/%.o,$(OBJECTS)))
$(SKELETON_USERS): PROGRAM_CFLAGS += -isystem $(BPF_B)
$(SKELETON_USERS): $(SKELETON)

$(SHIM): $(SHIM_OBJECTS) preload/exports.map preload/layout.ld
	$(call say,LD,$@)
	$(Q)$(SHIM_CC) $(SHIM_LDFLAGS) -o $@ $(SHIM_OBJECTS)
	$(Q)if readelf -d $@ | grep NEEDED; then echo '$@: must not need other libraries' >&2; exit 1; fi

$(B)/preload/%.o: preload/%.c $(B)/flags
	$(call say,SHIM,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(SHIM_CC) $(SHIM_CFLAGS) -c -o $@ $<

$(BPF_B)/%.o: bpf/%.bpf.c | $(DEPS)
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

$(BPF_B)/startline.bpf.o: $(BPF_OBJECTS)
	$(call say,BPFLD,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKELETON): $(BPF_B)/startline.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name startline_bpf >$@

# Changes when the flags do, so that BPF=0, CFLAGS= and the like rebuild what they concern.
FLAGS_NOW = $(CC) $(PROGRAM_CFLAGS) $(LDFLAGS) $(SHIM_CC) $(SHIM_CFLAGS) BPF=$(BPF)
$(B)/flags: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' $(call quoted,$(FLAGS_NOW)) >$@.new; \
	if cmp -s $@ $@.new; then rm $@.new; else mv $@.new $@; fi
quoted = '$(subst ','\'',$(1))'

# Says which package is missing, before a compiler says something less helpful.
CHECK_DEPS = BPF=$(BPF) BPFTOOL='$(BPFTOOL)' CLANG='$(CLANG)' tools/check-deps '$(CC)' $(PACKAGES)
$(DEPS): Makefile tools/check-deps tools/find-bpftool
	$(Q)mkdir -p $(@D)
	$(Q)$(CHECK_DEPS)
	$(Q)touch $@

# --- unit tests ------------------------------------------------------------------------------
# tests/unit/test_<folder>_<file>.c is linked with the layers that <folder> may use, and no more.

LAYERS_base    := base
LAYERS_trace   := trace base
LAYERS_stacks  := stacks base
LAYERS_collect := collect stacks trace base
LAYERS_model   := model trace base
LAYERS_gate    := gate model trace base
LAYERS_foreign := foreign model trace base
LAYERS_store   := store foreign model trace base
LAYERS_view    := view gate model trace base
LAYERS_cmd     := cmd view store foreign gate model collect stacks trace base
LAYERS_preload := preload stacks base

layers_of   = $(LAYERS_$(firstword $(subst _, ,$(1))))
archives_of = $(foreach layer,$(layers_of),$(if $(wildcard $(if $(filter preload,$(layer)),,userspace/)$(layer)),$(B)/lib/$(layer).a))
helpers_of  = $(if $(filter trace,$(layers_of)),$(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.c)))
CMOCKA_LIBS = $(shell $(PKG_CONFIG) --libs cmocka)

$(B)/tests/unit/test_%: $(B)/tests/unit/test_%.o $$(call helpers_of,$$*) $$(call archives_of,$$*)
	$(call say,LD,$@)
	$(Q)$(CC) $(MODE_LDFLAGS) $(LDFLAGS) -o $@ $< $(call helpers_of,$*) -Wl,--start-group \
		$(call archives_of,$*) -Wl,--end-group $(PACKAGE_LIBS) $(CMOCKA_LIBS) -lm -pthread

# Programs that end-to-end tests call: they may use all that prints and stores.
LAYERS_tools := view gate store foreign model stacks trace base
$(B)/tests/tools/%: $(B)/tests/tools/%.o $$(call archives_of,tools)
	$(call say,LD,$@)
	$(Q)$(CC) $(MODE_LDFLAGS) $(LDFLAGS) -o $@ $< -Wl,--start-group $(call archives_of,tools) \
		-Wl,--end-group $(PACKAGE_LIBS) -lm

$(B)/tests/%.o: tests/%.c $(B)/flags | $(DEPS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PROGRAM_CFLAGS) -c -o $@ $<

# cmocka does not tell the compiler that a failed assertion does not return.
$(B)/tests/%.o: PROGRAM_CFLAGS += -Wno-null-dereference

# The interposed functions and the constructor stay out: a test is not to be its own target.
PRELOAD_TESTED := $(filter-out preload/hooks%.c preload/shim.c,$(wildcard preload/*.c))

$(B)/lib/collect.a: $(TARGET_CHECK)
$(B)/lib/preload.a: $(PRELOAD_TESTED:preload/%.c=$(B)/preload-test/%.o)
$(B)/lib/%.a: $$(filter-out $(B)/userspace/cmd/main.o,$$(filter $(B)/userspace/$$*/$$(PERCENT),$$(OBJECTS)))
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) qcs $@ $^
PERCENT := %

$(B)/preload-test/%.o: preload/%.c $(B)/flags | $(DEPS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PROGRAM_CFLAGS) -ftls-model=initial-exec -c -o $@ $<

# --- workloads: programs with known answers, for the end-to-end tests -------------------------

.PHONY: workloads
workloads: $(WORKLOADS) $(TEST_TOOLS)

define BUILD_WORKLOAD
	$(call say,WORKLOAD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)tools/build-workload $< $@
endef

build/workloads/%: tests/workloads/%.c $(wildcard tests/workloads/*.h) tools/build-workload
	$(BUILD_WORKLOAD)

build/workloads/%: tests/workloads/%.cc tools/build-workload
	$(BUILD_WORKLOAD)

# --- testing ---------------------------------------------------------------------------------

.PHONY: test test-unit test-e2e test-rest test-all unit-tests corpus live kernels distros demo demo-build
# In parallel, unless the caller has said how.
SUBMAKE_COMMAND = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
SUBMAKE = +$(Q)$(SUBMAKE_COMMAND)

test:
	$(Q)tools/setup --for test
	$(SUBMAKE) all workloads unit-tests
	$(SUBMAKE) unit-tests SAN=address,undefined
	$(SUBMAKE) fuzzers $(FUZZ_BUILD)
	$(Q)tools/run-tests --unit build --unit build-address-undefined --fuzz $(FUZZ_B) --e2e tests/e2e

test-unit: unit-tests
	$(Q)tools/run-tests --unit $(B)

test-e2e: all workloads
	$(Q)tools/run-tests --e2e tests/e2e

# What takes longer or needs more packages than `make test`.
test-rest:
	$(Q)tools/setup --for test-all
	$(SUBMAKE) all workloads unit-tests
	$(SUBMAKE) unit-tests SAN=thread
	$(SUBMAKE) all BPF=0 B=build-without-bpf
	$(Q)tools/run-tests --unit build-thread --e2e tests/corpus

# `live` by itself, since it asks for a machine that does nothing else.
test-all:
	$(SUBMAKE) test
	$(SUBMAKE) test-rest
	$(SUBMAKE) live

unit-tests: $(UNIT_TESTS)

corpus: all workloads unit-tests
	$(Q)tools/run-tests --e2e tests/corpus

# What ab claims, on this machine: LIVE comparisons of programs with themselves, and planted
# differences. Ten minutes on two processors; make live LIVE=20. What was planted in code takes
# another ten (LIVE_PLANTED=20), comparisons beside busy loops too (LIVE_BUSY=20), and what check catches of seven kinds of change half an hour (LIVE_GATE=10).
LIVE ?= 200
export LIVE
live: all
	$(Q)tools/setup --for demo
	$(Q)tools/run-tests --e2e tests/live

# In roots of other distributions, as root; some minutes each. make distros DISTROS="trixie"
distros:
	$(Q)tools/setup --for distros
	$(Q)tools/distros $(DISTROS)

# In virtual machines; some minutes for each kernel. make kernels KERNELS="bookworm trixie"
kernels:
	$(Q)tools/setup --for kernels
	$(SUBMAKE) all workloads
	$(Q)tools/kernels $(KERNELS)

demo:
	$(Q)tools/setup --for demo
	$(SUBMAKE) demo-build
	$(Q)tools/demo

# Without kernel probes where only they cannot be built (a distribution whose libbpf is too old).
demo-build:
	+$(Q)bpf=$(BPF); $(CHECK_DEPS); case $$? in 0) ;; 3) bpf=0; echo 'startline: building with BPF=0' ;; *) exit 1 ;; esac; \
	$(SUBMAKE_COMMAND) all BPF=$$bpf

.PHONY: lint format bench fuzz fuzzers
lint: $(if $(filter 0,$(BPF)),,$(SKELETON))
	$(Q)tools/lint

format:
	$(Q)tools/format

# make bench ROWS="malloc storm" ROUNDS=5 BENCH_FLAGS='--markdown FILE'
ROUNDS ?= 9
BENCHES := $(patsubst tests/bench/%.c,build/bench/%,$(filter-out %/passthrough.c %/empty.c $(if $(filter 0,$(BPF)),%/empty_probes.c),$(wildcard tests/bench/*.c)))
bench: all $(BENCHES) build/bench/passthrough.so build/bench/empty.so
	$(Q)tools/bench --rounds $(ROUNDS) $(BENCH_FLAGS) $(ROWS)

build/bench/empty.so: COMMON_CFLAGS += -nostdlib
build/bench/%.so: tests/bench/%.c
	$(call say,BENCH,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(COMMON_CFLAGS) -O2 -shared -fPIC -o $@ $<

build/bench/empty_probes: BENCH_LIBS := $(PACKAGE_LIBS)
build/bench/unwind_cost: BENCH_LIBS := build/lib/stacks.a build/lib/base.a $(PACKAGE_LIBS)
build/bench/unwind_cost: build/lib/stacks.a build/lib/base.a
build/bench/%: tests/bench/%.c
	$(call say,BENCH,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(COMMON_CFLAGS) -O2 -pthread -o $@ $< $(BENCH_LIBS)

# Each fuzzer runs so long; in the tests less (tools/run-tests).
FUZZ_SECONDS ?= 60
# What libbpf makes of options is an extension of C that clang tells of.
FUZZ_BUILD := CC=clang CFLAGS=-Wno-gnu-statement-expression SAN=fuzzer-no-link,address,undefined
FUZZ_B     := build-fuzzer-no-link-address-undefined
fuzz:
	$(SUBMAKE) fuzzers $(FUZZ_BUILD)
	$(Q)tools/fuzz $(FUZZ_B) $(FUZZ_SECONDS)

fuzzers: $(FUZZERS)

$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $$(call helpers_of,$$*) $$(call archives_of,$$*)
	$(call say,LD,$@)
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined $(LDFLAGS) -o $@ $< $(call helpers_of,$*) \
		-Wl,--start-group $(call archives_of,$*) -Wl,--end-group $(PACKAGE_LIBS) -lm

# --- installing ------------------------------------------------------------------------------

.PHONY: man install uninstall clean help
man: $(MAN_PAGES)

build/man/%: docs/man/%.md tools/md2man
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)tools/md2man '$(VERSION)' $< >$@

# What is there, so that `sudo make install` after `make` leaves nothing of root's in build/.
install:
	$(Q)tools/install '$(B)' '$(DESTDIR)$(PREFIX)'

uninstall:
	$(Q)tools/install --remove '$(B)' '$(DESTDIR)$(PREFIX)'

clean:
	rm -rf build build-*

help:
	@echo 'make               build/startline and build/libstartline.so'
	@echo 'make demo          install what is missing, build, profile a real server'
	@echo 'make test          install what the tests need, build, run the tests'
	@echo 'make test-unit, test-e2e, test-all, lint, format, fuzz, bench'
	@echo 'make live          false alarms and misses of ab and check on this machine (LIVE=200)'
	@echo 'make kernels       checks under other kernels, in virtual machines'
	@echo 'make distros       builds and runs the demo on other distributions, in chroots'
	@echo 'make install       what is built; uninstall: PREFIX=$(PREFIX) DESTDIR='
	@echo 'make clean'
	@echo 'Variables: V=1 BPF=0 SAN=address,undefined SAN=thread WERROR=1'

.PHONY: FORCE
FORCE:

-include $(OBJECTS:.o=.d) $(SHIM_OBJECTS:.o=.d) $(BPF_OBJECTS:.o=.d) $(UNIT_TESTS:=.d) $(TEST_TOOLS:=.d) $(FUZZERS:=.d)
-include $(PRELOAD_TESTED:preload/%.c=$(B)/preload-test/%.d)

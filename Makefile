# SPDX-License-Identifier: Apache-2.0
#
# make          build/chop and its links
# make demo     install what is missing, build, cut a region out of xz, verify it
# make check    install what is missing, build, run all tests; ONLY="WORD..." for some
# make bench    print the figures, side by side with their baselines
# make fuzz     fuzz each target for FUZZ_SECONDS (60); ONLY="NAME..." for some
# make corpus   regions of real programs: captured, built, verified; ONLY="PROGRAM..."
# make large    the same for LibreOffice and Chromium
# make slow     tests that need 10 GB of memory, or minutes
# make oracle   memory traces of real programs against single-stepping; ONLY="PROGRAM..."
# make lint     formatting, layers, house rules, clang; make format formats
# make install  to $(DESTDIR)$(PREFIX); make uninstall
# make SAN=1    the same under AddressSanitizer and UndefinedBehaviorSanitizer, in build/san
# make deps     install what is missing to build, test, demonstrate and measure
#
# Sources are found by wildcard: a new file needs no line here.

ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
SCDOC ?= scdoc
ARCH ?= x86_64
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60

# One short line for each thing that is built; V=1 shows the commands.
ifdef V
run = $(2)
else
run = @printf '  %-8s %s\n' '$(1)' '$@'; $(2)
endif

ifdef SAN
B := build/san
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
else
B := build
endif

VERSION := $(shell cat mk/version.txt)
PACKAGES := libelf libdw libzstd zlib libbpf jansson zydis

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes
CFLAGS ?= -O2 -g
COMMON_CFLAGS = -std=c17 $(WARN) -D_GNU_SOURCE -Isrc -Iinclude -I$(B)/gen $(LIB_CFLAGS)
ALL_CFLAGS = $(COMMON_CFLAGS) $(CFLAGS) $(SANFLAGS) -MMD -MP
AS_CFLAGS = -D__ASSEMBLY__ -Isrc -Iinclude -I$(B)/gen -MMD -MP
ALL_LDFLAGS = $(LDFLAGS) $(SANFLAGS)
LDLIBS = $(B)/libchop.a $(LIB_LIBS) -lm -lpthread

# Written by mk/config.sh: LIB_CFLAGS, LIB_LIBS, HAVE_BPF, HAVE_FUZZER. Not needed to install
# what it probes for, nor to clean up.
ifneq ($(filter-out deps demo check bench corpus large slow oracle fuzz clean format lint,$(or $(MAKECMDGOALS),all)),)
include $(B)/config.mk
endif

SRC := $(filter-out src/main.c src/arch/%,$(wildcard src/*/*.c)) \
	$(wildcard src/arch/*.c src/arch/$(ARCH)/*.c src/arch/$(ARCH)/*.S) $(wildcard src/*/*.S)
OBJ := $(patsubst %,$(B)/%.o,$(basename $(SRC)))
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/*_test.c))
PROG := $(patsubst tests/prog/%.c,$(B)/tests/prog/%,$(wildcard tests/prog/*.c)) \
	$(patsubst tests/prog/%.cc,$(B)/tests/prog/%,$(wildcard tests/prog/*.cc))
BENCH := $(patsubst bench/%.c,$(B)/bench/%,$(wildcard bench/*.c))
# Fuzz targets have sanitizers of their own.
FUZZ := $(if $(SAN),,$(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c)))
MAN := $(patsubst docs/%.scd,$(B)/man/%,$(wildcard docs/*.scd))
LINKS := $(filter chop-% catcher,$(shell awk -F'[ \t]*[|][ \t]*' '/^[a-z]/ && NF >= 4 && $$2 != "-" { gsub(",", " ", $$2); print $$2 }' commands.txt))
COMPLETIONS := $(B)/completion/chop.bash $(B)/completion/_chop

.PHONY: all all-tests deps demo check bench lint format clean man fuzz fuzz-built corpus large slow oracle \
	clang-check completions install uninstall
.DELETE_ON_ERROR:
.SECONDARY:
all: $(B)/chop $(addprefix $(B)/,$(LINKS))

$(B)/config.mk: mk/config.sh mk/packages.txt
	@mkdir -p $(@D)
	$(call run,PROBE,mk/config.sh "$(PACKAGES)" "$(CC)" "$(CLANG)" "$(BPFTOOL)" >$@)

$(B)/gen/commands.inc: commands.txt mk/commands.awk
	@mkdir -p $(@D)
	$(call run,GEN,awk -f mk/commands.awk commands.txt >$@)

$(B)/gen/version.h: mk/version.txt
	@mkdir -p $(@D)
	@echo '#define CHOP_VERSION "$(VERSION)"' >$@

# Modules add their own generated files and special rules here.
-include $(wildcard mk/rules/*.mk)

GEN += $(B)/gen/commands.inc $(B)/gen/version.h

# Other flags or another compiler make the objects out of date.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS)' >$@
.PHONY: FORCE

$(B)/%.o: %.c $(B)/flags | $(GEN)
	@mkdir -p $(@D)
	$(call run,CC,$(CC) $(ALL_CFLAGS) -c $< -o $@)

$(B)/%.o: %.S | $(GEN)
	@mkdir -p $(@D)
	$(call run,AS,$(CC) $(AS_CFLAGS) -c $< -o $@)

$(B)/libchop.a: $(OBJ)
	@rm -f $@
	$(call run,AR,$(AR) rcs $@ $^)

$(B)/chop: $(B)/src/main.o $(B)/libchop.a
	$(call run,LINK,$(CC) $(ALL_LDFLAGS) $< $(LDLIBS) -o $@)

$(addprefix $(B)/,$(LINKS)): $(B)/chop
	@ln -sf chop $@

# -- tests -----------------------------------------------------------------------------

$(B)/tests/unit/%: tests/unit/%.c $(B)/libchop.a
	@mkdir -p $(@D)
	$(call run,TEST,$(CC) $(ALL_CFLAGS) -Itests/unit $(ALL_LDFLAGS) $< $(LDLIBS) -lcmocka $($*-LIBS) -o $@)

# Target programs: plain C, flags of their own in a first line `// flags: ...`.
PROG_CFLAGS = -g -O1 -Wall -Iinclude -MMD -MP -MF $@.d -MT $@ -o $@ $< \
	$$(sed -n 's|^// flags: ||p;q' $<)

$(B)/tests/prog/%: tests/prog/%.c
	@mkdir -p $(@D)
	$(call run,PROG,$(CC) $(PROG_CFLAGS))

$(B)/tests/prog/%: tests/prog/%.cc
	@mkdir -p $(@D)
	$(call run,PROG,$(CXX) $(PROG_CFLAGS))

$(B)/bench/%: bench/%.c $(B)/libchop.a
	@mkdir -p $(@D)
	$(call run,BENCH,$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $< $(LDLIBS) -o $@)

# Fuzz targets: libFuzzer and a library of their own where clang has its runtime, else a
# program that replays the corpus. Both take the same arguments from tests/fuzz/run.sh.
ifdef HAVE_FUZZER
FUZZ_CFLAGS = $(COMMON_CFLAGS) -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined
FUZZ_OBJ := $(patsubst $(B)/%,$(B)/fuzz/%,$(OBJ))

$(B)/fuzz/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(call run,CLANG,$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@)

$(B)/fuzz/%.o: %.S | $(GEN)
	@mkdir -p $(@D)
	$(call run,CLANG,$(CLANG) $(AS_CFLAGS) -c $< -o $@)

$(B)/fuzz/libchop.a: $(FUZZ_OBJ)
	@rm -f $@
	$(call run,AR,$(AR) rcs $@ $^)

$(B)/tests/fuzz/%_fuzz: tests/fuzz/%_fuzz.c $(B)/fuzz/libchop.a
	@mkdir -p $(@D)
	$(call run,FUZZ,$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer -MMD -MP -MF $@.d -MT $@ $< \
		$(B)/fuzz/libchop.a $(LIB_LIBS) -lm -lpthread -o $@)
else
$(B)/tests/fuzz/%_fuzz: tests/fuzz/%_fuzz.c tests/fuzz/replay.c $(B)/libchop.a
	@mkdir -p $(@D)
	$(call run,FUZZ,$(CC) $(COMMON_CFLAGS) $(CFLAGS) $(ALL_LDFLAGS) $< tests/fuzz/replay.c \
		$(LDLIBS) -o $@)
endif

# Everything once more by clang, without code, as errors.
clang-check: $(GEN)
	@status=0; for file in src/main.c $(filter %.c,$(SRC)) $(wildcard tests/unit/*.c bench/*.c); do \
		$(CLANG) $(COMMON_CFLAGS) -Itests/unit -Werror -fsyntax-only $$file || status=1; \
	done; exit $$status

# -- documentation, completion, installation ---------------------------------------------

$(B)/man/%: docs/%.scd
	@mkdir -p $(@D)
	$(call run,MAN,$(SCDOC) <$< >$@)

$(B)/man/chop.1: docs/chop.1.scd commands.txt mk/manual.awk
	@mkdir -p $(@D)
	$(call run,MAN,awk -f mk/manual.awk commands.txt docs/chop.1.scd | $(SCDOC) >$@)

man: $(MAN)

# From commands.txt and what each command says of its options.
$(B)/completion/%: mk/completions.sh $(B)/chop commands.txt
	@mkdir -p $(@D)
	$(call run,GEN,mk/completions.sh $(B)/chop $* >$@)

completions: $(COMPLETIONS)

include mk/install.mk

# -- what people call; these install what they need first ----------------------------------

deps:
	@mk/deps.sh build test demo bench

# What fails to build says so; a build that works is not worth three screens of text.
BUILD_QUIETLY = log=$$(mktemp) && $(MAKE) --no-print-directory $(1) >$$log 2>&1 || \
	{ cat $$log; rm -f $$log; exit 1; }; rm -f $$log
JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

demo:
	@mk/deps.sh build demo
	@$(call BUILD_QUIETLY,$(JOBS) all)
	@examples/demo.sh $(B)

check:
	@mk/deps.sh build test
	@$(MAKE) --no-print-directory $(JOBS) all-tests
	@tests/run.sh $(B) $(ONLY)

all-tests: all $(UNIT) $(PROG) $(FUZZ) $(if $(SAN),,$(BENCH)) $(MAN) $(COMPLETIONS)

# Regions of real programs, captured, built and verified: minutes, and packages by the dozen.
corpus:
	@mk/deps.sh build corpus
	@$(call BUILD_QUIETLY,$(JOBS) all)
	@tests/corpus/run.sh $(B) $(ONLY)

# The same for programs of another size: an office suite and a browser, 300 MB to download.
large:
	@mk/deps.sh build large
	@$(call BUILD_QUIETLY,$(JOBS) all)
	@SET=large tests/corpus/run.sh $(B) $(ONLY)

# The tests of much memory, with more of it.
slow:
	@mk/deps.sh build test
	@$(call BUILD_QUIETLY,$(JOBS) all $(PROG))
	@RESIDENT_MB=10240 SCATTERED=200000 TEST_TIMEOUT=900 tests/run.sh $(B) replay/capture_large

# Memory traces of real programs, record for record against single-stepping: minutes as well.
oracle:
	@mk/deps.sh build corpus
	@$(call BUILD_QUIETLY,$(JOBS) all $(B)/bench/mem_oracle)
	@tests/corpus/oracle.sh $(B) $(ONLY)

bench:
	@mk/deps.sh build test bench
	@$(call BUILD_QUIETLY,$(JOBS) all $(PROG) $(BENCH))
	@bench/run.sh $(B) $(ONLY)

fuzz:
	@mk/deps.sh build test
	@$(MAKE) --no-print-directory $(JOBS) fuzz-built

fuzz-built: $(FUZZ)
	@tests/fuzz/run.sh $(B) --seconds $(FUZZ_SECONDS) $(or $(ONLY),$(patsubst $(B)/tests/fuzz/%_fuzz,%,$(FUZZ)))

lint:
	@mk/deps.sh build test
	mk/check-format.sh
	mk/check-layers.sh
	mk/check-style.sh
	@$(MAKE) --no-print-directory clang-check

format:
	mk/check-format.sh -i

clean:
	rm -rf build

-include $(OBJ:.o=.d) $(B)/src/main.d $(addsuffix .d,$(UNIT) $(PROG) $(BENCH) $(FUZZ)) $(FUZZ_OBJ:.o=.d)

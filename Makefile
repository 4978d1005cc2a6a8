# SPDX-License-Identifier: Apache-2.0
#
# make          build/chop and its links
# make demo     install what is missing, build, cut a region out of xz, verify it
# make check    install what is missing, build, run all tests
# make bench    print the figures, side by side with their baselines
# make SAN=1    the same under AddressSanitizer and UndefinedBehaviorSanitizer, in build/san
#
# Sources are found by wildcard: a new file needs no line here.

ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
ARCH ?= x86_64
PREFIX ?= /usr/local
DESTDIR ?=

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
ALL_CFLAGS = -std=c17 $(WARN) $(CFLAGS) $(SANFLAGS) -D_GNU_SOURCE -Isrc -Iinclude -I$(B)/gen \
	$(LIB_CFLAGS) -MMD -MP
ALL_LDFLAGS = $(LDFLAGS) $(SANFLAGS)
LDLIBS = $(B)/libchop.a $(LIB_LIBS) -lm -lpthread

# Written by mk/config.sh: LIB_CFLAGS, LIB_LIBS, HAVE_BPF.
-include $(B)/config.mk

SRC := $(filter-out src/main.c src/arch/%,$(wildcard src/*/*.c)) \
	$(wildcard src/arch/*.c src/arch/$(ARCH)/*.c src/arch/$(ARCH)/*.S) $(wildcard src/*/*.S)
OBJ := $(patsubst %,$(B)/%.o,$(basename $(SRC)))
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/*_test.c))
PROG := $(patsubst tests/prog/%.c,$(B)/tests/prog/%,$(wildcard tests/prog/*.c)) \
	$(patsubst tests/prog/%.cc,$(B)/tests/prog/%,$(wildcard tests/prog/*.cc))
BENCH := $(patsubst bench/%.c,$(B)/bench/%,$(wildcard bench/*.c))
LINKS := $(shell awk -F'[ \t]*[|][ \t]*' '!/^\#/ && NF >= 4 && $$2 != "-" { gsub(",", " ", $$2); print $$2 }' commands.txt)

.PHONY: all deps demo check check-built bench lint format format-check install clean man fuzz corpus
.DELETE_ON_ERROR:
.SECONDARY:
all: $(B)/chop $(addprefix $(B)/,$(LINKS))

$(B)/config.mk: mk/config.sh mk/packages.txt
	@mkdir -p $(@D)
	mk/config.sh "$(PACKAGES)" "$(CC)" "$(CLANG)" "$(BPFTOOL)" >$@

$(B)/gen/commands.inc: commands.txt mk/commands.awk
	@mkdir -p $(@D)
	awk -f mk/commands.awk commands.txt >$@

$(B)/gen/version.h: mk/version.txt
	@mkdir -p $(@D)
	echo '#define CHOP_VERSION "$(VERSION)"' >$@

# Modules add their own generated files and special rules here.
-include $(wildcard mk/rules/*.mk)

GEN += $(B)/gen/commands.inc $(B)/gen/version.h

$(B)/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c $< -o $@

$(B)/%.o: %.S | $(GEN)
	@mkdir -p $(@D)
	$(CC) -D__ASSEMBLY__ -Isrc -Iinclude -I$(B)/gen -MMD -MP -c $< -o $@

$(B)/libchop.a: $(OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/chop: $(B)/src/main.o $(B)/libchop.a
	$(CC) $(ALL_LDFLAGS) $< $(LDLIBS) -o $@

$(addprefix $(B)/,$(LINKS)): $(B)/chop
	ln -sf chop $@

$(B)/tests/unit/%: tests/unit/%.c $(B)/libchop.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Itests/unit $(ALL_LDFLAGS) $< $(LDLIBS) -lcmocka $($*-LIBS) -o $@

# Target programs: plain C, flags of their own in a first line `// flags: ...`.
$(B)/tests/prog/%: tests/prog/%.c
	@mkdir -p $(@D)
	$(CC) -g -O1 -Wall -Iinclude -MMD -MP -o $@ $< $$(sed -n 's,^// flags: ,,p;q' $<)

$(B)/tests/prog/%: tests/prog/%.cc
	@mkdir -p $(@D)
	$(CXX) -g -O1 -Wall -Iinclude -MMD -MP -o $@ $< $$(sed -n 's,^// flags: ,,p;q' $<)

$(B)/bench/%: bench/%.c $(B)/libchop.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $< $(LDLIBS) -o $@

deps:
	@mk/deps.sh build

demo:
	@mk/deps.sh build demo
	@$(MAKE) --no-print-directory -j2 all >build-demo.log 2>&1 || { cat build-demo.log; rm -f build-demo.log; exit 1; }
	@rm -f build-demo.log
	@examples/demo.sh $(B)

check:
	@mk/deps.sh build test
	@$(MAKE) --no-print-directory -j2 check-built

check-built: all $(UNIT) $(PROG)
	@tests/run.sh $(B) $(ONLY)

bench:
	@mk/deps.sh build test bench
	@$(MAKE) --no-print-directory -j2 all $(PROG) $(BENCH)
	@bench/run.sh $(B)

lint: format-check
	mk/check-layers.sh
	mk/check-style.sh

format:
	mk/check-format.sh -i
format-check:
	mk/check-format.sh

clean:
	rm -rf build

-include $(OBJ:.o=.d) $(B)/src/main.d $(addsuffix .d,$(UNIT) $(PROG) $(BENCH))

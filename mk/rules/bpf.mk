# SPDX-License-Identifier: Apache-2.0
# BPF programs: bpf/NAME.bpf.c -> object -> skeleton build/gen/NAME.skel.h. Without clang or
# bpftool (HAVE_BPF empty) the sources that use them compile to "not built in".
BPF_NAMES := $(patsubst bpf/%.bpf.c,%,$(wildcard bpf/*.bpf.c))
BPF_INCLUDES := -Ibpf -Iinclude -idirafter /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)
BPF_ARCH_x86_64 := x86
BPF_FLAGS := -g -O2 -Wall -Wextra -Wno-unused-parameter -target bpf -D__TARGET_ARCH_$(BPF_ARCH_$(ARCH))

ifeq ($(HAVE_BPF),1)
COMMON_CFLAGS += -DHAVE_BPF=1
GEN += $(BPF_NAMES:%=$(B)/gen/%.skel.h)

# Atomic operations that return something: Linux 5.12.
$(B)/bpf/pages.bpf.o: BPF_FLAGS += -mcpu=v3

$(B)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call run,BPF,$(CLANG) $(BPF_FLAGS) $(BPF_INCLUDES) -MMD -MP -c $< -o $@)

# Without the debugging information only the compiler needed.
$(B)/bpf/%.o: $(B)/bpf/%.bpf.o
	$(call run,BPF,$(BPFTOOL) gen object $@ $<)

$(B)/gen/%.skel.h: $(B)/bpf/%.o
	@mkdir -p $(@D)
	$(call run,GEN,$(BPFTOOL) gen skeleton $< name $*_bpf >$@)

-include $(BPF_NAMES:%=$(B)/bpf/%.bpf.d)
endif

# SPDX-License-Identifier: Apache-2.0
# The freestanding runtime of snippets: flags of its own, its own linker script, and a
# check that nothing in it needs a loader. Embedded by src/snippet/embed.S.
RUNTIME_SRC := $(wildcard runtime/*.c runtime/$(ARCH)/*.c runtime/$(ARCH)/*.S)
RUNTIME_OBJ := $(patsubst %,$(B)/%.o,$(basename $(RUNTIME_SRC)))
# No sanitizers, no vector registers (the region's are live), no calls gcc invents beyond
# memcpy and memset (runtime/string.c), no tables of pointers (they need relocations).
RUNTIME_CFLAGS = -std=c17 $(WARN) -O2 -ffreestanding -fpie -fvisibility=hidden \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
	-fno-jump-tables -fno-tree-loop-distribute-patterns -mgeneral-regs-only \
	-ffunction-sections -Iruntime -Iinclude -I$(B)/gen -MMD -MP

# gcc turns a switch that returns strings into a table of pointers; clang knows no such flag.
RUNTIME_CFLAGS += $(if $(findstring clang,$(CC)),,-fno-tree-switch-conversion)

$(RUNTIME_OBJ): $(B)/gen/runtime_calls.inc

$(B)/runtime/%.o: runtime/%.c mk/rules/runtime.mk
	@mkdir -p $(@D)
	$(call run,RT,$(CC) $(RUNTIME_CFLAGS) -c $< -o $@)

$(B)/runtime/%.o: runtime/%.S mk/rules/runtime.mk
	@mkdir -p $(@D)
	$(call run,RT,$(CC) -Iruntime -Iinclude -MMD -MP -c $< -o $@)

# The kernel's system-call names, for messages: "read\0" "write\0" ... by number.
$(B)/gen/runtime_calls.inc: mk/runtime-calls.awk
	@mkdir -p $(@D)
	$(call run,GEN,echo '#include <asm/unistd.h>' | $(CC) -E -dM - | awk -f mk/runtime-calls.awk >$@)

RUNTIME_LDFLAGS = -nostdlib -pie -Wl,--no-dynamic-linker,-z,text,-z,noexecstack,--build-id=none \
	-Wl,--orphan-handling=error,-T,runtime/runtime.lds

$(B)/gen/runtime.elf: $(RUNTIME_OBJ) runtime/runtime.lds mk/check-runtime.sh
	$(call run,RTLINK,$(CC) $(RUNTIME_LDFLAGS) $(RUNTIME_OBJ) -o $@)
	@mk/check-runtime.sh $@

$(B)/src/snippet/embed.o: $(B)/gen/runtime.elf
$(B)/fuzz/src/snippet/embed.o: $(B)/gen/runtime.elf

-include $(RUNTIME_OBJ:.o=.d)

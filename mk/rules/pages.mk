# SPDX-License-Identifier: Apache-2.0
# The pager (runtime/pages): freestanding code that runs inside a traced program, linked to
# a flat piece without relocations and embedded by src/pages/pager_code.S.
PAGER_SRC := $(wildcard runtime/pages/*.c runtime/pages/$(ARCH)/*.S)
PAGER_OBJ := $(patsubst runtime/pages/%,$(B)/gen/pager/%.o,$(basename $(PAGER_SRC)))
PAGER_CFLAGS = -std=c17 $(WARN) -O2 -ffreestanding -fpie -fvisibility=hidden \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
	-fno-jump-tables -fno-tree-loop-distribute-patterns -mgeneral-regs-only \
	-Iruntime/pages -Iruntime/pages/$(ARCH) -Iinclude -MMD -MP

$(B)/gen/pager/%.o: runtime/pages/%.c mk/rules/pages.mk
	@mkdir -p $(@D)
	$(call run,RT,$(CC) $(PAGER_CFLAGS) -c $< -o $@)

$(B)/gen/pager/%.o: runtime/pages/%.S mk/rules/pages.mk
	@mkdir -p $(@D)
	$(call run,RT,$(CC) -Iinclude -MMD -MP -c $< -o $@)

PAGER_LDFLAGS = -nostdlib -pie -Wl,--no-dynamic-linker,-z,text,-z,noexecstack,--build-id=none \
	-Wl,-T,runtime/pages/pager.lds

$(B)/gen/pager.elf: $(PAGER_OBJ) runtime/pages/pager.lds
	$(call run,RTLINK,$(CC) $(PAGER_LDFLAGS) $(PAGER_OBJ) -o $@)

$(B)/gen/pager.bin: $(B)/gen/pager.elf
	$(call run,OBJCOPY,objcopy -O binary -j .text $< $@)

# What catcher preloads: an ordinary shared library, without a C library's headers.
CATCHER_FLAGS = -std=c17 $(WARN) -O2 -fPIC -shared -fvisibility=hidden -fno-builtin \
	-fno-stack-protector -nostdlib -Iruntime/pages/$(ARCH) -Iinclude \
	-Wl,-z,noexecstack,--build-id=none

$(B)/gen/catcher.so: runtime/pages/catcher/catcher.c include/chop/pager.h
	@mkdir -p $(@D)
	$(call run,RTLINK,$(CC) $(CATCHER_FLAGS) $< -o $@)

$(B)/gen/sites.so: runtime/pages/catcher/sites.c include/chop/pager.h
	@mkdir -p $(@D)
	$(call run,RTLINK,$(CC) $(CATCHER_FLAGS) $< -o $@)

$(B)/src/pages/pager_code.o: $(B)/gen/catcher.so $(B)/gen/sites.so
$(B)/fuzz/src/pages/pager_code.o: $(B)/gen/catcher.so $(B)/gen/sites.so
$(B)/src/pages/pager_code.o: $(B)/gen/pager.bin
$(B)/fuzz/src/pages/pager_code.o: $(B)/gen/pager.bin

-include $(PAGER_OBJ:.o=.d)

# SPDX-License-Identifier: Apache-2.0
# libchop-interpose.so (chop trace -interpose): preloaded into traced programs, so it needs
# nothing but the C library. No sanitizers, and none of the headers' inline functions: it
# defines them.
PRELOAD_SRC := $(wildcard preload/*.c preload/$(ARCH).S)
PRELOAD_CFLAGS = -std=gnu17 $(WARN) -O2 -g -fPIC -D_GNU_SOURCE -U_FORTIFY_SOURCE -D__NO_INLINE__ \
	-fno-builtin -fvisibility=hidden -Ipreload
PRELOAD_LDFLAGS = -shared -Wl,-z,now,-z,noexecstack

all: $(B)/libchop-interpose.so

$(B)/libchop-interpose.so: $(PRELOAD_SRC) $(wildcard preload/*.h preload/*.inc) mk/rules/preload.mk
	@mkdir -p $(@D)
	$(call run,SO,$(CC) $(PRELOAD_CFLAGS) $(PRELOAD_LDFLAGS) $(PRELOAD_SRC) -o $@)

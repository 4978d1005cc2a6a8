# SPDX-License-Identifier: Apache-2.0
# The system-call tables: data/ to C.
SYSCALL_DATA := data/flags.tbl data/ioctl.tbl data/syscall-types.tbl data/syscalls-$(ARCH).tbl

$(B)/gen/calls_$(ARCH).inc: $(SYSCALL_DATA) mk/syscalls.awk
	@mkdir -p $(@D)
	$(call run,GEN,awk -f mk/syscalls.awk $(SYSCALL_DATA) >$@)

GEN += $(B)/gen/calls_$(ARCH).inc

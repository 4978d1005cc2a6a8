# SPDX-License-Identifier: Apache-2.0
# The system-call tables: data/ to C.
SYSCALL_DATA := data/flags.tbl data/ioctl.tbl data/syscall-types.tbl data/syscalls-$(ARCH).tbl

$(B)/gen/calls_$(ARCH).inc: $(SYSCALL_DATA) mk/syscalls.awk
	@mkdir -p $(@D)
	$(call run,GEN,awk -f mk/syscalls.awk $(SYSCALL_DATA) >$@)

# Declarations of the tables of names, call_names_NAME.
$(B)/gen/call_names.h: $(B)/gen/calls_$(ARCH).inc
	$(call run,GEN,sed -n 's/^const struct call_names \(call_names_[a-z0-9_]*\) .*/extern const struct call_names \1;/p' $< >$@)

GEN += $(B)/gen/calls_$(ARCH).inc $(B)/gen/call_names.h

/* SPDX-License-Identifier: Apache-2.0 */
/* The pager, built from runtime/pages, inside the tool. */
	.section .rodata, "a", @progbits
	.balign 64
	.globl pager_code, pager_code_end
pager_code:
	.incbin "pager.bin"
pager_code_end:
	.globl pager_catcher, pager_catcher_end
pager_catcher:
	.incbin "catcher.so"
pager_catcher_end:
	.globl pager_sites, pager_sites_end
pager_sites:
	.incbin "sites.so"
pager_sites_end:
	.section .note.GNU-stack, "", @progbits

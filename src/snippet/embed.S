/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime of snippets, built from runtime/, inside the tool. */
	.section .rodata, "a", @progbits
	.balign 64
	.globl snippet_runtime, snippet_runtime_end
snippet_runtime:
	.incbin "runtime.elf"
snippet_runtime_end:
	.section .note.GNU-stack, "", @progbits

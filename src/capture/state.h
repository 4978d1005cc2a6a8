/* SPDX-License-Identifier: Apache-2.0 */
/* A thread's state, and the pages that debuggers want beside it. */
#ifndef CAPTURE_STATE_H
#define CAPTURE_STATE_H

#include "store/capture.h"
#include "tracee/tracee.h"

/* The architecture's registers and extended state; 0 or -errno with a message. */
int state_read(const struct thread *thread, struct thread_state *state);
/*
 * The alternate signal stack: the call to make in the thread, with inject_buffer as its
 * buffer, and what it left there.
 */
struct arch_entry state_altstack_call(const struct tracee *tracee);
void state_altstack_read(const struct tracee *tracee, struct thread_state *state);
/* Area the kernel writes at any time for restartable sequences. */
void state_rseq(const struct thread *thread, struct capture *capture);

/*
 * Contents of pages that let a debugger find modules in the core file: ELF headers,
 * .dynamic sections, the link map and its names, the vdso. Taken before the memory is
 * armed, recorded afterwards when the region did not touch them.
 */
struct support {
	struct u64vec pages; /* addresses */
	uint8_t *contents;   /* of them, in order; in an arena of the capture */
};
void support_take(struct tracee *tracee, struct capture *capture, struct support *support);
/* Add those that are not in the capture; it is sorted then. */
void support_add(struct support *support, struct capture *capture);

/* vdso functions replaced by real system calls while a region runs. */
struct vdso_patch {
	uint64_t address;
	size_t size;
	uint8_t code[16], original[16];
};
struct vdso {
	uint64_t start, end;
	struct vdso_patch_vec VEC_BODY(struct vdso_patch) patches;
};
/* Find the functions; once for each program image. */
void vdso_init(struct vdso *vdso, const struct tracee *tracee);
/*
 * Before patching and before restoring: threads that stand inside what changes execute the few
 * instructions until they are out of it. All must be stopped.
 */
void vdso_step_out(const struct vdso *vdso, struct tracee *tracee);
void vdso_patch(const struct vdso *vdso, const struct tracee *tracee);
/* Record its pages as they are, patched: the region called it. */
void vdso_take(const struct vdso *vdso, const struct tracee *tracee, struct capture *capture);
void vdso_restore(const struct vdso *vdso, const struct tracee *tracee);
void vdso_release(struct vdso *vdso);

#endif

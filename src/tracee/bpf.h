/* SPDX-License-Identifier: Apache-2.0 */
/* What all users of BPF say and hide: libbpf's messages, and why programs cannot be loaded. */
#ifndef TRACEE_BPF_H
#define TRACEE_BPF_H

/* From now on what libbpf has to say goes to the log, for those who debug. */
void bpf_messages_to_log(void);

/* -ENOSYS with the message: this chop was built without. */
int bpf_not_built(void);

/* Loading failed with -error: the reason, and what to grant, is recorded; returns -errno. */
int bpf_refused(int error);

#endif

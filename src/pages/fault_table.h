/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of the threads' last page faults (chop/pager_fault.h), filled in by a BPF program:
 * which instruction a fault came from. Pagers map it and put the instruction into their
 * records. Of the thread that traces. Without BPF there is none: ip.h has the other way.
 */
#ifndef PAGES_FAULT_TABLE_H
#define PAGES_FAULT_TABLE_H

#include <stdint.h>
#include <sys/types.h>

/* NULL when it cannot be had (no right to BPF, kernel before 5.12, not built in). */
struct fault_table *fault_table_open(void);
/* All below but fault_table_send may be called with NULL: nothing happens. */
void fault_table_close(struct fault_table *table);

/* A number for a pager, until fault_table_drop_space; 0 when there are none left. */
uint32_t fault_table_add_space(struct fault_table *table);
void fault_table_drop_space(struct fault_table *table, uint32_t space);
/*
 * Send the table's descriptor through a socket (SOCK_DGRAM, AF_UNIX). 0 or -errno without a
 * message.
 */
int fault_table_send(const struct fault_table *table, int socket);
/* The faults of this process are for the pager `space`; 0: for none. */
void fault_table_watch(struct fault_table *table, pid_t process, uint32_t space);
void fault_table_forget_process(struct fault_table *table, pid_t process);
/* The thread, by its number in its own pid namespace, is gone: its place is free. */
void fault_table_forget(struct fault_table *table, uint32_t space, pid_t thread);

#endif

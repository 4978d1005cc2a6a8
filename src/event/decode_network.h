/* SPDX-License-Identifier: Apache-2.0 */
/* Parts the network decoders share. */
#ifndef EVENT_DECODE_NETWORK_H
#define EVENT_DECODE_NETWORK_H

#include "event/decode_print.h"

void dec_interface(struct decode *d, unsigned int index);
void dec_inet(struct decode *d, uint32_t address); /* network byte order */
void dec_inet6(struct decode *d, const void *address, const char *name);
void dec_hardware_address(struct decode *d, const uint8_t *bytes, size_t size);
void dec_sockaddr(struct decode *d, const uint8_t *data, size_t size);
void dec_sockaddr_at(struct decode *d, uint64_t address, uint64_t size);
/* A whole msg_control. */
void dec_control(struct decode *d, uint64_t address, uint64_t size);

/* The vector of a scatter or gather; `budget` bytes were moved, contents are shown or not. */
void dec_iovec(struct decode *d, uint64_t address, uint64_t count, uint64_t budget, bool contents);

/* getsockopt and setsockopt. */
void dec_getsockopt_enter(struct decode *d);
void dec_getsockopt_exit(struct decode *d);
void dec_setsockopt_enter(struct decode *d);

#endif

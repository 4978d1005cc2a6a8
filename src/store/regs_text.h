/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers as text, a line "NAME 0xVALUE" each: names of the architecture's manual in
 * capitals (RAX ..., ZMM0 or YMM0 or XMM0 ..., K0 ..., ST0 ..., MXCSR, FCW, FSW). ChopStiX's
 * regs.N and, behind an R, the registers of a Microprobe test file.
 */
#ifndef STORE_REGS_TEXT_H
#define STORE_REGS_TEXT_H

#include "base/buf.h"
#include "store/capture.h"

void regs_text_write(const struct thread_state *thread, struct buf *out);
/*
 * Read them back; registers that the text does not name have their usual values. 0, or
 * -EBADMSG with a message recorded: `file` is for it. *line receives the number of the line.
 */
int regs_text_read(const char *text, size_t length, const char *file, struct thread_state *thread);

#endif

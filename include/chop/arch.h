/* SPDX-License-Identifier: Apache-2.0 */
/* Selects the register layout; the only architecture #ifdef outside src/arch. */
#ifndef CHOP_ARCH_H
#define CHOP_ARCH_H

#if defined(__x86_64__)
#include <chop/arch_x86_64.h>
#else
#error "chop does not support this architecture yet"
#endif

#define CHOP_PAGE_SIZE 4096

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Selects the layout of the extended state, as arch.h does for the general registers. */
#ifndef CHOP_XSTATE_H
#define CHOP_XSTATE_H

#if defined(__x86_64__)
#include <chop/xstate_x86_64.h>
#else
#error "chop does not support this architecture yet"
#endif

#endif

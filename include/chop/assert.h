/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Layouts are checked when they are compiled, in C and in C++. */
#ifndef CHOP_ASSERT_H
#define CHOP_ASSERT_H

#ifdef __cplusplus
#define CHOP_STATIC_ASSERT(what, why) static_assert(what, why)
#else
#define CHOP_STATIC_ASSERT(what, why) _Static_assert(what, why)
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every unit test includes after its module's header: cmocka in the order it wants,
 * and a skip that gives its reason (tests/run.sh lists it).
 */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define skip_because(...)                   \
	do {                                \
		print_message(__VA_ARGS__); \
		print_message("\n");        \
		skip();                     \
	} while (0)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Set-up and tear-down of a group of tests that write files: they run in an empty directory
 * of their own, below $TMPDIR, which goes with all that is in it. From tests in there,
 * programs and files of the tree are only found by absolute names.
 */
#ifndef TEST_DIRECTORY_H
#define TEST_DIRECTORY_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "test.h"

static char test_directory[256];

static inline int enter_test_directory(void **state)
{
	const char *temporary = getenv("TMPDIR");

	(void)state;
	snprintf(test_directory, sizeof(test_directory), "%s/chop-unit.XXXXXX",
		 temporary ? temporary : "/tmp");
	return mkdtemp(test_directory) ? chdir(test_directory) : -1;
}

static inline int leave_test_directory(void **state)
{
	(void)state;
	if (chdir("/"))
		return -1;
	io_remove_tree(test_directory);
	return 0;
}

#endif

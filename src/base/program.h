/* SPDX-License-Identifier: Apache-2.0 */
/* Programs by name, as execvp(3) finds them, and what to say when one cannot be run. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

/*
 * The file that `name` stands for: itself when it has a slash, else the first executable
 * one of PATH. Owned; NULL with a message recorded when there is none that can be executed.
 */
char *program_find(const char *name);

/*
 * Record that `name` cannot be run, and why: error is the positive errno of execve. The status is 127 when there is no such program, else 126. Returns -error.
 */
int program_failed(const char *name, int error);

#endif

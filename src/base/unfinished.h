/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are of no use before they are complete, when a signal ends us before they are. */
#ifndef BASE_UNFINISHED_H
#define BASE_UNFINISHED_H

/*
 * From now on SIGINT, SIGTERM and SIGHUP remove the file, unless a command handles or ignores
 * them itself; then they do what they always did. `path` belongs to the caller, up to
 * unfinished_done. Of more than a few at a time the others are left behind.
 */
void unfinished_add(const char *path);
void unfinished_done(const char *path);

#endif

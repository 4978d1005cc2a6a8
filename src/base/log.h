/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for people, on stderr or in the file of --log-path. Every line starts
 * "chop: COMMAND: "; warnings add "warning: ". A message is one line without newline.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_SILENT, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_VERBOSE, LOG_DEBUG };

/* The command's name, shown in every line; not copied. NULL for none. */
void log_set_command(const char *name);
void log_set_level(enum log_level level);
enum log_level log_level(void);
/* error, warn, info, verbose, debug, silent; 0 or -EINVAL. */
int log_level_parse(const char *text, enum log_level *level);
/* Append to a file from now on; 0 or -errno with a message recorded. */
int log_open(const char *path);

void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...)	 log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)	 log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...)	 log_at(LOG_INFO, __VA_ARGS__)
#define log_verbose(...) log_at(LOG_VERBOSE, __VA_ARGS__)
#define log_debug(...)	 log_at(LOG_DEBUG, __VA_ARGS__)

#endif

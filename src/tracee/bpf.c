// SPDX-License-Identifier: Apache-2.0
#include "tracee/bpf.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

static int to_log(enum libbpf_print_level level, const char *format, va_list arguments)
{
	cleanup_buf struct buf text = { 0 };
	char *rest = NULL;

	if (level == LIBBPF_DEBUG || log_level() < LOG_DEBUG)
		return 0;
	buf_vprintf(&text, format, arguments);
	buf_text(&text);
	for (char *line = strtok_r(text.data, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		log_debug("%s", line);
	return 0;
}

void bpf_messages_to_log(void)
{
	libbpf_set_print(to_log);
}

int bpf_not_built(void)
{
	return err_set(
		CHOP_MISSING, ENOSYS,
		"this chop was built without BPF; install clang and bpftool and build again");
}

int bpf_refused(int error)
{
	if (error == -EPERM)
		return err_set(CHOP_MISSING, EPERM,
			       "cannot load BPF programs: not permitted; run as root or with "
			       "CAP_BPF and CAP_PERFMON");
	if (error == -EAGAIN)
		return err_set(CHOP_DIFFERS, EINTR,
			       "a signal interrupted the loading of BPF programs");
	return err_sys(CHOP_MISSING, -error, "this kernel refuses our BPF programs");
}

// SPDX-License-Identifier: Apache-2.0
/* N.sys files and their records: as files, and as payloads past the checksum. */
#include "store/syslog.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Touch everything a reader would. */
static uint64_t walk(const uint8_t *payload, uint64_t size)
{
	struct chop_event_parts parts;
	const struct chop_event *event;
	uint64_t offset = 0, sum = 0;

	while ((event = chop_event_next(payload, size, &offset, &parts))) {
		const struct chop_event_range *write = (const void *)parts.writes;

		for (uint32_t i = 0; i < event->inputs; i++)
			sum += parts.inputs[i].size;
		for (uint32_t i = 0; i < event->writes; i++) {
			const uint8_t *bytes = (const void *)(write + 1);

			for (uint64_t j = 0; j < write->size; j++)
				sum += bytes[j];
			write = chop_event_write_after(write);
		}
		if (parts.signal)
			sum += parts.signal->to.rip;
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly as large as the data, so that the sanitizer sees one byte too many. */
	cleanup_free uint8_t *copy = xmalloc(size);
	struct syslog log;

	memcpy(copy, data, size);
	if (!syslog_load(&log, copy, size, "fuzz")) {
		walk((const uint8_t *)log.payload.data, log.payload.length);
		syslog_release(&log);
	}
	walk(copy, size);
	return 0;
}

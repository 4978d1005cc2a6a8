// SPDX-License-Identifier: Apache-2.0
#include "store/syslog.h"

#include <errno.h>
#include <string.h>

#include <chop/hash.h>

#include "base/err.h"

void syslog_release(struct syslog *log)
{
	buf_release(&log->payload);
	*log = (struct syslog){ 0 };
}

struct chop_event *syslog_event(struct syslog *log)
{
	return (struct chop_event *)(log->payload.data + log->open);
}

void syslog_begin(struct syslog *log, const struct chop_event *event)
{
	log->open = log->payload.length;
	buf_add(&log->payload, event, sizeof(*event));
	syslog_event(log)->inputs = 0;
	syslog_event(log)->writes = 0;
	syslog_event(log)->input_hash = 0;
}

void syslog_input(struct syslog *log, uint64_t address, const void *bytes, uint64_t size)
{
	struct chop_event_range range = { address, size };

	syslog_event(log)->input_hash = chop_hash(bytes, size, syslog_event(log)->input_hash);
	syslog_event(log)->inputs++;
	buf_add(&log->payload, &range, sizeof(range));
}

void syslog_write(struct syslog *log, uint64_t address, const void *bytes, uint64_t size)
{
	struct chop_event_range range = { address, size };

	syslog_event(log)->writes++;
	buf_add(&log->payload, &range, sizeof(range));
	buf_add(&log->payload, bytes, size);
	buf_align(&log->payload, 8);
}

void syslog_signal(struct syslog *log, const struct chop_event_signal *signal, const void *xstate)
{
	buf_add(&log->payload, signal, sizeof(*signal));
	buf_add(&log->payload, xstate, signal->xstate_size);
	buf_align(&log->payload, 8);
}

void syslog_end(struct syslog *log)
{
	syslog_event(log)->size = (uint32_t)(log->payload.length - log->open);
	log->events++;
}

void syslog_cancel(struct syslog *log)
{
	log->payload.length = log->open;
}

void syslog_insert(struct syslog *log, const struct syslog *records)
{
	size_t size = records->payload.length, tail = log->payload.length - log->open;
	char *at;

	if (!size)
		return;
	buf_add_zeros(&log->payload, size);
	at = log->payload.data + log->open;
	memmove(at + size, at, tail);
	memcpy(at, records->payload.data, size);
	log->open += size;
	log->events += records->events;
}

void syslog_image(const struct syslog *log, struct buf *image)
{
	struct chop_syslog_header header = {
		.magic = CHOP_SYSLOG_MAGIC,
		.version = CHOP_SYSLOG_VERSION,
		.events = log->events,
		.payload_size = log->payload.length,
		.hash = chop_hash(buf_text(&log->payload), log->payload.length, 0),
	};

	buf_add(image, &header, sizeof(header));
	buf_add(image, buf_text(&log->payload), log->payload.length);
}

static int check_header(const struct chop_syslog_header *header, size_t size, const char *name)
{
	if (size < sizeof(*header) ||
	    memcmp(header->magic, CHOP_SYSLOG_MAGIC, sizeof(header->magic)) != 0)
		return err_set(CHOP_USAGE, EINVAL, "%s is not a system-call log", name);
	if (header->version != CHOP_SYSLOG_VERSION)
		return err_set(CHOP_USAGE, EINVAL,
			       "%s has log version %u; this chop reads version %d", name,
			       header->version, CHOP_SYSLOG_VERSION);
	if (header->payload_size != size - sizeof(*header))
		return err_set(CHOP_USAGE, EINVAL, "%s is cut short or damaged: %llu of %llu bytes",
			       name, (unsigned long long)(size - sizeof(*header)),
			       (unsigned long long)header->payload_size);
	return 0;
}

static int check_records(const struct syslog *log, uint64_t events)
{
	const uint8_t *payload = (const uint8_t *)buf_text(&log->payload);
	struct chop_event_parts parts;
	uint64_t offset = 0, count = 0;

	while (chop_event_next(payload, log->payload.length, &offset, &parts))
		count++;
	return offset == log->payload.length && count == events ? 0 : -EINVAL;
}

int syslog_load(struct syslog *log, const void *data, size_t size, const char *name)
{
	struct chop_syslog_header header;
	int error;

	*log = (struct syslog){ 0 };
	if (size >= sizeof(header))
		memcpy(&header, data, sizeof(header));
	error = check_header(&header, size, name);
	if (error)
		return error;
	buf_add(&log->payload, (const char *)data + sizeof(header), header.payload_size);
	if (header.reserved ||
	    chop_hash(buf_text(&log->payload), log->payload.length, 0) != header.hash ||
	    check_records(log, header.events)) {
		syslog_release(log);
		return err_set(CHOP_USAGE, EINVAL,
			       "%s is damaged: its checksum or records do not fit", name);
	}
	log->events = header.events;
	return 0;
}

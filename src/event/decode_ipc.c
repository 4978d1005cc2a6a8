// SPDX-License-Identifier: Apache-2.0
/* System V and POSIX queues, semaphores, shared memory. */
#include <fcntl.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "event/decode_print.h"

#define IPC_64 0x100

static bool setting(const struct decode *d, unsigned int cmd_at)
{
	return ((unsigned int)dec_arg(d, cmd_at) & ~IPC_64) == IPC_SET;
}

static void permissions(struct decode *d, const char *name, const struct ipc_perm *p, bool all)
{
	dec_printf(d, "{%s={uid=", name);
	dec_id(d, p->uid);
	dec_text(d, ", gid=");
	dec_id(d, p->gid);
	dec_text(d, ", mode=");
	dec_mode(d, p->mode);
	if (all) {
		dec_printf(d, ", key=%d, cuid=", p->__key);
		dec_id(d, p->cuid);
		dec_text(d, ", cgid=");
		dec_id(d, p->cgid);
	}
	dec_text(d, "}");
}

static void shmid_item(struct decode *d, const uint8_t *data)
{
	bool all = !setting(d, 1);
	struct shmid_ds s;

	memcpy(&s, data, sizeof(s));
	permissions(d, "shm_perm", &s.shm_perm, all);
	if (all) {
		dec_printf(d, ", shm_segsz=%llu, shm_cpid=%d, shm_lpid=%d, shm_nattch=%llu",
			   (unsigned long long)s.shm_segsz, s.shm_cpid, s.shm_lpid,
			   (unsigned long long)s.shm_nattch);
		dec_printf(d, ", shm_atime=%llu, shm_dtime=%llu, shm_ctime=%llu",
			   (unsigned long long)s.shm_atime, (unsigned long long)s.shm_dtime,
			   (unsigned long long)s.shm_ctime);
	}
	dec_text(d, "}");
}

static void semid_item(struct decode *d, const uint8_t *data)
{
	bool all = !setting(d, 2);
	struct semid_ds s;

	memcpy(&s, data, sizeof(s));
	permissions(d, "sem_perm", &s.sem_perm, all);
	if (all)
		dec_printf(d, ", sem_otime=%llu, sem_ctime=%llu, sem_nsems=%llu",
			   (unsigned long long)s.sem_otime, (unsigned long long)s.sem_ctime,
			   (unsigned long long)s.sem_nsems);
	dec_text(d, "}");
}

static void msqid_item(struct decode *d, const uint8_t *data)
{
	bool all = !setting(d, 1);
	struct msqid_ds s;

	memcpy(&s, data, sizeof(s));
	permissions(d, "msg_perm", &s.msg_perm, all);
	if (all)
		dec_printf(d, ", msg_stime=%llu, msg_rtime=%llu, msg_ctime=%llu, msg_qnum=%llu",
			   (unsigned long long)s.msg_stime, (unsigned long long)s.msg_rtime,
			   (unsigned long long)s.msg_ctime, (unsigned long long)s.msg_qnum);
	dec_printf(d, ", msg_qbytes=%llu", (unsigned long long)s.msg_qbytes);
	if (all)
		dec_printf(d, ", msg_lspid=%d, msg_lrpid=%d", s.msg_lspid, s.msg_lrpid);
	dec_text(d, "}");
}

static void msgbuf_memory(struct decode *d, uint64_t address, uint64_t count)
{
	int64_t type;

	if (!dec_read_or_address(d, address, &type, sizeof(type)))
		return;
	dec_printf(d, "{mtype=%lld, mtext=", (long long)type);
	dec_bytes(d, address + sizeof(type), count);
	dec_text(d, "}");
}

/* IPC_64 changes nothing on 64-bit machines, but it may be there. */
static void command(struct decode *d)
{
	unsigned int cmd = (unsigned int)dec_arg(d, d->call->next);

	dec_arg_begin(d, "cmd");
	if (cmd & IPC_64)
		dec_text(d, "IPC_64|");
	dec_names(d, d->call->shape.args[d->call->next].type->names, cmd & ~IPC_64);
	dec_arg_end(d);
	dec_skip(d);
}

static void ctl_enter(struct decode *d)
{
	dec_next(d);
	command(d);
	if (d->call->shape.args[2].dir != CALL_OUT)
		dec_rest(d);
}

/* The argument of semctl that is a number, for the commands that take one. */
static void semctl_enter(struct decode *d)
{
	unsigned int cmd = (unsigned int)dec_arg(d, 2) & ~IPC_64;

	dec_next(d);
	dec_next(d);
	command(d);
	if (cmd != SETVAL) {
		if (d->call->shape.args[3].dir == CALL_VALUE || setting(d, 2))
			dec_rest(d);
		return;
	}
	dec_arg_begin(d, "arg");
	dec_hex(d, dec_arg(d, 3));
	dec_arg_end(d);
	dec_skip(d);
}

static void mq_open_enter(struct decode *d)
{
	dec_next(d);
	dec_next(d);
	if (dec_arg(d, 1) & O_CREAT)
		dec_rest(d);
	else
		d->call->whole = true;
}

static void mq_attr_item(struct decode *d, const uint8_t *data)
{
	uint64_t flags = DEC_GET(uint64_t, data, 0);

	dec_text(d, "{mq_flags=");
	if (d->call->shape.arg_count == 3)
		dec_names(d, &call_names_open_flags, flags);
	else
		dec_hex(d, flags);
	dec_printf(d, ", mq_maxmsg=%lld, mq_msgsize=%lld, mq_curmsgs=%lld}",
		   (long long)DEC_GET(int64_t, data, 8), (long long)DEC_GET(int64_t, data, 16),
		   (long long)DEC_GET(int64_t, data, 24));
}

static const struct dec_type types[] = {
	{ "shmid_ds", shmid_item, NULL },  { "semid_ds", semid_item, NULL },
	{ "msqid_ds", msqid_item, NULL },  { "msgbuf", NULL, msgbuf_memory },
	{ "mq_attr", mq_attr_item, NULL }, { NULL, NULL, NULL },
};

static const struct dec_call calls[] = {
	{ "semctl", semctl_enter, NULL },
	{ "shmctl", ctl_enter, NULL },
	{ "msgctl", ctl_enter, NULL },
	{ "mq_open", mq_open_enter, NULL },
	{ NULL, NULL, NULL },
};

const struct dec_family dec_ipc = { types, calls };

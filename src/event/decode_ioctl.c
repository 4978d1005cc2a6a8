// SPDX-License-Identifier: Apache-2.0
/* ioctl: requests by name, terminals, network interfaces. */
#include <asm/termbits.h>
#include <linux/ioctl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "event/decode_network.h"

/* A request without a name: _IOC(_IOC_READ, 0x54, 0x8, 0x4). */
static void request_number(struct decode *d, unsigned int request)
{
	static const char *const directions[] = { "_IOC_NONE", "_IOC_WRITE", "_IOC_READ",
						  "_IOC_READ|_IOC_WRITE" };

	dec_printf(d, "_IOC(%s, ", directions[_IOC_DIR(request)]);
	dec_hex(d, _IOC_TYPE(request));
	dec_text(d, ", ");
	dec_hex(d, _IOC_NR(request));
	dec_text(d, ", ");
	dec_hex(d, _IOC_SIZE(request));
	dec_text(d, ")");
}

/* -- terminals ----------------------------------------------------------------------------- */

static void flag_names(struct decode *d, const struct call_names *names, unsigned int value)
{
	if (value)
		dec_names(d, names, value);
}

static void output_flags(struct decode *d, unsigned int flags)
{
	static const char *const tabs[] = { "TAB0", "TAB1", "TAB2", "XTABS" };

	dec_printf(d, "NL%u|CR%u|%s|BS%u|VT%u|FF%u|", (flags & NLDLY) >> 8, (flags & CRDLY) >> 9,
		   tabs[(flags & TABDLY) >> 11], (flags & BSDLY) >> 13, (flags & VTDLY) >> 14,
		   (flags & FFDLY) >> 15);
	flag_names(d, &call_names_c_oflag,
		   flags & ~(unsigned int)(NLDLY | CRDLY | TABDLY | BSDLY | VTDLY | FFDLY));
}

static void control_flags(struct decode *d, unsigned int flags)
{
	unsigned int input = (flags >> IBSHIFT) & CBAUD;
	unsigned int rest = flags & ~(CBAUD | CBAUD << IBSHIFT | CSIZE);

	dec_names(d, &call_names_baud, flags & CBAUD);
	if (input) {
		dec_text(d, "|");
		dec_names(d, &call_names_baud, input);
		dec_text(d, "<<IBSHIFT");
	}
	dec_printf(d, "|CS%u|", 5 + ((flags & CSIZE) >> 4));
	flag_names(d, &call_names_c_cflag, rest);
}

static void control_characters(struct decode *d, const uint8_t *cc)
{
	static const char *const names[] = { "VINTR",  "VQUIT", "VERASE",   "VKILL",	"VEOF",
					     "VTIME",  "VMIN",	"VSWTC",    "VSTART",	"VSTOP",
					     "VSUSP",  "VEOL",	"VREPRINT", "VDISCARD", "VWERASE",
					     "VLNEXT", "VEOL2" };

	dec_text(d, ", c_cc=[");
	for (unsigned int i = 0; i < NCCS; i++) {
		dec_text(d, i ? ", " : "");
		if (i < ARRAY_SIZE(names))
			dec_printf(d, "[%s]=", names[i]);
		else
			dec_printf(d, "[%u]=", i);
		dec_hex(d, cc[i]);
	}
	dec_text(d, "]");
}

static void termios_fields(struct decode *d, const struct termios2 *t, bool speeds)
{
	dec_text(d, "{c_iflag=");
	flag_names(d, &call_names_c_iflag, t->c_iflag);
	dec_text(d, ", c_oflag=");
	output_flags(d, t->c_oflag);
	dec_text(d, ", c_cflag=");
	control_flags(d, t->c_cflag);
	dec_text(d, ", c_lflag=");
	flag_names(d, &call_names_c_lflag, t->c_lflag);
	if (d->options->verbose) {
		dec_text(d, ", c_line=");
		dec_names(d, &call_names_ldisc, t->c_line);
		control_characters(d, t->c_cc);
		if (speeds)
			dec_printf(d, ", c_ispeed=%u, c_ospeed=%u", t->c_ispeed, t->c_ospeed);
		dec_text(d, "}");
	} else {
		dec_text(d, ", ...}");
	}
}

static void termios_item(struct decode *d, const uint8_t *data)
{
	struct termios2 t = { 0 };

	memcpy(&t, data, sizeof(struct termios));
	termios_fields(d, &t, false);
}

static void termios2_item(struct decode *d, const uint8_t *data)
{
	struct termios2 t;

	memcpy(&t, data, sizeof(t));
	termios_fields(d, &t, true);
}

/* -- network interfaces ---------------------------------------------------------------------- */

#define IFREQ_SIZE 40
#define IFREQ_DATA 16

static void interface_address(struct decode *d, const char *name, const uint8_t *data)
{
	dec_printf(d, ", %s=", name);
	dec_sockaddr(d, data + IFREQ_DATA, 16);
}

static void interface_hardware(struct decode *d, const uint8_t *data)
{
	dec_text(d, ", ifr_hwaddr={sa_family=");
	dec_names(d, &call_names_arphrd, DEC_GET(uint16_t, data, IFREQ_DATA));
	dec_text(d, ", sa_data=");
	dec_hardware_address(d, data + IFREQ_DATA + 2, 14);
	dec_text(d, "}");
}

static void interface_map(struct decode *d, const uint8_t *data)
{
	dec_text(d, ", ifr_map={mem_start=");
	dec_hex(d, DEC_GET(uint64_t, data, IFREQ_DATA));
	dec_text(d, ", mem_end=");
	dec_hex(d, DEC_GET(uint64_t, data, IFREQ_DATA + 8));
	dec_text(d, ", base_addr=");
	dec_hex(d, DEC_GET(uint16_t, data, IFREQ_DATA + 16));
	dec_text(d, ", irq=");
	dec_hex(d, data[IFREQ_DATA + 18]);
	dec_text(d, ", dma=");
	dec_hex(d, data[IFREQ_DATA + 19]);
	dec_text(d, ", port=");
	dec_hex(d, data[IFREQ_DATA + 20]);
	dec_text(d, "}");
}

static void interface_fields(struct decode *d, unsigned int request, const uint8_t *data)
{
	int number = DEC_GET(int, data, IFREQ_DATA);

	switch (request) {
	case SIOCGIFADDR:
	case SIOCSIFADDR:
		interface_address(d, "ifr_addr", data);
		break;
	case SIOCGIFDSTADDR:
	case SIOCSIFDSTADDR:
		interface_address(d, "ifr_dstaddr", data);
		break;
	case SIOCGIFBRDADDR:
	case SIOCSIFBRDADDR:
		interface_address(d, "ifr_broadaddr", data);
		break;
	case SIOCGIFNETMASK:
	case SIOCSIFNETMASK:
		interface_address(d, "ifr_netmask", data);
		break;
	case SIOCGIFHWADDR:
	case SIOCSIFHWADDR:
		interface_hardware(d, data);
		break;
	case SIOCGIFFLAGS:
	case SIOCSIFFLAGS:
		dec_text(d, ", ifr_flags=");
		dec_names(d, &call_names_ifr_flags, (uint16_t)number);
		break;
	case SIOCGIFMETRIC:
	case SIOCSIFMETRIC:
		dec_printf(d, ", ifr_metric=%d", number);
		break;
	case SIOCGIFMTU:
	case SIOCSIFMTU:
		dec_printf(d, ", ifr_mtu=%d", number);
		break;
	case SIOCGIFTXQLEN:
	case SIOCSIFTXQLEN:
		dec_printf(d, ", ifr_qlen=%d", number);
		break;
	case SIOCGIFMAP:
		interface_map(d, data);
		break;
	default:
		dec_printf(d, ", ifr_ifindex=%d", number);
	}
}

/* The name is told when the call starts, the rest when it has returned. */
static void interface_enter(struct decode *d, unsigned int request)
{
	uint8_t data[IFREQ_SIZE];

	dec_arg_begin(d, "arg");
	if (!dec_read_or_address(d, dec_arg(d, 2), data, sizeof(data))) {
		dec_arg_end(d);
		dec_skip(d);
		return;
	}
	if (request == SIOCGIFNAME) {
		dec_printf(d, "{ifr_ifindex=%d", DEC_GET(int, data, IFREQ_DATA));
	} else {
		dec_text(d, "{ifr_name=");
		dec_quoted(d, data, IFREQ_DATA, DEC_QUOTE_NUL);
	}
	d->call->saved = 1;
	d->call->next = d->call->shape.arg_count;
}

static void ifreq_item(struct decode *d, const uint8_t *data)
{
	dec_text(d, "{ifr_name=");
	dec_quoted(d, data, IFREQ_DATA, DEC_QUOTE_NUL);
	interface_fields(d, (unsigned int)dec_arg(d, 1), data);
	dec_text(d, "}");
}

static void interface_list(struct decode *d, uint64_t address, unsigned int count)
{
	uint8_t data[IFREQ_SIZE];

	if (!address) {
		dec_text(d, "NULL");
		return;
	}
	for (unsigned int i = 0; i < count; i++) {
		if (!dec_read(d, address + (uint64_t)i * IFREQ_SIZE, data, sizeof(data))) {
			if (!i) {
				dec_address(d, address);
				return;
			}
			break;
		}
		dec_text(d, i ? ", {ifr_name=" : "[{ifr_name=");
		dec_quoted(d, data, IFREQ_DATA, DEC_QUOTE_NUL);
		interface_address(d, "ifr_addr", data);
		dec_text(d, "}");
	}
	dec_text(d, count ? "]" : "[]");
}

static void ifconf_item(struct decode *d, const uint8_t *data)
{
	int length = DEC_GET(int, data, 0);
	unsigned int count = length > 0 ? (unsigned int)length / IFREQ_SIZE : 0;

	dec_printf(d, "{ifc_len=%d", length);
	if (length > 0 && length % IFREQ_SIZE == 0)
		dec_printf(d, " /* %u * sizeof(struct ifreq) */", count);
	dec_text(d, ", ifc_buf=");
	if (count < 1 || count > 1024)
		dec_address(d, DEC_GET(uint64_t, data, 8));
	else
		interface_list(d, DEC_GET(uint64_t, data, 8), count);
	dec_text(d, "}");
}

static void ioctl_enter(struct decode *d)
{
	unsigned int request = (unsigned int)dec_arg(d, 1);
	const char *name = call_name_of(&call_names_ioctl, request);
	const struct call_arg *arg = &d->call->shape.args[2];

	dec_next(d);
	dec_arg_begin(d, "request");
	if (name)
		dec_text(d, name);
	else
		request_number(d, request);
	dec_arg_end(d);
	dec_skip(d);
	if (d->call->shape.arg_count < 3)
		return;
	if (arg->dir == CALL_INOUT && !strcmp(arg->memory.type->name, "ifreq"))
		interface_enter(d, request);
	else if (arg->dir != CALL_OUT && arg->dir != CALL_INOUT)
		dec_rest(d);
}

static void ioctl_exit(struct decode *d)
{
	uint8_t data[IFREQ_SIZE];

	if (!d->call->saved) {
		dec_rest(d);
		return;
	}
	if (!dec_failed(d) && dec_read(d, dec_arg(d, 2), data, sizeof(data))) {
		if ((unsigned int)dec_arg(d, 1) == SIOCGIFNAME) {
			dec_text(d, ", ifr_name=");
			dec_quoted(d, data, IFREQ_DATA, DEC_QUOTE_NUL);
		} else {
			interface_fields(d, (unsigned int)dec_arg(d, 1), data);
		}
	}
	dec_text(d, "}");
	dec_arg_end(d);
}

static const struct dec_type types[] = {
	{ "termios", termios_item, NULL },
	{ "termios2", termios2_item, NULL },
	{ "ifreq", ifreq_item, NULL },
	{ "ifconf", ifconf_item, NULL },
	{ NULL, NULL, NULL },
};

static const struct dec_call calls[] = {
	{ "ioctl", ioctl_enter, ioctl_exit },
	{ NULL, NULL, NULL },
};

const struct dec_family dec_ioctl = { types, calls };

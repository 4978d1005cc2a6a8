// SPDX-License-Identifier: Apache-2.0
#include "store/regs_text.h"

#include <stdlib.h>

#include "base/err.h"
#include "test.h"

static void read_text(const char *text, struct thread_state *thread)
{
	assert_int_equal(regs_text_read(text, strlen(text), "regs.0", thread), 0);
}

static void has_line(const struct thread_state *thread, const char *line)
{
	cleanup_buf struct buf text = { 0 };

	regs_text_write(thread, &text);
	if (!strstr(buf_text(&text), line))
		fail_msg("no line '%s' in\n%s", line, buf_text(&text));
}

static void registers_come_back(void **state)
{
	struct thread_state thread = { 0 }, again = { 0 };
	cleanup_buf struct buf text = { 0 };

	(void)state;
	read_text("RAX 0x1122334455667788\nRIP 0x401126\nrsp 0x7ffe\n"
		  "ZMM0 0x0102030405060708090a0b0c0d0e0f10111213141516171819\nZMM31 0xff\n"
		  "K3 0x55\nMXCSR 0x9fc0\nFCW 0x27f\nST7 0x40008000000000000001\n",
		  &thread);
	assert_int_equal(thread.regs.rax, 0x1122334455667788);
	assert_int_equal(thread.regs.rip, 0x401126);
	assert_int_equal(thread.regs.rsp, 0x7ffe);
	assert_int_equal(thread.regs.cs, 0x33);
	has_line(&thread, "RAX 0x1122334455667788\n");
	has_line(&thread, "0102030405060708090a0b0c0d0e0f10111213141516171819\n");
	has_line(&thread, "K3 0x0000000000000055\n");
	has_line(&thread, "MXCSR 0x00009fc0\n");
	has_line(&thread, "FCW 0x027f\n");
	has_line(&thread, "ST7 0x40008000000000000001\n");
	regs_text_write(&thread, &text);
	read_text(text.data, &again);
	assert_memory_equal(&thread.regs, &again.regs, sizeof(thread.regs));
	assert_int_equal(thread.xstate_size, again.xstate_size);
	assert_memory_equal(thread.xstate, again.xstate, thread.xstate_size);
	free(thread.xstate);
	free(again.xstate);
}

static void narrow_vectors(void **state)
{
	struct thread_state thread = { 0 };

	(void)state;
	read_text("XMM0 0x0f0e0d0c0b0a09080706050403020100\nXMM15 0x1\n", &thread);
	has_line(&thread, "XMM0 0x0f0e0d0c0b0a09080706050403020100\n");
	has_line(&thread, "XMM15 0x00000000000000000000000000000001\n");
	free(thread.xstate);
	thread.xstate = NULL;
	read_text("YMM0 0xab\n", &thread);
	has_line(&thread,
		 "YMM0 0x00000000000000000000000000000000000000000000000000000000000000ab\n");
	has_line(&thread, "MXCSR 0x00001f80\n"); /* as after a reset */
	free(thread.xstate);
}

static void damage_is_told(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "RAX 0x1\nRAX", "regs.0: line 2 is not NAME 0xVALUE" },
		{ "RAX 12\n", "regs.0: line 1 is not NAME 0xVALUE" },
		{ "RAX 0x12g\n", "regs.0: line 1 is not NAME 0xVALUE" },
		{ "RAX 0x\n", "regs.0: line 1 is not NAME 0xVALUE" },
		{ " 0x1\n", "regs.0: line 1 is not NAME 0xVALUE" },
		{ "GPR0 0x1\n", "regs.0: GPR0 is no register of this architecture" },
		{ "RAX 0x123456789abcdef01\n", "regs.0: RAX is no register of this architecture" },
		{ "K3 0x1\n", "regs.0: K3 is no register" }, /* without a ZMM0 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct thread_state thread = { 0 };

		err_clear();
		assert_true(regs_text_read(cases[i].text, strlen(cases[i].text), "regs.0",
					   &thread) < 0);
		assert_int_equal(strncmp(err_message(), cases[i].message, strlen(cases[i].message)),
				 0);
		free(thread.xstate);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_come_back),
		cmocka_unit_test(narrow_vectors),
		cmocka_unit_test(damage_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

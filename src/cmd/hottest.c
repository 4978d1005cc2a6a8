// SPDX-License-Identifier: Apache-2.0
#include "cmd/hottest.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "profile/profile.h"

#define FREQUENCY 4000

/* They are called once, and are the whole program. */
static const char *const whole[] = { "main", "_start", "__libc_start_main", "start_thread",
				     "__libc_start_call_main" };

/* One that can be cut by its name, in the process that will be traced. */
static bool can_be_cut(const struct profile_entry *entry)
{
	if (entry->kind != PROFILE_FUNCTION || !entry->first)
		return false;
	/* The dynamic linker's work is done before a traced program begins. */
	if (!strncmp(profile_module_name(entry->kind, entry->path), "ld-", 3))
		return false;
	if (!entry->symbol)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
		if (!strcmp(entry->symbol, whole[i]))
			return false;
	}
	return true;
}

static const struct profile_entry *choose(const struct profile *profile)
{
	const struct profile_entry *best = NULL;

	for (size_t i = 0; i < profile->entries.length; i++) {
		const struct profile_entry *entry = &profile->entries.items[i];

		if (can_be_cut(entry) && (!best || entry->first > best->first))
			best = entry;
	}
	return best;
}

static int take(const struct profile *profile, const char *command, struct hottest *found)
{
	const struct profile_entry *best = choose(profile);

	if (profile->interrupted)
		return err_set(CHOP_DIFFERS, EINTR, "interrupted before anything was captured");
	if (!best)
		return err_set(CHOP_DIFFERS, ENOENT,
			       "no function of %s was seen in %llu samples; `chop hot` tells more",
			       command, (unsigned long long)profile->samples);
	found->function = xstrdup(best->symbol ? best->symbol : best->name);
	found->address = best->symbol ? 0 : best->address;
	found->module = xstrdup(best->path);
	log_info("%s of %s has %.1f %% of the time; running the command again to cut it",
		 best->name, profile_module_name(best->kind, best->path),
		 100.0 * (double)best->samples / (double)profile->samples);
	return 0;
}

int hottest_find(char *const *argv, struct hottest *found)
{
	const struct profile_options options = { .argv = argv,
						 .frequency = FREQUENCY,
						 .silent = true };
	off_t input = lseek(STDIN_FILENO, 0, SEEK_CUR);
	struct profile profile;
	int error;

	*found = (struct hottest){ 0 };
	error = profile_run(&options, &profile);
	if (!error)
		error = take(&profile, argv[0], found);
	profile_release(&profile);
	if (input >= 0)
		lseek(STDIN_FILENO, input, SEEK_SET);
	return error;
}

void hottest_release(struct hottest *found)
{
	free(found->function);
	free(found->module);
	*found = (struct hottest){ 0 };
}

// SPDX-License-Identifier: Apache-2.0
/*
 * What execve does, in a process that exists: map a program and its interpreter, build its
 * stack. The layout of the stack is that of the System V ABI, AMD64 supplement, 3.4.1.
 */
#include "memtrace/live_private.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chop/arch.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "base/program.h"

#define STACK_TOP     0x7ffffffff000UL
#define STACK_DEFAULT (8UL << 20)
#define STACK_MAX     (256UL << 20) /* when there is no limit */
#define HEADERS_MAX   128
#define WORDS_MAX     96 /* of the auxiliary vector */
/* Between programs that follow each other, the earlier ones still being there. */
#define NEXT_PROGRAM (64UL << 30)
#define PAGE_DOWN(x) ((x) & -(uint64_t)CHOP_PAGE_SIZE)
#define PAGE_UP(x)   PAGE_DOWN((x) + CHOP_PAGE_SIZE - 1)

struct object {
	const char *path;
	int fd;
	Elf64_Ehdr head;
	Elf64_Phdr headers[HEADERS_MAX];
	uint64_t bias, start, end; /* end: of its memory */
};

static int read_headers(struct object *o)
{
	const Elf64_Ehdr *head = &o->head;
	int error = io_pread(o->fd, &o->head, sizeof(o->head), 0);

	if (error || memcmp(head->e_ident, ELFMAG, SELFMAG))
		return err_set(CHOP_CANNOT_RUN, ENOEXEC, "cannot run %s: not an ELF program",
			       o->path);
	if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_machine != CHOP_ELF_MACHINE)
		return err_set(CHOP_CANNOT_RUN, ENOEXEC, "%s is not a program for %s", o->path,
			       CHOP_ELF_MACHINE_NAME);
	if ((head->e_type != ET_EXEC && head->e_type != ET_DYN) || !head->e_phnum ||
	    head->e_phnum > HEADERS_MAX || head->e_phentsize != sizeof(Elf64_Phdr))
		return err_set(CHOP_CANNOT_RUN, ENOEXEC, "cannot run %s: not a program", o->path);
	error = io_pread(o->fd, o->headers, head->e_phnum * sizeof(Elf64_Phdr), head->e_phoff);
	return error ? err_sys(CHOP_CANNOT_RUN, -error, "cannot read %s", o->path) : 0;
}

static int open_object(struct object *o, const char *path)
{
	o->path = path;
	o->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (o->fd < 0)
		return err_sys(CHOP_CANNOT_RUN, errno, "cannot read %s", path);
	return read_headers(o);
}

static int protection(const Elf64_Phdr *p)
{
	return (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
	       (p->p_flags & PF_X ? PROT_EXEC : 0);
}

/* Memory for the whole object, where it wants to be; what can be anywhere prefers `wish`. */
static int reserve(struct object *o, uint64_t wish)
{
	uint64_t low = UINT64_MAX, high = 0;
	bool fixed = o->head.e_type == ET_EXEC;
	void *at, *got;

	for (unsigned int i = 0; i < o->head.e_phnum; i++) {
		const Elf64_Phdr *p = &o->headers[i];

		if (p->p_type != PT_LOAD)
			continue;
		low = PAGE_DOWN(p->p_vaddr) < low ? PAGE_DOWN(p->p_vaddr) : low;
		high = PAGE_UP(p->p_vaddr + p->p_memsz) > high ? PAGE_UP(p->p_vaddr + p->p_memsz)
							       : high;
	}
	if (low >= high)
		return err_set(CHOP_CANNOT_RUN, ENOEXEC, "cannot run %s: nothing to load", o->path);
	at = (void *)(uintptr_t)(fixed ? low : wish);
	got = mmap(at, high - low, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED_NOREPLACE : 0), -1,
		   0);
	if (got == MAP_FAILED && !fixed)
		got = mmap(NULL, high - low, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			   -1, 0);
	if (got == MAP_FAILED)
		return err_sys(CHOP_MISSING, errno, "no room for %s at %#lx", o->path, low);
	o->start = (uintptr_t)got;
	o->end = o->start + (high - low);
	o->bias = o->start - low;
	return 0;
}

/* One PT_LOAD: its file, then zeros. */
static int map_segment(const struct object *o, const Elf64_Phdr *p)
{
	uint64_t start = o->bias + p->p_vaddr, file_end = start + p->p_filesz;
	uint64_t end = start + p->p_memsz, page = PAGE_DOWN(start), zero = PAGE_UP(file_end);
	int prot = protection(p);

	if (p->p_filesz && mmap((void *)page, file_end - page, prot, MAP_PRIVATE | MAP_FIXED, o->fd,
				(off_t)PAGE_DOWN(p->p_offset)) == MAP_FAILED)
		return -errno;
	if (!p->p_filesz)
		zero = page;
	/* to the end of the page, past the end of the segment: ld.so begins its heap there */
	if (p->p_filesz && end > file_end && prot & PROT_WRITE)
		memset((void *)file_end, 0, zero - file_end);
	if (PAGE_UP(end) > zero &&
	    mmap((void *)zero, PAGE_UP(end) - zero, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == MAP_FAILED)
		return -errno;
	return 0;
}

static int map_object(struct object *o, uint64_t wish)
{
	int error = reserve(o, wish);

	for (unsigned int i = 0; i < o->head.e_phnum && !error; i++) {
		if (o->headers[i].p_type != PT_LOAD)
			continue;
		error = map_segment(o, &o->headers[i]);
		if (error)
			return err_sys(CHOP_CANNOT_RUN, -error, "cannot map %s", o->path);
	}
	return error;
}

static void note_program(struct live *live, const struct object *o)
{
	struct live_image *image = &live->process->image;

	image->entry = image->start = o->bias + o->head.e_entry;
	image->phnum = o->head.e_phnum;
	for (unsigned int i = 0; i < o->head.e_phnum; i++) {
		const Elf64_Phdr *p = &o->headers[i];

		if (p->p_type == PT_GNU_STACK)
			image->stack_executable = p->p_flags & PF_X;
		if (p->p_type != PT_LOAD)
			continue;
		if (o->head.e_phoff >= p->p_offset && o->head.e_phoff < p->p_offset + p->p_filesz)
			image->phdr = o->bias + p->p_vaddr + o->head.e_phoff - p->p_offset;
		if (p->p_flags & PF_X) {
			image->code = o->bias + p->p_vaddr;
			image->code_end = image->code + p->p_filesz;
		} else {
			image->data = o->bias + p->p_vaddr;
			image->data_end = image->data + p->p_filesz;
		}
	}
	live->process->brk_start = live->process->brk = o->end;
	image->low = o->start;
	image->high = o->end;
}

static int load_interpreter(struct live *live, const struct object *program, const Elf64_Phdr *p)
{
	cleanup_free char *path = xcalloc(1, p->p_filesz + 1);
	struct object o = { .fd = -1 };
	int error = io_pread(program->fd, path, p->p_filesz, p->p_offset);

	if (!error)
		error = open_object(&o, path);
	if (!error)
		error = map_object(&o, 0);
	if (o.fd >= 0)
		close(o.fd);
	live->process->image.base = o.bias;
	live->process->image.start = o.bias + o.head.e_entry;
	return error;
}

static int load_program(struct live *live, const char *path)
{
	struct object o = { .fd = -1 };
	int error = open_object(&o, path);

	if (!error)
		error = map_object(&o, PAGE_DOWN(CHOP_PIE_BASE) +
					       live->process->executions * NEXT_PROGRAM);
	if (!error)
		note_program(live, &o);
	for (unsigned int i = 0; i < o.head.e_phnum && !error; i++) {
		if (o.headers[i].p_type == PT_INTERP && o.headers[i].p_filesz < 4096)
			error = load_interpreter(live, &o, &o.headers[i]);
	}
	if (o.fd >= 0)
		close(o.fd);
	return error;
}

/* ---- the stack */

struct stack {
	uint64_t low, at;
	uint64_t words[WORDS_MAX];
	unsigned int count;
};

static uint64_t push_bytes(struct stack *s, const void *bytes, size_t size)
{
	s->at -= size;
	memcpy((void *)(uintptr_t)s->at, bytes, size);
	return s->at;
}

/* Strings lie in rising order, as the kernel puts them: /proc/PID/cmdline is the memory. */
static uint64_t push_strings(struct stack *s, char *const *strings, struct u64vec *where)
{
	size_t size = 0;
	uint64_t at;

	for (size_t i = 0; strings[i]; i++)
		size += strlen(strings[i]) + 1;
	at = s->at -= size;
	for (size_t i = 0; strings[i]; i++) {
		size_t length = strlen(strings[i]) + 1;

		memcpy((void *)(uintptr_t)at, strings[i], length);
		*vec_push(where) = at;
		at += length;
	}
	*vec_push(where) = 0;
	return s->at;
}

static void put_aux(struct stack *s, uint64_t type, uint64_t value)
{
	if (s->count + 2 > WORDS_MAX)
		return;
	s->words[s->count++] = type;
	s->words[s->count++] = value;
}

/* Our own vector tells of the machine, the rest is the program's. */
static void make_aux(struct live *live, struct stack *s, uint64_t name)
{
	static const unsigned long same[] = {
		AT_SYSINFO_EHDR, AT_HWCAP, AT_PAGESZ, AT_CLKTCK, AT_UID,    AT_EUID,
		AT_GID,		 AT_EGID,  AT_HWCAP2, AT_FLAGS,	 AT_SECURE, AT_MINSIGSTKSZ,
	};
	const char *platform = (const char *)getauxval(AT_PLATFORM);
	uint64_t random[2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		random[0] = random[1] = live->process->image.entry;
	put_aux(s, AT_RANDOM, push_bytes(s, random, sizeof(random)));
	if (platform)
		put_aux(s, AT_PLATFORM, push_bytes(s, platform, strlen(platform) + 1));
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		put_aux(s, same[i], getauxval(same[i]));
	put_aux(s, AT_PHDR, live->process->image.phdr);
	put_aux(s, AT_PHENT, sizeof(Elf64_Phdr));
	put_aux(s, AT_PHNUM, live->process->image.phnum);
	put_aux(s, AT_BASE, live->process->image.base);
	put_aux(s, AT_ENTRY, live->process->image.entry);
	put_aux(s, AT_EXECFN, name);
	put_aux(s, AT_NULL, 0);
}

static size_t stack_size(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_STACK, &limit))
		return STACK_DEFAULT;
	if (limit.rlim_cur > STACK_MAX)
		return STACK_MAX;
	return limit.rlim_cur < STACK_DEFAULT ? STACK_DEFAULT : PAGE_UP(limit.rlim_cur);
}

static int map_stack(struct stack *s, bool executable)
{
	size_t size = stack_size();
	int prot = PROT_READ | PROT_WRITE | (executable ? PROT_EXEC : 0);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
	void *got =
		mmap((void *)(STACK_TOP - size), size, prot, flags | MAP_FIXED_NOREPLACE, -1, 0);

	if (got == MAP_FAILED)
		got = mmap(NULL, size, prot, flags, -1, 0);
	if (got == MAP_FAILED)
		return err_sys(CHOP_MISSING, errno, "no memory for the program's stack");
	s->low = (uintptr_t)got;
	s->at = s->low + size - 8; /* the last word is 0, as the kernel leaves it */
	return 0;
}

static void copy_words(struct stack *s, const uint64_t *words, size_t count)
{
	memcpy((void *)(uintptr_t)s->at, words, count * sizeof(*words));
	s->at += count * sizeof(*words);
}

static int build_stack(struct live *live, char *const *argv, const char *name)
{
	struct live_image *image = &live->process->image;
	struct u64vec args = { 0 }, env = { 0 };
	struct stack s = { 0 };
	uint64_t argc, path;
	int error = map_stack(&s, image->stack_executable);

	if (error)
		return error;
	path = push_bytes(&s, name, strlen(name) + 1);
	image->env_end = s.at;
	image->env = push_strings(&s, live->process->program->envp, &env);
	image->args_end = s.at;
	image->args = push_strings(&s, argv, &args);
	s.at &= ~15UL;
	make_aux(live, &s, path);
	argc = args.length - 1;
	s.at &= ~15UL;
	s.at -= 8 * ((s.count + args.length + env.length + 2) & ~1UL);
	image->sp = s.at;
	copy_words(&s, &argc, 1);
	copy_words(&s, args.items, args.length);
	copy_words(&s, env.items, env.length);
	copy_words(&s, s.words, s.count);
	vec_release(&args);
	vec_release(&env);
	return 0;
}

/* ---- scripts */

/* "#! interpreter [argument]": true when the file begins so; words of `line`. */
static bool read_script(const char *path, char line[256], char **interpreter, char **argument)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, line, 255);
	char *save = NULL;

	if (got < 3 || line[0] != '#' || line[1] != '!')
		return false;
	line[got] = '\0';
	line[strcspn(line, "\n")] = '\0';
	*interpreter = strtok_r(line + 2, " \t", &save);
	*argument = strtok_r(NULL, "", &save);
	while (*argument && **argument && strchr(" \t", **argument))
		++*argument;
	if (*argument && !**argument)
		*argument = NULL;
	return *interpreter;
}

/* The arguments after `path` was found to be a script. */
static char **script_arguments(char *const *argv, const char *path, const char *interpreter,
			       const char *argument)
{
	size_t count = 0, n = 0;
	char **words;

	while (argv[count])
		count++;
	words = xcalloc(count + 4, sizeof(*words));
	words[n++] = xstrdup(interpreter);
	if (argument)
		words[n++] = xstrdup(argument);
	words[n++] = xstrdup(path);
	for (size_t i = 1; i < count; i++)
		words[n++] = argv[i];
	return words;
}

int live_load(struct live *live)
{
	const char *path = live->process->program->path;
	char *const *argv = live->process->program->argv;
	char line[256], *interpreter, *argument;
	int error;

	/* what is allocated here lives as long as the process */
	for (int i = 0; i < 5 && read_script(path, line, &interpreter, &argument); i++) {
		argv = script_arguments(argv, path, interpreter, argument);
		path = argv[0];
	}
	live->process->exe = realpath(path, NULL);
	if (!live->process->exe)
		return program_failed(live->process->program->path, errno);
	error = load_program(live, path);
	return error ? error : build_stack(live, argv, live->process->program->path);
}

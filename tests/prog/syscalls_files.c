// SPDX-License-Identifier: Apache-2.0
/* Families of system calls on files, descriptors and memory. */
#include "syscalls_family.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <utime.h>

static int make(const char *name, const char *text)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	write(fd, text, strlen(text));
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* -- files ------------------------------------------------------------------------------------ */

static void opening(void)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH };

	make("f", "text");
	open("f", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	open("f", O_WRONLY | O_APPEND | O_SYNC | O_NONBLOCK);
	open("no such file", O_RDONLY);
	open("f", O_CREAT | O_EXCL, 0600);
	open("/etc", O_DIRECTORY | O_PATH);
	open(".", O_TMPFILE | O_RDWR, 0600);
	openat(-1, "f", O_RDONLY);
	openat(3, "f", O_RDONLY);
	syscall(SYS_open, "f", O_RDWR);
	syscall(SYS_creat, "g", 0640);
	syscall(SYS_open, NOWHERE, O_RDWR);
	syscall(SYS_openat2, AT_FDCWD, "f", &how, sizeof(how));
	close(3);
	close(99);
	syscall(SYS_close_range, 4, 6, 0);
}

static void status(void)
{
	struct stat st;
	struct statx stx;
	struct statfs fs;

	make("f", "text");
	symlink("f", "l");
	stat("f", &st);
	lstat("l", &st);
	fstat(3, &st);
	stat("/dev/null", &st);
	stat("nothing", &st);
	fstatat(AT_FDCWD, "l", &st, AT_SYMLINK_NOFOLLOW);
	syscall(SYS_stat, "f", &st);
	syscall(SYS_lstat, "l", &st);
	syscall(SYS_fstat, 3, &st);
	syscall(SYS_fstat, 3, NOWHERE);
	statx(AT_FDCWD, "f", AT_STATX_DONT_SYNC, STATX_MODE | STATX_SIZE, &stx);
	statfs("/proc", &fs);
	fstatfs(3, &fs);
	statfs("nothing", &fs);
}

static void links(void)
{
	char target[32];

	make("f", "text");
	link("f", "g");
	symlink("f", "s");
	readlink("s", target, sizeof(target));
	readlink("f", target, sizeof(target));
	readlink("s", target, 1);
	linkat(AT_FDCWD, "s", AT_FDCWD, "h", AT_SYMLINK_FOLLOW);
	symlinkat("somewhere", AT_FDCWD, "t");
	readlinkat(AT_FDCWD, "t", target, sizeof(target));
	unlink("t");
	unlink("t");
	unlinkat(AT_FDCWD, "h", 0);
}

static void renaming(void)
{
	make("a", "");
	make("b", "");
	rename("a", "c");
	rename("a", "c");
	renameat(AT_FDCWD, "b", AT_FDCWD, "a");
	syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "c", RENAME_EXCHANGE);
	syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE);
}

static void directories(void)
{
	char entries[4096], where[4096];
	int fd;

	mkdir("d", 0755);
	mkdir("d", 0755);
	mkdirat(AT_FDCWD, "e", 0700);
	fd = open("d", O_RDONLY | O_DIRECTORY);
	syscall(SYS_getdents64, fd, entries, sizeof(entries));
	syscall(SYS_getdents64, fd, entries, sizeof(entries));
	syscall(SYS_getdents, fd, entries, sizeof(entries));
	syscall(SYS_getcwd, where, 2L);
	chdir("d");
	fchdir(fd);
	chdir("..");
	chdir("nothing");
	rmdir("d");
	rmdir("d");
	unlinkat(AT_FDCWD, "e", AT_REMOVEDIR);
}

static void modes(void)
{
	umask(022);
	make("f", "");
	chmod("f", 0600);
	chmod("f", 04755);
	fchmod(3, 01777);
	fchmodat(AT_FDCWD, "f", 0444, 0);
	chmod("nothing", 0);
	chown("f", 0, 0);
	chown("f", (uid_t)-1, 5);
	lchown("f", 1, (gid_t)-1);
	fchown(3, 0, 0);
	fchownat(AT_FDCWD, "f", 0, 0, AT_SYMLINK_NOFOLLOW);
	access("f", R_OK | X_OK);
	access("f", F_OK);
	faccessat(AT_FDCWD, "f", W_OK, 0);
	faccessat(AT_FDCWD, "f", W_OK, AT_EACCESS);
	umask(077);
}

static void attributes(void)
{
	char value[64];

	make("f", "");
	setxattr("f", "user.name", "value", 5, 0);
	setxattr("f", "user.name", "value", 5, XATTR_CREATE);
	getxattr("f", "user.name", value, sizeof(value));
	fgetxattr(3, "user.none", value, sizeof(value));
	listxattr("f", value, sizeof(value));
	fsetxattr(3, "user.two", "\0\1\2", 3, XATTR_REPLACE);
	removexattr("f", "user.name");
	lgetxattr("f", "security.x", value, sizeof(value));
}

static void times(void)
{
	struct timespec both[2] = { { 1000000000, 5 }, { 0, UTIME_NOW } };
	struct timespec none[2] = { { 0, UTIME_OMIT }, { 0, UTIME_NOW } };
	struct timeval old[2] = { { 1, 2 }, { 3, 4 } };
	struct utimbuf times = { 1, 2 };

	make("f", "");
	utimensat(AT_FDCWD, "f", both, 0);
	utimensat(AT_FDCWD, "f", NULL, AT_SYMLINK_NOFOLLOW);
	futimens(3, none);
	syscall(SYS_utimes, "f", old);
	syscall(SYS_utime, "f", &times);
	syscall(SYS_futimesat, AT_FDCWD, "f", old);
}

static void sizes(void)
{
	make("f", "some text");
	truncate("f", 4);
	ftruncate(3, 8192);
	ftruncate(3, -1);
	fallocate(3, FALLOC_FL_KEEP_SIZE, 0, 4096);
	fallocate(3, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 100);
	posix_fadvise(3, 0, 0, POSIX_FADV_SEQUENTIAL);
	readahead(3, 0, 4096);
	lseek(3, 0, SEEK_END);
	lseek(3, 0, SEEK_DATA);
	lseek(3, -1, SEEK_SET);
	fsync(3);
	fdatasync(3);
	sync_file_range(3, 0, 100, SYNC_FILE_RANGE_WRITE);
	syncfs(3);
}

static void reading(void)
{
	char text[256];

	make("f",
	     "Tabs\tand\nlines, \"quotes\", \\, \001\377 and more than is shown of it by default");
	read(3, text, sizeof(text));
	read(3, text, sizeof(text));
	read(3, NOWHERE, 0);
	read(-1, text, 1);
	pread(3, text, 10, 5);
	pread(3, text, 10, 1000000000000);
	write(3, text, 20);
	write(3, NOWHERE, 5);
	pwrite(3, "0123456789", 10, 0);
	write(3, "\0001\0012", 4);
}

static void vectors(void)
{
	char one[4], two[40];
	struct iovec in[] = { { one, sizeof(one) }, { two, sizeof(two) } };
	struct iovec out[] = { { (char *)"first", 5 }, { (char *)"second", 6 }, { NULL, 0 } };

	make("f", "");
	writev(3, out, 3);
	lseek(3, 0, SEEK_SET);
	readv(3, in, 2);
	preadv(3, in, 2, 3);
	pwritev(3, out, 2, 4);
	preadv2(3, in, 2, 0, RWF_NOWAIT);
	pwritev2(3, out, 1, -1, RWF_DSYNC | RWF_APPEND);
	readv(3, NOWHERE, 2);
	syscall(SYS_writev, 3, in, -1L);
}

static void moving(void)
{
	off_t at = 2;
	loff_t from = 0;
	int ends[2];

	make("f", "what is to be moved");
	make("g", "");
	sendfile(4, 3, &at, 5);
	sendfile(4, 3, NULL, 2);
	syscall(SYS_copy_file_range, 3, &from, 4, NULL, 7L, 0);
	pipe(ends);
	splice(3, &from, ends[1], NULL, 4, SPLICE_F_MOVE);
	tee(ends[0], ends[1], 1, SPLICE_F_NONBLOCK);
	vmsplice(ends[1], &(struct iovec){ "abc", 3 }, 1, SPLICE_F_GIFT);
}

static void locking(void)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	make("f", "");
	flock(3, LOCK_EX | LOCK_NB);
	flock(3, LOCK_UN);
	fcntl(3, F_SETLK, &whole);
	fcntl(3, F_GETLK, &whole);
	whole.l_pid = 0;
	fcntl(3, F_OFD_SETLKW, &whole);
	fcntl(3, F_SETLEASE, F_RDLCK);
	fcntl(3, F_GETLEASE);
	fcntl(3, F_SETSIG, SIGUSR1);
	fcntl(3, F_GETSIG);
	fcntl(3, F_SETOWN, 0);
	fcntl(3, F_GETOWN_EX, &whole);
	fcntl(3, F_NOTIFY, DN_CREATE);
}

static void flags(void)
{
	make("f", "");
	fcntl(3, F_GETFD);
	fcntl(3, F_SETFD, FD_CLOEXEC);
	fcntl(3, F_GETFD);
	fcntl(3, F_GETFL);
	fcntl(3, F_SETFL, O_APPEND | O_NONBLOCK);
	fcntl(3, F_GETFL);
	fcntl(3, F_DUPFD, 10);
	fcntl(3, F_DUPFD_CLOEXEC, 20);
	fcntl(3, F_GETOWN);
	fcntl(3, 9999, 5);
	dup(3);
	dup2(3, 30);
	dup3(3, 31, O_CLOEXEC);
	dup2(99, 1);
	fcntl(3, F_GETPIPE_SZ);
	fcntl(3, F_ADD_SEALS, F_SEAL_GROW);
}

static void handles(void)
{
	struct {
		struct file_handle handle;
		char room[128];
	} of = { .handle = { .handle_bytes = 4 } };
	int mount;

	make("f", "");
	name_to_handle_at(AT_FDCWD, "f", &of.handle, &mount, 0);
	mknod("fifo", S_IFIFO | 0600, 0);
	mknodat(AT_FDCWD, "null", S_IFCHR | 0600, 0x103);
	mknod("plain", S_IFREG | 0644, 0);
	syscall(SYS_mount, "none", "/nowhere", "tmpfs", MS_RDONLY | MS_NOSUID, "size=1");
	syscall(SYS_umount2, "/nowhere", 2);
	syscall(SYS_chroot, "nothing");
	syscall(SYS_swapon, "nothing", 0);
	syscall(SYS_acct, "nothing/here");
}

/* -- descriptors ------------------------------------------------------------------------------- */

static void pipes(void)
{
	int ends[2], more[2];
	char c;

	pipe(ends);
	pipe2(more, O_CLOEXEC | O_NONBLOCK);
	read(more[0], &c, 1);
	write(ends[1], "x", 1);
	read(ends[0], &c, 1);
	syscall(SYS_pipe, NOWHERE);
	ioctl(ends[0], FIONREAD, &(int){ 0 });
	fcntl(ends[1], F_SETPIPE_SZ, 8192);
}

static void polling(void)
{
	struct pollfd fds[3] = { { 0, POLLIN, 0 },
				 { -1, POLLOUT, 0 },
				 { 0, POLLOUT | POLLPRI, 0 } };
	struct timespec soon = { 0, 1000000 };
	sigset_t set;
	int ends[2];

	pipe(ends);
	fds[0].fd = ends[0];
	fds[2].fd = ends[1];
	poll(fds, 3, 0);
	poll(fds, 1, 1);
	write(ends[1], "x", 1);
	poll(fds, 3, -1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ppoll(fds, 1, &soon, &set);
	ppoll(fds, 0, &soon, NULL);
	syscall(SYS_poll, NOWHERE, 3, 0);
}

static void selecting(void)
{
	struct timeval soon = { 0, 1000 };
	struct timespec later = { 0, 1000000 };
	fd_set in, out;
	int ends[2];

	pipe(ends);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(ends[0], &in);
	FD_SET(ends[1], &out);
	syscall(SYS_select, ends[1] + 1, &in, &out, NULL, &soon);
	FD_SET(ends[0], &in);
	syscall(SYS_select, ends[0] + 1, &in, NULL, &in, &soon);
	pselect(0, NULL, NULL, NULL, &later, NULL);
	write(ends[1], "x", 1);
	FD_SET(ends[0], &in);
	pselect(ends[0] + 1, &in, NULL, NULL, NULL, NULL);
}

static void epolling(void)
{
	struct epoll_event event = { EPOLLIN | EPOLLET, { .u64 = 7 } }, ready[4];
	int ends[2], poll = epoll_create1(EPOLL_CLOEXEC);

	pipe(ends);
	epoll_ctl(poll, EPOLL_CTL_ADD, ends[0], &event);
	epoll_ctl(poll, EPOLL_CTL_ADD, ends[0], &event);
	epoll_wait(poll, ready, 4, 0);
	write(ends[1], "x", 1);
	epoll_wait(poll, ready, 4, -1);
	event.events = EPOLLOUT | EPOLLONESHOT;
	epoll_ctl(poll, EPOLL_CTL_MOD, ends[0], &event);
	epoll_pwait(poll, ready, 4, 1, NULL);
	epoll_ctl(poll, EPOLL_CTL_DEL, ends[0], NULL);
	syscall(SYS_epoll_create, 5);
}

static void counters(void)
{
	struct itimerspec when = { { 0, 0 }, { 5, 0 } }, old;
	uint64_t value = 5;
	int event = eventfd(3, EFD_CLOEXEC | EFD_NONBLOCK), timer, notify;
	char buffer[512];

	read(event, &value, 8);
	write(event, &value, 8);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	timerfd_settime(timer, 0, &when, &old);
	read(timer, &value, 8);
	when.it_value.tv_sec = 0;
	timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
	notify = inotify_init1(IN_NONBLOCK);
	inotify_add_watch(notify, ".", IN_CREATE | IN_DELETE_SELF);
	inotify_add_watch(notify, "nothing", IN_ALL_EVENTS);
	read(notify, buffer, sizeof(buffer));
	inotify_rm_watch(notify, 1);
}

static void controls(void)
{
	struct winsize size = { 24, 80, 0, 0 };
	int null = open("/dev/null", O_RDWR), on = 1, tty = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	unsigned long bits;

	ioctl(null, TCGETS, &bits);
	ioctl(tty, TIOCGWINSZ, &size);
	ioctl(tty, TIOCSWINSZ, &size);
	ioctl(tty, TIOCSPTLCK, &on);
	ioctl(null, FIONBIO, &on);
	ioctl(null, FIOCLEX);
	ioctl(null, FS_IOC_GETFLAGS, &bits);
	ioctl(null, BLKGETSIZE64, &bits);
	ioctl(null, 0x12345678, 5);
	ioctl(-1, TIOCNOTTY);
}

static void asynchronous(void)
{
	aio_context_t context = 0;
	struct iocb block = { .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = 3 };
	struct iocb *list[] = { &block };
	struct io_event events[2];
	struct timespec now = { 0, 0 };

	make("f", "");
	block.aio_buf = (uintptr_t) "data";
	block.aio_nbytes = 4;
	syscall(SYS_io_setup, 4, &context);
	syscall(SYS_io_submit, context, 1L, list);
	syscall(SYS_io_getevents, context, 1L, 2L, events, NULL);
	syscall(SYS_io_getevents, context, 0L, 2L, events, &now);
	syscall(SYS_io_cancel, context, &block, events);
	syscall(SYS_io_destroy, context);
}

/* -- memory ---------------------------------------------------------------------------------------- */

static void mapping(void)
{
	char *at = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	make("f", "text");
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, 3, 0);
	mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	mmap(at, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	mmap(NULL, 0, PROT_READ, MAP_PRIVATE, 3, 0);
	mmap(NULL, 4096, PROT_READ, MAP_SHARED_VALIDATE | MAP_POPULATE, 3, 4096);
	mprotect(at, 4096, PROT_READ | PROT_WRITE);
	mprotect(NOWHERE, 4096, PROT_NONE);
	mremap(at, 16384, 8192, 0);
	mremap(at, 8192, 65536, MREMAP_MAYMOVE);
	munmap(at, 4096);
	syscall(SYS_brk, 0);
	syscall(SYS_remap_file_pages, at, 4096, 0, 0, 0);
}

static void advising(void)
{
	char *at = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char there[4];

	at[0] = 1;
	madvise(at, 16384, MADV_DONTNEED);
	madvise(at, 16384, MADV_HUGEPAGE);
	madvise(at, 16384, 9999);
	mincore(at, 16384, there);
	msync(at, 4096, MS_SYNC | MS_INVALIDATE);
	mlock(at, 4096);
	mlock2(at, 4096, MLOCK_ONFAULT);
	munlock(at, 4096);
	mlockall(0);
	munlockall();
}

static void anonymous(void)
{
	int fd = memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char text[16] = "local";
	struct iovec local = { text, 5 }, remote = { (void *)"remote", 6 };

	ftruncate(fd, 4096);
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL);
	fcntl(fd, F_GET_SEALS);
	process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	pkey_alloc(0, PKEY_DISABLE_WRITE);
	pkey_free(15);
	syscall(SYS_memfd_secret, O_CLOEXEC);
	syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	syscall(SYS_mbind, NULL, 4096, 0, NULL, 0, 0);
	syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 0);
	syscall(SYS_membarrier, 0, 0, 0);
}

int main(int argc, char **argv)
{
	static const struct family families[] = {
		{ "opening", opening },
		{ "status", status },
		{ "links", links },
		{ "renaming", renaming },
		{ "directories", directories },
		{ "modes", modes },
		{ "attributes", attributes },
		{ "times", times },
		{ "sizes", sizes },
		{ "reading", reading },
		{ "vectors", vectors },
		{ "moving", moving },
		{ "locking", locking },
		{ "flags", flags },
		{ "handles", handles },
		{ "pipes", pipes },
		{ "polling", polling },
		{ "selecting", selecting },
		{ "epolling", epolling },
		{ "counters", counters },
		{ "controls", controls },
		{ "asynchronous", asynchronous },
		{ "mapping", mapping },
		{ "advising", advising },
		{ "anonymous", anonymous },
		{ NULL, NULL },
	};

	return family_main(families, argc, argv);
}

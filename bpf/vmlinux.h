/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The little the BPF programs need to know of the kernel's structures. Where a field is read its
 * offset is looked up in the running kernel (CO-RE): only names and types matter here.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
enum { false = 0, true = 1 };

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_EXIST = 2 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0 };
enum { BPF_F_USER_STACK = 1 << 8, BPF_F_MMAPABLE = 1 << 10 };
enum bpf_func_id { BPF_FUNC_get_attach_cookie = 174 };

#define __CORE __attribute__((preserve_access_index))

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax, ip, cs, flags, sp, ss;
} __CORE;

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

struct qstr {
	unsigned int len;
	const unsigned char *name;
} __CORE;
struct super_block {
	unsigned long s_magic;
} __CORE;
struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_nlink;
} __CORE;
struct dentry_operations;
struct hlist_bl_node {
	void **pprev;
} __CORE;
struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	const struct dentry_operations *d_op;
} __CORE;
struct vfsmount {
	struct dentry *mnt_root;
} __CORE;
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} __CORE;
struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} __CORE;
struct file {
	struct path f_path;
	struct inode *f_inode;
} __CORE;
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} __CORE;
struct files_struct {
	struct fdtable *fdt;
} __CORE;
struct fs_struct {
	struct path root, pwd;
} __CORE;
struct mm_struct {
	unsigned long arg_start, arg_end, env_start, env_end;
	void *pgd;
} __CORE;
struct sigset {
	unsigned long sig[1];
};
struct sigpending {
	struct sigset signal;
} __CORE;
struct task_struct;
struct signal_struct {
	struct task_struct *group_exec_task;
} __CORE;
struct page {
	unsigned long compound_head;
} __CORE;
enum pageflags { PG_young = 21 };
struct vm_struct {
	void *addr;
	struct page **pages;
} __CORE;
struct upid {
	int nr;
} __CORE;
struct pid {
	unsigned int level;
	struct upid numbers[1];
} __CORE;
struct task_struct {
	struct vm_struct *stack_vm_area;
	struct signal_struct *signal;
	struct sigpending pending;
	int pid, tgid, exit_code;
	unsigned long jobctl;
	struct mm_struct *mm;
	struct files_struct *files;
	struct fs_struct *fs;
	struct pid *thread_pid;
} __CORE;
struct linux_binprm {
	const char *filename;
} __CORE;
struct k_sigaction;
struct sigaction_head {
	void *sa_handler;
};

#endif

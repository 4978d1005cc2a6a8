// SPDX-License-Identifier: Apache-2.0
#include "task.h"

#include "machine.h"

long sys(long number, uint64_t a, uint64_t b, uint64_t c)
{
	return call6(number, a, b, c, 0, 0, 0);
}

long sys_map(uint64_t address, uint64_t size, uint32_t protection, uint32_t flags, int fd)
{
	return call6(__NR_mmap, address, size, protection, flags, (uint64_t)(int64_t)fd, 0);
}

long sys_remap(uint64_t from, uint64_t size, uint32_t flags, uint64_t to)
{
	return call6(__NR_mremap, from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED | flags, to, 0);
}

long sys_transfer(uint64_t from, uint64_t size, uint64_t to)
{
	long result = sys_remap(from, size, 0, to);
	uint64_t half = size / 2 & -PAGE;

	if ((result != -EFAULT && result != -EINVAL) || !half)
		return result;
	result = sys_transfer(from, half, to);
	return result < 0 ? result : sys_transfer(from + half, size - half, to + half);
}

long sys_reserve(uint64_t address, uint64_t size)
{
	return sys_map(address, size, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1);
}

static long uffd_ioctl(struct pager *pager, uint64_t request, void *argument)
{
	return sys(__NR_ioctl, (uint64_t)(int64_t)pager->setup.uffd, request, (uint64_t)argument);
}

static long register_mode(struct pager *pager, uint64_t start, uint64_t end, uint64_t mode)
{
	struct uffd_register argument = { { start, end - start }, mode, 0 };
	long error;

	if (pager->setup.slices || pager->setup.copies)
		argument.mode |= UFFD_MODE_WP;
	error = uffd_ioctl(pager, UFFDIO_REGISTER, &argument);
	/* Memory of huge pages can be registered, but is not served in small ones. */
	if (!error && !(argument.ioctls >> 4 & 1 /* ZEROPAGE */)) {
		uffd_unregister(pager, start, end);
		return -EINVAL;
	}
	return error;
}

long uffd_register(struct pager *pager, uint64_t start, uint64_t end)
{
	return register_mode(pager, start, end, UFFD_MODE_MISSING);
}

long uffd_register_shared(struct pager *pager, uint64_t start, uint64_t end)
{
	return register_mode(pager, start, end, UFFD_MODE_MISSING | UFFD_MODE_MINOR);
}

long uffd_register_kind(struct pager *pager, const struct range *range)
{
	return range->flags & RANGE_SHARED ? uffd_register_shared(pager, range->start, range->end)
					   : uffd_register(pager, range->start, range->end);
}

long uffd_unregister(struct pager *pager, uint64_t start, uint64_t end)
{
	struct uffd_range argument = { start, end - start };

	return uffd_ioctl(pager, UFFDIO_UNREGISTER, &argument);
}

long uffd_move(struct pager *pager, uint64_t to, uint64_t from, uint64_t mode)
{
	struct uffd_copy argument = { .to = to, .from = from, .length = PAGE, .mode = mode };

	if (pager->setup.copies)
		return copy_move(pager, to, from, mode);
	return uffd_ioctl(pager, UFFDIO_MOVE, &argument);
}

long uffd_move_many(struct pager *pager, uint64_t to, uint64_t from, uint64_t size, int64_t *moved)
{
	struct uffd_copy argument = {
		.to = to, .from = from, .length = size, .mode = UFFD_DONTWAKE | UFFD_MOVE_HOLES
	};
	long error;

	if (pager->setup.copies)
		return copy_move_many(pager, to, from, size, moved);
	error = uffd_ioctl(pager, UFFDIO_MOVE, &argument);
	*moved = argument.done;
	return error;
}

long uffd_copy(struct pager *pager, uint64_t to, uint64_t from, uint64_t mode)
{
	struct uffd_copy argument = { .to = to, .from = from, .length = PAGE, .mode = mode };

	return uffd_ioctl(pager, UFFDIO_COPY, &argument);
}

long uffd_zero(struct pager *pager, uint64_t page, uint64_t mode)
{
	struct uffd_zeropage argument = { .range = { page, PAGE }, .mode = mode };

	return uffd_ioctl(pager, UFFDIO_ZEROPAGE, &argument);
}

long uffd_continue(struct pager *pager, uint64_t page, uint64_t mode)
{
	struct uffd_zeropage argument = { .range = { page, PAGE }, .mode = mode };

	return uffd_ioctl(pager, UFFDIO_CONTINUE, &argument);
}

long uffd_wake(struct pager *pager, uint64_t start, uint64_t end)
{
	struct uffd_range argument = { start, end - start };

	return uffd_ioctl(pager, UFFDIO_WAKE, &argument);
}

static long set_protection(struct pager *pager, uint64_t page, uint64_t mode)
{
	struct uffd_protect argument = { .range = { page, PAGE }, .mode = mode };

	return uffd_ioctl(pager, UFFDIO_WRITEPROTECT, &argument);
}

long uffd_protect(struct pager *pager, uint64_t page)
{
	return set_protection(pager, page, UFFD_PROTECT);
}

long uffd_unprotect(struct pager *pager, uint64_t page)
{
	return set_protection(pager, page, 0);
}

void copy_page(void *to, const void *from)
{
	uint64_t *target = to;
	const uint64_t *source = from;

	for (size_t i = 0; i < PAGE / sizeof(*target); i++)
		target[i] = source[i];
}

/* gcc may turn assignments of structures into calls of these. */
void *memcpy(void *to, const void *from, size_t size);
void *memcpy(void *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
	return to;
}

void *memset(void *to, int byte, size_t size);
void *memset(void *to, int byte, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = (uint8_t)byte;
	return to;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed growing arrays:
 *
 *	VEC(struct symbol) symbols = { 0 };
 *	*vec_push(&symbols) = symbol;
 *	for (size_t i = 0; i < symbols.length; i++)
 *		use(&symbols.items[i]);
 *	vec_release(&symbols);
 *
 * Zero-initialised is empty. Items move when the array grows: keep indices,
 * not pointers. A named type comes from `struct symbol_vec VEC_BODY(struct symbol);`.
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define VEC_BODY(type)                   \
	{                                \
		type *items;             \
		size_t length, capacity; \
	}
#define VEC(type) struct VEC_BODY(type)

/* Pointer to a new, uninitialised item at the end. */
#define vec_push(vec)                                                               \
	((vec)->items = vec_grow((vec)->items, &(vec)->capacity, (vec)->length + 1, \
				 sizeof(*(vec)->items)),                            \
	 &(vec)->items[(vec)->length++])

#define vec_last(vec) (&(vec)->items[(vec)->length - 1])

/* Pointer to a new, uninitialised item before what was item `index`. */
#define vec_insert(vec, index)                                                      \
	((vec)->items = vec_grow((vec)->items, &(vec)->capacity, (vec)->length + 1, \
				 sizeof(*(vec)->items)),                            \
	 (vec)->items +                                                             \
		 vec_open_gap((vec)->items, &(vec)->length, (index), sizeof(*(vec)->items)))

/* Remove item `index`, keeping the order of the rest. */
#define vec_remove(vec, index) \
	vec_close_gap((vec)->items, &(vec)->length, (index), sizeof(*(vec)->items))

#define vec_sort(vec, compare)                                                              \
	do {                                                                                \
		if ((vec)->length > 1)                                                      \
			qsort((vec)->items, (vec)->length, sizeof(*(vec)->items), compare); \
	} while (0)

/*
 * Of a vector sorted by a uint64_t member: how many items have at most `value` in it, which is
 * also the index of the first that has more.
 */
#define vec_at_most(vec, member, value)                                       \
	vec_count_at_most((vec)->items, (vec)->length, sizeof(*(vec)->items), \
			  vec_key_(vec, member), (value))

/*
 * The item that covers an address, or NULL, of a vector of disjoint ones sorted by their
 * uint64_t members `start` and `end`, the end being the first address beyond the item.
 */
#define vec_around(vec, address)                                                                \
	((__typeof__((vec)->items))vec_find_around((vec)->items, (vec)->length,                 \
						   sizeof(*(vec)->items), vec_key_(vec, start), \
						   vec_key_(vec, end), (address)))

/* Where the member is in an item; of another type it does not compile. */
#define vec_key_(vec, member) \
	_Generic((vec)->items->member, uint64_t : offsetof(__typeof__(*(vec)->items), member))

#define vec_release(vec)                             \
	do {                                         \
		free((vec)->items);                  \
		(vec)->items = NULL;                 \
		(vec)->length = (vec)->capacity = 0; \
	} while (0)

void *vec_grow(void *items, size_t *capacity, size_t needed, size_t item_size);
/* `index`. */
size_t vec_open_gap(void *items, size_t *length, size_t index, size_t item_size);
void vec_close_gap(void *items, size_t *length, size_t index, size_t item_size);
size_t vec_count_at_most(const void *items, size_t length, size_t item_size, size_t member,
			 uint64_t value);
void *vec_find_around(const void *items, size_t length, size_t item_size, size_t start, size_t end,
		      uint64_t address);

/* The two vectors everybody needs. strvec does not own its strings. */
struct strvec VEC_BODY(const char *);
struct u64vec VEC_BODY(uint64_t);

/* For vec_sort, qsort and bsearch: ascending, by the uint64_t that an item is or begins with. */
int u64_order(const void *a, const void *b);
/* As vec_at_most, of a sorted vector. */
size_t u64vec_at_most(const struct u64vec *vec, uint64_t value);

#endif

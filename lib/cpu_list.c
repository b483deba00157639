/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of processors. */
#include "lib/cpu_list.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SET_BYTES CPU_ALLOC_SIZE(CPU_NUMBER_MAX + 1)

/* One number at *text, which moves behind it. */
static bool read_number(const char **text, uint32_t *n)
{
	size_t len = strspn(*text, "0123456789");

	if (len == 0 || len > 4)
		return false;
	*n = (uint32_t)strtoul(*text, NULL, 10);
	*text += len;
	return *n <= CPU_NUMBER_MAX;
}

static int add_range(struct cpu_list *l, uint32_t first, uint32_t last, struct graft_error *err)
{
	if (last < first)
		return error_set(err, EINVAL, "%u-%u runs backwards", first, last);
	for (uint32_t cpu = first; cpu <= last; cpu++) {
		for (uint32_t i = 0; i < l->n; i++)
			if (l->cpu[i] == cpu)
				return error_set(err, EINVAL, "processor %u stands there twice", cpu);
		if (l->n == CPU_LIST_MAX)
			return error_set(err, EINVAL, "more than %d processors", CPU_LIST_MAX);
		l->cpu[l->n++] = (uint16_t)cpu;
	}
	return 0;
}

int cpu_list_parse(struct cpu_list *l, const char *text, struct graft_error *err)
{
	l->n = 0;
	for (;;) {
		uint32_t first, last;

		if (!read_number(&text, &first))
			break;
		last = first;
		if (*text == '-' && (text++, !read_number(&text, &last)))
			break;
		int res = add_range(l, first, last, err);
		if (res < 0 || *text == '\0')
			return res;
		if (*text++ != ',')
			break;
	}
	return error_set(err, EINVAL, "must be numbers of processors, such as 0-3,8");
}

/* What this thread may use; CPU_FREE it. NULL: it cannot be told. */
static cpu_set_t *allowed(void)
{
	cpu_set_t *set = CPU_ALLOC(CPU_NUMBER_MAX + 1);

	if (set && sched_getaffinity(0, SET_BYTES, set) < 0) {
		CPU_FREE(set);
		return NULL;
	}
	return set;
}

int cpu_list_check(const struct cpu_list *l, struct graft_error *err)
{
	int res = 0;

	if (l->n == 0)
		return 0;
	cpu_set_t *set = allowed();
	if (!set)
		return error_set(err, errno, "the processors this process may use cannot be told: %s", strerror(errno));
	for (uint32_t i = 0; i < l->n && res == 0; i++)
		if (!CPU_ISSET_S(l->cpu[i], SET_BYTES, set))
			res = error_set(err, EINVAL, "processor %u is not there, or this process may not use it",
					l->cpu[i]);
	CPU_FREE(set);
	return res;
}

uint32_t cpu_count(void)
{
	cpu_set_t *set = allowed();
	int n = set ? CPU_COUNT_S(SET_BYTES, set) : 0;

	if (set)
		CPU_FREE(set);
	return n > 0 ? (uint32_t)n : 1;
}

int cpu_pin(pthread_t t, uint16_t cpu)
{
	cpu_set_t *set = CPU_ALLOC(CPU_NUMBER_MAX + 1);
	int code;

	if (!set)
		return -ENOMEM;
	CPU_ZERO_S(SET_BYTES, set);
	CPU_SET_S(cpu, SET_BYTES, set);
	code = pthread_setaffinity_np(t, SET_BYTES, set);
	CPU_FREE(set);
	return -code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics again and again. */
#include "ctl/watch.h"

#include "ctl/stats_table.h"
#include "ctl/terminal.h"
#include "ctl/text.h"
#include "lib/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HOME "\x1b[H"
#define LINE_END "\x1b[K\n" /* clears what an earlier, longer line left */
#define REST_CLEAR "\x1b[J"

struct watch {
	struct ctl *ctl;
	const char *at;
	double interval;
	struct terminal *terminal;
	struct stats last, shown; /* the last reading; what came in the interval before it */
	double shown_seconds;     /* 0: there has been no interval yet */
	uint64_t read_at;         /* CLOCK_MONOTONIC, ns */
};

static const char *now_text(char to[TEXT_TIME_MAX])
{
	return text_date(to, clock_ns(CLOCK_REALTIME));
}

static int no_memory(struct watch *w)
{
	error_set(&w->ctl->error, ENOMEM, "out of memory");
	return CTL_FAILED;
}

/* A whole screen in one write, so that it does not flicker. */
static int draw(struct watch *w)
{
	char date[TEXT_TIME_MAX], head[256], *screen = NULL;
	size_t size, columns, rows;
	terminal_size(w->terminal, &columns, &rows);
	FILE *to = open_memstream(&screen, &size);
	char *socket = text_escape(w->ctl->socket);
	if (!to || !socket) {
		if (to)
			fclose(to);
		free(screen);
		free(socket);
		return no_memory(w);
	}
	snprintf(head, sizeof(head), "%s  every %gs  q: quit  %s", now_text(date), w->interval, socket);
	free(socket);
	fprintf(to, HOME "%.*s" LINE_END, (int)text_fit(head, columns), head);
	/* The last line stays empty: an end of line there would scroll. */
	struct table_window window = { columns, rows > 2 ? rows - 2 : 0, LINE_END };
	int res = w->shown_seconds > 0 ? stats_table_print(&w->shown, w->shown_seconds, &window, to) : 0;
	fputs(REST_CLEAR, to);
	bool bad = fclose(to) != 0 || res != 0;
	if (!bad) {
		fwrite(screen, 1, size, stdout);
		fflush(stdout);
	}
	free(screen);
	return bad ? no_memory(w) : CTL_DONE;
}

static int print_block(struct watch *w)
{
	char date[TEXT_TIME_MAX];
	if (w->shown_seconds == 0)
		return CTL_DONE;
	printf("%s\n", now_text(date));
	if (stats_table_print(&w->shown, w->shown_seconds, NULL, stdout) != 0)
		return no_memory(w);
	putchar('\n');
	return CTL_DONE;
}

/* Takes answer. */
static int take_reading(struct watch *w, json_t *answer)
{
	struct stats now = { 0 };
	uint64_t time = terminal_now();
	int res = stats_read(&now, answer, &w->ctl->error);
	stats_free(&w->shown);
	w->shown_seconds = 0;
	if (res == 0 && w->last.json) {
		res = stats_since(&now, &w->last, &w->shown, &w->ctl->error);
		w->shown_seconds = (double)(time - w->read_at) / 1e9;
	}
	stats_free(&w->last);
	w->last = now;
	w->read_at = time;
	return res == 0 ? CTL_DONE : res == -ENOMEM ? CTL_FAILED : CTL_UNREACHABLE;
}

static int print_json(json_t *answer)
{
	ctl_print_json(answer, JSON_COMPACT);
	json_decref(answer);
	return CTL_DONE;
}

static int show_reading(struct watch *w)
{
	json_t *answer;
	int status = ctl_get_typed(w->ctl, "stats", w->at, JSON_OBJECT, &answer);
	if (status != CTL_DONE)
		return status;
	status = w->ctl->json ? print_json(answer) : take_reading(w, answer);
	if (status == CTL_DONE && !w->ctl->json)
		status = terminal_is_live(w->terminal) ? draw(w) : print_block(w);
	if (status == CTL_DONE && (fflush(stdout) != 0 || ferror(stdout))) {
		error_set(&w->ctl->error, EIO, "cannot write: %s", strerror(errno));
		status = CTL_FAILED;
	}
	return status;
}

static int loop(struct watch *w)
{
	uint64_t step = (uint64_t)(w->interval * 1e9), next = terminal_now();
	for (;;) {
		int status = show_reading(w);
		if (status != CTL_DONE)
			return status;
		/* A server that is slow to answer gets no requests in a row. */
		next = next + step > terminal_now() ? next + step : terminal_now() + step;
		enum terminal_event event = terminal_wait(w->terminal, next);
		for (; event == TERMINAL_RESIZED; event = terminal_wait(w->terminal, next)) {
			status = terminal_is_live(w->terminal) ? draw(w) : CTL_DONE;
			if (status != CTL_DONE)
				return status;
		}
		if (event == TERMINAL_QUIT)
			return CTL_STOPPED;
	}
}

int watch_run(struct ctl *ctl, const char *at, double seconds)
{
	struct watch w = { .ctl = ctl, .at = at, .interval = seconds };
	ctl->silent = true;
	int status = ctl_connect(ctl);
	if (status != CTL_DONE)
		return status;
	w.terminal = terminal_open(!ctl->json);
	if (!w.terminal)
		return ctl_fail(CTL_FAILED, "out of memory");
	client_stop_at(ctl->client, &terminal_stopped);
	status = loop(&w);
	client_stop_at(ctl->client, NULL);
	terminal_close(w.terminal);
	stats_free(&w.last);
	stats_free(&w.shown);
	return status == CTL_STOPPED ? CTL_DONE : status;
}

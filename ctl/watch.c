/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics again and again. */
#include "ctl/watch.h"

#include "ctl/terminal.h"
#include "ctl/text.h"
#include "lib/clock.h"

#include <errno.h>
#include <math.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#define HOME "\x1b[H"
#define LINE_END "\x1b[K\n" /* clears what an earlier, longer line left */
#define REST_CLEAR "\x1b[J"
#define REVERSE "\x1b[7m"
#define NORMAL "\x1b[m"
#define SECONDS_LEAST 0.1
#define SECONDS_MOST 86400.0

struct watch {
	struct ctl *ctl;
	const struct watch_options *options;
	struct terminal *terminal;
	struct stats last, shown; /* the last reading; what came in the interval before it */
	double shown_seconds;     /* 0: there has been no interval yet */
	uint64_t read_at;         /* CLOCK_MONOTONIC, ns */
	uint64_t intervals;       /* shown so far */
	bool reached;             /* the server has answered once */
	bool away;                /* and does not now, as ctl->error says */
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

static struct watch_interval interval(const struct watch *w)
{
	return (struct watch_interval){ &w->shown, w->shown_seconds };
}

/* text may steer a terminal; "%s" in before is not looked at. */
static int put_line(const struct table_window *window, const char *before, const char *text, FILE *to)
{
	char *escaped = text_escape(text), *line = NULL;
	int res = escaped && asprintf(&line, "%s%s", before, escaped) >= 0 ? 0 : -ENOMEM;
	if (res == 0)
		table_line(window, line, to);
	free(escaped);
	free(line);
	return res;
}

static int draw_into(struct watch *w, FILE *to)
{
	const struct watch_view *view = w->options->view;
	const bool colours = terminal_has_colours(w->terminal);
	struct table_window window = { .end = LINE_END,
				       .on = colours ? REVERSE : NULL,
				       .off = colours ? NORMAL : NULL };
	char date[TEXT_TIME_MAX], head[256];
	terminal_size(w->terminal, &window.columns, &window.rows);
	fputs(HOME, to);
	snprintf(head, sizeof(head), "%s  every %gs  %s  ", now_text(date), w->options->seconds, view->keys);
	int res = put_line(&window, head, w->ctl->socket, to);
	/* The last line stays empty: an end of line there would scroll. */
	window.rows = window.rows > 2 ? window.rows - 2 : 0;
	if (res == 0 && w->away && window.rows > 0)
		res = put_line(&window, "trying again: ", w->ctl->error.text, to);
	else if (res == 0 && w->shown_seconds > 0) {
		const struct watch_interval i = interval(w);
		res = view->draw(view->state, &i, &window, to);
	}
	fputs(REST_CLEAR, to);
	return res;
}

/* A whole screen in one write, so that it does not flicker. */
static int draw(struct watch *w)
{
	char *screen = NULL;
	size_t size;
	FILE *to = open_memstream(&screen, &size);
	if (!to)
		return no_memory(w);
	int res = draw_into(w, to);
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
	const struct watch_view *view = w->options->view;
	const struct watch_interval i = interval(w);
	char date[TEXT_TIME_MAX];
	printf("%s\n", now_text(date));
	if (view->print(view->state, &i, stdout) != 0)
		return no_memory(w);
	putchar('\n');
	return CTL_DONE;
}

static int print_line(struct watch *w)
{
	const struct watch_view *view = w->options->view;
	const struct watch_interval i = interval(w);
	json_t *line = view->describe(view->state, &i);
	if (!line)
		return no_memory(w);
	ctl_print_json(line, JSON_COMPACT);
	json_decref(line);
	return CTL_DONE;
}

/* What follows is counted anew: the time in between is nobody's interval. */
static void forget_readings(struct watch *w)
{
	stats_free(&w->last);
	stats_free(&w->shown);
	w->shown_seconds = 0;
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

static int print_answer(json_t *answer)
{
	ctl_print_json(answer, JSON_COMPACT);
	json_decref(answer);
	return CTL_DONE;
}

static int show_interval(struct watch *w)
{
	if (terminal_is_live(w->terminal))
		return draw(w);
	if (w->shown_seconds == 0)
		return CTL_DONE;
	w->intervals++;
	return w->ctl->json ? print_line(w) : print_block(w);
}

static bool can_wait(const struct watch *w, int status)
{
	return w->options->patient && w->reached && terminal_is_live(w->terminal) && w->ctl->error.code != ENOMEM &&
	       status != CTL_STOPPED;
}

static int show_reading(struct watch *w)
{
	json_t *answer;
	int status = ctl_get_typed(w->ctl, "stats", w->options->at, JSON_OBJECT, &answer);
	if (status == CTL_DONE && w->ctl->json && !w->options->view->describe)
		status = print_answer(answer);
	else {
		if (status == CTL_DONE)
			status = take_reading(w, answer);
		w->away = status != CTL_DONE;
		if (w->away && !can_wait(w, status))
			return status;
		if (w->away)
			forget_readings(w);
		w->reached = true;
		status = show_interval(w);
	}
	if (status == CTL_DONE && (fflush(stdout) != 0 || ferror(stdout))) {
		/* A terminal that takes nothing is left by the same signals as any other wait. */
		if (terminal_stopped)
			return CTL_STOPPED;
		error_set(&w->ctl->error, EIO, "cannot write: %s", strerror(errno));
		status = CTL_FAILED;
	}
	return status;
}

/* Until the next reading: keys and other sizes of the window show at once. */
static int rest(struct watch *w, uint64_t until)
{
	const struct watch_view *view = w->options->view;
	for (;;) {
		enum terminal_event event = terminal_wait(w->terminal, until);
		if (event == TERMINAL_QUIT)
			return CTL_STOPPED;
		if (event == TERMINAL_TIME)
			return CTL_DONE;
		if (event == TERMINAL_KEY && view->key)
			view->key(view->state, terminal_key(w->terminal));
		int status = terminal_is_live(w->terminal) ? draw(w) : CTL_DONE;
		if (status != CTL_DONE)
			return status;
	}
}

static int loop(struct watch *w)
{
	uint64_t step = (uint64_t)(w->options->seconds * 1e9), next = terminal_now();
	for (;;) {
		int status = show_reading(w);
		if (status != CTL_DONE)
			return status;
		if (w->options->count > 0 && w->intervals == w->options->count)
			return CTL_STOPPED;
		/* A server that is slow to answer gets no requests in a row. */
		next = next + step > terminal_now() ? next + step : terminal_now() + step;
		status = rest(w, next);
		if (status != CTL_DONE)
			return status;
	}
}

/* What a write that a signal ended has left over, and its error, are nobody's any more. */
static void drop_output(void)
{
	__fpurge(stdout);
	clearerr(stdout);
}

int watch_run(struct ctl *ctl, const struct watch_options *options)
{
	struct watch w = { .ctl = ctl, .options = options };
	ctl->silent = true;
	int status = ctl_connect(ctl);
	if (status != CTL_DONE)
		return status;
	w.terminal = terminal_open(!ctl->json && options->count == 0);
	if (!w.terminal)
		return ctl_fail(CTL_FAILED, "out of memory");
	client_stop_at(ctl->client, &terminal_stopped);
	status = loop(&w);
	client_stop_at(ctl->client, NULL);
	if (terminal_stopped)
		drop_output();
	terminal_close(w.terminal);
	forget_readings(&w);
	return status == CTL_STOPPED ? CTL_DONE : status;
}

int watch_seconds(const struct command *command, const char *option, const char *text, double *seconds)
{
	char *end;
	if (!text)
		return 0;
	*seconds = strtod(text, &end);
	if (end != text && *end == '\0' && isfinite(*seconds) && *seconds >= SECONDS_LEAST && *seconds <= SECONDS_MOST)
		return 0;
	return ctl_usage(command, "--%s %s: must be seconds from 0.1 to 86400", option, text);
}

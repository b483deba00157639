/* SPDX-License-Identifier: Apache-2.0 */
/* The log: a line is put together on the stack and leaves with one write, so lines of several threads never mix. */
#include "lib/log.h"

#include "lib/cleanup.h"
#include "lib/log_errors.h"
#include "lib/log_rotate.h"

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048 /* newline included; more is cut */
#define COLOUR_END "\033[0m"
#define LIMIT_LINES 10
#define LIMIT_WINDOW 10000000000ULL /* ns */

/* Relaxed: nothing else is published through the level. */
static _Atomic int level_now = GRAFT_LOG_INFO;
/* Relaxed: who still sees the old number writes a line to stderr. Once it is a file's it stays, see switch_to. */
static _Atomic int log_fd = STDERR_FILENO;
static enum log_form form = LOG_FORM_PLAIN;
static const char *program = "graftfsd";
/* Main thread. The folder is held, so that the file is found again from where its path leads nowhere (a sandbox). */
static char log_path[PATH_MAX]; /* empty: no file */
static int log_dir = -1;
static bool following; /* log_follow */
static int syslog_pid; /* 0: lines do not go to the system's log */
static void (*sink_fn)(void *user, int level, const char *line);
static void *sink_user;

void log_set_level(int level)
{
	atomic_store_explicit(&level_now, level, memory_order_relaxed);
}

int log_level(void)
{
	return atomic_load_explicit(&level_now, memory_order_relaxed);
}

void log_set_form(enum log_form new_form, const char *name)
{
	form = new_form;
	program = name;
	tzset(); /* reads files, which may be out of reach later, and by calls that a filter forbids */
}

void log_set_sink(void (*sink)(void *user, int level, const char *line), void *user)
{
	sink_fn = sink;
	sink_user = user;
}

/* For each form and level. Plain, INFO has no word: "graftfsd: ready" is the line that scripts wait for. */
static const char *level_word(int level)
{
	static const char *const words[][GRAFT_LOG_TRACE + 1] = {
		[LOG_FORM_PLAIN] = { "error: ", "warn: ", "", "debug: ", "trace: " },
		[LOG_FORM_STAMPED] = { "ERROR", "WARN", "INFO", "DEBUG", "TRACE" },
		[LOG_FORM_DATED] = { "ERROR", "WARN", "INFO", "DEBUG", "TRACE" },
	};
	return words[form][level >= GRAFT_LOG_ERROR && level <= GRAFT_LOG_TRACE ? level : GRAFT_LOG_INFO];
}

/* A guest's file name may be in the text: it must not forge lines or reach the terminal. */
static void blank_controls(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

/* The last part of a path. */
static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* The folder of a path, or -errno with err. */
static int open_folder(const char *path, struct graft_error *err)
{
	char folder[PATH_MAX];
	int len = (int)(last_part(path) - path);
	snprintf(folder, sizeof(folder), "%.*s", len, path);
	int fd = open(len ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : error_set(err, errno, "cannot open the log %.512s: %s", path, strerror(errno));
}

/* The file, or -errno with err. Nothing here waits for a reader: a FIFO that nobody reads is ENXIO. */
static int open_file(int dir, const char *path, struct graft_error *err)
{
	const char *name = last_part(path);
	auto_close int fd = openat(dir, *name ? name : ".",
				   O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	struct stat st;
	if (fd < 0)
		return error_set(err, errno, "cannot open the log %.512s: %s", path, strerror(errno));
	if (fstat(fd, &st) != 0)
		return error_set(err, errno, "cannot look at the log %.512s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return error_set(err, EINVAL, "cannot log to %.512s: it is no file, FIFO or terminal", path);
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0)
		return error_set(err, errno, "cannot set up the log %.512s: %s", path, strerror(errno));
	return steal_fd(&fd);
}

/* A file's descriptor number stays the same from file to file, so no thread writes to one that is closed. */
static int switch_to(int dir, const char *path, struct graft_error *err)
{
	auto_close int fd = open_file(dir, path, err);
	if (fd < 0)
		return fd;
	int now = atomic_load_explicit(&log_fd, memory_order_relaxed);
	if (now == STDERR_FILENO)
		atomic_store_explicit(&log_fd, steal_fd(&fd), memory_order_relaxed);
	else if (dup3(fd, now, O_CLOEXEC) < 0)
		return error_set(err, errno, "cannot change the log to %.512s: %s", path, strerror(errno));
	return 0;
}

int log_open(const char *path, struct graft_error *err)
{
	if (strlen(path) >= sizeof(log_path))
		return error_set(err, ENAMETOOLONG, "cannot open the log: its path has more than %zu bytes",
				 sizeof(log_path) - 1);
	auto_close int dir = open_folder(path, err);
	int res = dir < 0 ? dir : switch_to(dir, path, err);
	if (res != 0)
		return res;
	strcpy(log_path, path);
	cleanup_close(&log_dir);
	log_dir = steal_fd(&dir);
	return 0;
}

int log_open_rotating(const char *path, uint64_t bytes, struct graft_error *err)
{
	char live[PATH_MAX + 16];
	struct stat st = { 0 };
	log_rotate_name(path, LOG_ROTATE_LIVE, live);
	int res = log_open(live, err);
	if (res != 0)
		return res;
	/* Of a FIFO nothing is put away. */
	int fd = atomic_load_explicit(&log_fd, memory_order_relaxed);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	return log_rotate_set(log_dir, last_part(live), bytes, (uint64_t)st.st_size, err);
}

int log_open_syslog(const char *path, struct graft_error *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (strlen(path) >= sizeof(to.sun_path))
		return error_set(err, ENAMETOOLONG, "no path of a socket: %.120s", path);
	strcpy(to.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		return error_set(err, errno, "the system's log at %s: %s", path, strerror(errno));
	syslog_pid = getpid();
	atomic_store_explicit(&log_fd, steal_fd(&fd), memory_order_relaxed);
	return 0;
}

int log_reopen(void)
{
	struct graft_error err = { 0 };
	int res = *log_path != '\0' ? switch_to(log_dir, log_path, &err) : 0;
	if (res != 0)
		log_err(NULL, "%s; the old one goes on", err.text);
	return res;
}

void log_follow(void)
{
	following = *log_path != '\0';
}

/* Whether the name leads to another file by now. */
static bool put_away(int fd)
{
	struct stat here, there;
	return fstat(fd, &here) == 0 && fstatat(log_dir, last_part(log_path), &there, 0) == 0 &&
	       (here.st_ino != there.st_ino || here.st_dev != there.st_dev);
}

static void follow(int fd)
{
	following = false;
	if (put_away(fd))
		log_reopen();
	following = true;
}

/* The time without its end, "2026-01-01T00:00:00"; returns the milliseconds behind it. */
static long stamp(char *line, size_t room)
{
	struct timespec ts;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(line, room, "%Y-%m-%dT%H:%M:%S", &tm);
	return ts.tv_nsec / 1000000;
}

static void plain_head(char *line, size_t room, int level, const char *object, bool with_time)
{
	char time[32], before[64] = "";
	if (with_time) {
		long ms = stamp(time, sizeof(time));
		snprintf(before, sizeof(before), "%s.%03ldZ ", time, ms);
	}
	snprintf(line, room, "%s%s: %s%s%s", before, program, level_word(level), object ? object : "",
		 object ? ": " : "");
	blank_controls(line);
}

static void stamped_head(char *line, size_t room, int level, const char *object)
{
	char time[32];
	stamp(time, sizeof(time));
	snprintf(line, room, "[%sZ %-5s %s%s%s] ", time, level_word(level), program, object ? "::" : "",
		 object ? object : "");
	blank_controls(line);
}

/* "2026-01-01 00:00:00.000000 +00:00", local. */
static void local_stamp(char *text, size_t room)
{
	struct timespec ts;
	struct tm tm;
	char day[32], zone[8] = "+0000";
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	snprintf(text, room, "%s.%06u %.3s:%.2s", day, (unsigned int)(ts.tv_nsec / 1000) % 1000000u, zone, zone + 3);
}

/* Where a level has a colour, the text behind this begins in it. */
static void dated_head(char *line, size_t room, int level, const char *object, bool coloured)
{
	static const char *const colours[] = { "\033[38;5;196m", "\033[38;5;208m", "", "\033[38;5;27m", "\033[38;5;8m" };
	bool known = level >= GRAFT_LOG_ERROR && level <= GRAFT_LOG_TRACE;
	const char *on = coloured && known ? colours[level] : "", *end = *on ? COLOUR_END : "";
	char time[64], who[128] = "";
	local_stamp(time, sizeof(time));
	if (known && level != GRAFT_LOG_INFO)
		snprintf(who, sizeof(who), "[%s%s%.90s] ", program, object ? "::" : "", object ? object : "");
	else if (object)
		snprintf(who, sizeof(who), "%.120s: ", object);
	blank_controls(who);
	snprintf(line, room, "[%s%s%s] %s%s%s %s%s", on, time, end, on, level_word(level), end, who, on);
}

/* As syslog(3) writes it, the time of day as this host has it. */
static void syslog_head(char *line, size_t room, int level, const char *object)
{
	static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG_DEBUG };
	int known = level >= GRAFT_LOG_ERROR && level <= GRAFT_LOG_TRACE ? level : GRAFT_LOG_INFO;
	time_t now = time(NULL);
	char at[32];
	struct tm tm;
	localtime_r(&now, &tm);
	strftime(at, sizeof(at), "%b %e %T", &tm);
	snprintf(line, room, "<%d>%s %s[%d]: %s%s", LOG_USER | priorities[known], at, program, syslog_pid,
		 object ? object : "", object ? ": " : "");
	blank_controls(line);
}

static void emit(int level, int fd, char *line)
{
	if (sink_fn) {
		sink_fn(sink_user, level, line);
		return;
	}
	size_t len = strlen(line);
	/* A log that is full, or whose daemon was started anew, must not hold up who has something to say. */
	if (syslog_pid && fd != STDERR_FILENO) {
		if (send(fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return;
		fd = STDERR_FILENO;
	}
	line[len] = '\n';
	bool file = fd != STDERR_FILENO;
	if (file && following)
		follow(fd);
	/* Nobody is left to tell that the log cannot be written. */
	ssize_t written = write(fd, line, len + 1);
	if (file && written > 0)
		log_rotate_count((size_t)written);
}

/* Puts the text behind the head that stands in line, and the colour's end behind both; keeps errno. */
static void add_text(char line[LINE_MAX_BYTES], const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void add_text(char line[LINE_MAX_BYTES], const char *fmt, va_list ap)
{
	const size_t room = LINE_MAX_BYTES - 1; /* for the newline */
	size_t len = strnlen(line, room);
	bool coloured = len > 0 && line[len - 1] == 'm' && memchr(line, '\033', len);
	size_t left = room - len - (coloured ? strlen(COLOUR_END) : 0);
	if (vsnprintf(line + len, left, fmt, ap) < 0)
		line[len] = '\0';
	blank_controls(line + len);
	if (coloured)
		strcat(line, COLOUR_END);
}

/* A plugin's level may be any number. */
static bool wanted(int level)
{
	int now = log_level();
	return now > LOG_OFF && level <= now;
}

void log_vmsg(int level, const char *object, const char *fmt, va_list ap)
{
	if (!wanted(level))
		return;
	int saved = errno;
	char line[LINE_MAX_BYTES];
	const size_t room = sizeof(line) - 1; /* for the newline */
	int fd = atomic_load_explicit(&log_fd, memory_order_relaxed);
	/* What reads stderr, such as the journal, has a clock of its own. */
	if (syslog_pid && !sink_fn)
		syslog_head(line, room, level, object);
	else if (form == LOG_FORM_PLAIN)
		plain_head(line, room, level, object, fd != STDERR_FILENO && !sink_fn);
	else if (form == LOG_FORM_DATED)
		dated_head(line, room, level, object, fd == STDERR_FILENO && !sink_fn);
	else
		stamped_head(line, room, level, object);
	size_t head = strlen(line);
	errno = saved; /* for %m */
	add_text(line, fmt, ap);
	if (level <= GRAFT_LOG_ERROR)
		log_errors_add(object, line + head);
	emit(level, fd, line);
	errno = saved;
}

void log_fatal(const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;
	if (form == LOG_FORM_PLAIN)
		snprintf(line, sizeof(line), "%s: ", program);
	else if (form == LOG_FORM_DATED)
		snprintf(line, sizeof(line), "Error: ");
	else
		stamped_head(line, sizeof(line), GRAFT_LOG_ERROR, NULL);
	va_start(ap, fmt);
	add_text(line, fmt, ap);
	va_end(ap);
	emit(GRAFT_LOG_ERROR, STDERR_FILENO, line);
	if (atomic_load_explicit(&log_fd, memory_order_relaxed) == STDERR_FILENO)
		return;
	va_start(ap, fmt);
	log_vmsg(GRAFT_LOG_ERROR, NULL, fmt, ap);
	va_end(ap);
}

void log_msg(int level, const char *object, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	log_vmsg(level, object, fmt, ap);
	va_end(ap);
}

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* Begins a new window if the present one is over; one thread wins. Returns the lines the old one left out. */
static uint32_t turn_window(struct log_limit *limit)
{
	uint64_t now = now_ns();
	uint64_t start = atomic_load_explicit(&limit->window, memory_order_relaxed);
	if (start != 0 && now < start + LIMIT_WINDOW)
		return 0;
	/* Relaxed: a line that counts in the wrong window is harmless. */
	if (!atomic_compare_exchange_strong_explicit(&limit->window, &start, now, memory_order_relaxed,
						     memory_order_relaxed))
		return 0;
	uint32_t lines = atomic_exchange_explicit(&limit->count, 0, memory_order_relaxed);
	return lines > LIMIT_LINES ? lines - LIMIT_LINES : 0;
}

void log_vlimited(struct log_limit *limit, int level, const char *object, const char *fmt, va_list ap)
{
	if (!wanted(level))
		return;
	int saved = errno;
	uint32_t lost = turn_window(limit);
	if (lost > 0)
		log_msg(level, object, "%u more lines like this were left out", lost);
	uint32_t lines = atomic_fetch_add_explicit(&limit->count, 1, memory_order_relaxed);
	errno = saved;
	if (lines < LIMIT_LINES)
		log_vmsg(level, object, fmt, ap);
	errno = saved;
}

void log_limited(struct log_limit *limit, int level, const char *object, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	log_vlimited(limit, level, object, fmt, ap);
	va_end(ap);
}

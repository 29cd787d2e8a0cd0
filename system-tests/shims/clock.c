/* A clock on the wall that is wrong by so many seconds as the file in DAYBOOK_CLOCK_SWITCH says, from one moment to the
 * next. Time that only passes is left alone. Loaded before libc, by LD_PRELOAD, into a process of a test. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int real(clockid_t clock, struct timespec *now) {
    static int (*ask)(clockid_t, struct timespec *);
    if (!ask) ask = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    return ask(clock, now);
}

/* Looked at again after ten milliseconds. */
static long wrong_by(void) {
    static volatile long seconds, looked_at_ms;
    struct timespec now;
    real(CLOCK_MONOTONIC, &now);
    long now_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (now_ms - looked_at_ms < 10) return seconds;
    looked_at_ms = now_ms;
    const char *file = getenv("DAYBOOK_CLOCK_SWITCH");
    char digits[24] = {0};
    int before = errno, at = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    if (at >= 0) {
        if (read(at, digits, sizeof digits - 1) > 0) seconds = strtol(digits, NULL, 10);
        close(at);
    }
    errno = before;
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = real(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += wrong_by();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    int failed = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now) *now = exact.tv_sec;
    return exact.tv_sec;
}
